//! Many servers alike, for measurements.

use std::io;

use super::parts::{Data, Machine, ground, server, volume};
use crate::lab::Lab;

/// Servers `fleet-000`, `fleet-001`, ... with volumes of one GiB each, of which the first boots; each volume has
/// so many MiB of bytes.
pub(crate) fn fleet(lab: &Lab, servers: usize, volumes: usize, mib: u64) -> io::Result<()> {
    let ((project, user), net) = ground(lab, "fleet", "192.168.60.0/23")?;
    let (cloud, owner) = (lab.src(), (project.as_str(), user.as_str()));
    for index in 0..servers {
        let name = format!("fleet-{index:03}");
        let mut disks = Vec::new();
        for disk in 0..volumes {
            let data = Data { name: &format!("{name}-{disk}"), mib, bootable: disk == 0 };
            disks.push(volume(cloud, owner, &data)?);
        }
        let disks: Vec<&str> = disks.iter().map(String::as_str).collect();
        let address = format!("192.168.{}.{}", 60 + (index + 20) / 250, (index + 20) % 250);
        let machine = Machine {
            name: &name,
            flavor: "m1.tiny",
            ports: &[(&net, &address)],
            volumes: &disks,
            ..Machine::default()
        };
        server(cloud, owner, &machine)?;
    }
    Ok(())
}
