//! osm-openstack
