//! osm-model
