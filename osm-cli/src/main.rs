//! osm-cli
fn main() {}
