//! Wall-clock and CPU comparisons with the peers, in paired rounds. See README.md.

#![forbid(unsafe_code)]

mod api;
mod arguments;
mod client;
mod copy;
mod disk;
mod fleet;
mod limits;
mod measure;
mod one;
mod results;
mod server;
mod table;
mod vmware;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::arguments::Arguments;

const USAGE: &str = "\
usage: osm-benches copy [--rounds N] [--size-mib N] [--dir DIR] [--ours PROGRAM]
       osm-benches table [--cases NAME,..] [--rounds N] [--size-mib N] [--dir DIR] [--ours PROGRAM]
       osm-benches api [--rounds N] [--networks N] [--ours PROGRAM] [--clouds CLOUDS.YAML --src CLOUD --dst CLOUD]
       osm-benches fleet [--cases NAME,..] [--rounds N] [--dir DIR] [--ours PROGRAM]
       osm-benches vmware [--cases NAME,..] [--rounds N] [--dir DIR] [--ours PROGRAM]
       osm-benches limits [--rounds N] [--size-mib N] [--dir DIR]
       osm-benches one SOURCE TARGET [--request-kib N] [--in-flight-mib N] [--connections N]

  copy   nbdcopy and osm-cli copy, both from nbdkit over a unix socket to a fresh file, in rounds
  table  nbdkit, qemu-nbd, nbdcopy, qemu-img and ours, in the cases of README.md: unix, tcp, sparse, tls, far,
         areas, journal
  api    export and import of osm-cli beside plain requests, on the lab or on two clouds
  fleet  whole moves beside how OS Migrate moves the same disks, on the lab, in the cases of README.md: copy,
         downtime, control
  vmware machines of a vSphere, on the lab, in the cases of README.md: delta, disks, inventory, unchanged, memory
  limits what the machine can do at most: memcpy, writes to fresh pages, sendfile and splice, without any NBD
  one    one copy with the library alone, as osm-cli copy does it";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let command = words.next();
    let mut arguments = Arguments::parse(words)?;
    match command.as_deref() {
        Some("api") => api::run(&api::Options::from_arguments(&mut arguments)?),
        Some("copy") => copy::run(&copy::Options::from_arguments(&mut arguments)?),
        Some("table") => table::run(&mut arguments),
        Some("fleet") => fleet::run(&mut arguments),
        Some("vmware") => vmware::run(&mut arguments),
        Some("limits") => limits::run(&mut arguments),
        Some("one") => one::run(&mut arguments),
        _ => bail!("{USAGE}"),
    }
}
