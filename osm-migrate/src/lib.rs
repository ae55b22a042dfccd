//! osm-migrate
