//! The smallest tenant worth migrating.

use std::io;

use super::parts::{Data, Machine, ground, server, tenant, volume};
use crate::lab::Lab;

/// One network, and one server with a boot volume and a data volume of a few MiB.
pub(crate) fn small(lab: &Lab) -> io::Result<()> {
    let ((project, user), net) = ground(lab, "small", "192.168.50.0/24")?;
    let (cloud, owner) = (lab.src(), (project.as_str(), user.as_str()));
    let boot = volume(cloud, owner, &Data { name: "small-boot", mib: 6, bootable: true })?;
    let data = volume(cloud, owner, &Data { name: "small-data", mib: 4, bootable: false })?;
    let machine = Machine {
        name: "small",
        flavor: "m1.tiny",
        ports: &[(&net, "192.168.50.20")],
        volumes: &[&boot, &data],
        ..Machine::default()
    };
    server(cloud, owner, &machine).map(drop)
}

/// A volume of the tenant of `src` that no server has.
pub(crate) fn detached_volume(lab: &Lab, name: &str, mib: u64) -> io::Result<String> {
    let (project, user) = tenant(lab.src());
    volume(lab.src(), (&project, &user), &Data { name, mib, bootable: false })
}
