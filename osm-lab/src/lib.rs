//! osm-lab
