//! osm-vmware
