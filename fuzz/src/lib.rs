//! Fuzz targets of osm-transfer.

pub mod targets;
