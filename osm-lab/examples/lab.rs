//! Runs a lab with the demo tenant until its standard input ends: `cargo run -p osm-lab --example lab -- DIR`.
//!
//! Any OpenStack client can look around: `OS_CLIENT_CONFIG_FILE=DIR/clouds.yaml openstack --os-cloud src server list`.

use std::io;
use std::path::PathBuf;

use osm_lab::{Lab, LabOptions};

fn main() -> io::Result<()> {
    let dir = std::env::args().nth(1).map(PathBuf::from);
    let dir = dir.ok_or_else(|| io::Error::other("usage: lab DIR"))?;
    let lab = Lab::start(LabOptions::new(&dir))?;
    lab.seed_demo_tenant()?;
    let clouds = dir.join("clouds.yaml");
    lab.write_clouds_yaml(&clouds)?;
    println!("{}", clouds.display());
    io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
}
