//! Pieces tenants are made of, ready at once.

use std::io;
use std::net::IpAddr;

use super::base::{CONVERSION_IMAGE, PROVIDER};
use super::refused;
use crate::cinder::Volume;
use crate::clock::now;
use crate::cloud::Cloud;
use crate::digest::md5;
use crate::disk::{self, GIB};
use crate::glance::Image;
use crate::lab::Lab;
use crate::neutron::{
    AddressSpec, NetworkSpec, PortSpec, RuleSpec, SubnetSpec, default_group, make_network, make_port,
    make_rule, make_subnet,
};
use crate::nova::{Disk, Server, plug_in};
use crate::world::World;

const MIB: u64 = 1 << 20;

/// A number that is the same for the same name in every lab.
fn seed_of(name: &str) -> u64 {
    md5(name.as_bytes()).get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(1)
}

pub(super) fn network(world: &mut World, project: &str, name: &str) -> io::Result<String> {
    let spec = NetworkSpec { name: Some(name.to_owned()), ..NetworkSpec::default() };
    make_network(world, project, spec).map_err(refused)
}

pub(super) fn subnet(
    world: &mut World,
    project: &str,
    network: &str,
    name: &str,
    cidr: &str,
    dhcp: bool,
) -> io::Result<String> {
    let spec = SubnetSpec {
        name: Some(name.to_owned()),
        network_id: Some(network.to_owned()),
        cidr: Some(cidr.to_owned()),
        enable_dhcp: Some(dhcp),
        dns_nameservers: dhcp.then(|| vec!["192.0.2.53".to_owned()]),
        ..SubnetSpec::default()
    };
    make_subnet(world, project, spec).map_err(refused)
}

/// Lets TCP in on one port, from a block or from a group.
pub(super) fn let_in(
    world: &mut World,
    group: &str,
    port: i32,
    cidr: Option<&str>,
    from: Option<&str>,
) -> io::Result<()> {
    let spec = RuleSpec {
        security_group_id: group.to_owned(),
        direction: "ingress".to_owned(),
        ethertype: Some("IPv4".to_owned()),
        protocol: Some("tcp".to_owned()),
        port_range_min: Some(port),
        port_range_max: Some(port),
        remote_ip_prefix: cidr.map(str::to_owned),
        remote_group_id: from.map(str::to_owned),
        ..RuleSpec::default()
    };
    make_rule(world, spec).map(drop).map_err(refused)
}

/// An image full of bytes.
pub(super) fn image(
    cloud: &Cloud,
    owner: &str,
    name: &str,
    visibility: &str,
    size: u64,
) -> io::Result<String> {
    let mut image = Image::new(owner, Some(name));
    let file = cloud.image_file(&image.id);
    disk::create(&file, size)?;
    disk::scribble(&file, seed_of(name), 0, usize::try_from(size).unwrap_or(0))?;
    let (checksum, hash) = disk::digests(&file)?;
    visibility.clone_into(&mut image.visibility);
    image.size = Some(size);
    image.virtual_size = Some(size);
    image.checksum = Some(checksum);
    image.hash = Some(hash);
    image.disk_format = Some("raw".to_owned());
    image.container_format = Some("bare".to_owned());
    image.min_disk = 1;
    image.set("active");
    let properties = [
        ("os_type", "linux"),
        ("os_distro", "debian"),
        ("hw_machine_type", "q35"),
        ("hw_disk_bus", "virtio"),
    ];
    image.properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let id = image.id.clone();
    cloud.world().glance.images.insert(image);
    Ok(id)
}

/// Writes `mib` MiB of bytes all over a disk of one GiB: its two ends, and pieces of odd sizes between.
pub(super) fn write_over(cloud_file: &std::path::Path, name: &str, mib: u64) -> io::Result<()> {
    let seed = seed_of(name);
    let pieces = (mib / 4).max(1);
    let (piece, stride) = (mib * MIB / pieces, GIB / (pieces + 1));
    for index in 0..pieces {
        // Off the MiB grid, so that a copier that rounds is found out.
        let offset = index * stride + if index == 0 { 0 } else { 4096 * (index % 7) + 512 };
        disk::scribble(cloud_file, seed, offset, usize::try_from(piece).unwrap_or(0))?;
    }
    disk::scribble(cloud_file, seed, GIB - 5000, 5000)
}

/// What a volume of a tenant is like.
pub(super) struct Data<'a> {
    pub(super) name: &'a str,
    pub(super) mib: u64,
    pub(super) bootable: bool,
}

/// A volume of one GiB.
pub(super) fn volume(cloud: &Cloud, owner: (&str, &str), data: &Data<'_>) -> io::Result<String> {
    let mut volume = Volume::new(owner.0, owner.1, Some(data.name), 1);
    let file = cloud.volume_file(&volume.id);
    disk::create(&file, GIB)?;
    write_over(&file, data.name, data.mib)?;
    volume.bootable = data.bootable;
    if data.bootable {
        let properties = [("hw_machine_type", "q35"), ("hw_disk_bus", "virtio"), ("os_type", "linux")];
        volume.image_metadata = properties.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    }
    volume.set("available");
    let id = volume.id.clone();
    cloud.world().cinder.volumes.insert(volume);
    Ok(id)
}

/// What a server of a tenant is like.
#[derive(Default)]
pub(super) struct Machine<'a> {
    pub(super) name: &'a str,
    pub(super) flavor: &'a str,
    pub(super) image: Option<&'a str>,
    /// Network and fixed address.
    pub(super) ports: &'a [(&'a str, &'a str)],
    pub(super) groups: &'a [&'a str],
    pub(super) key: Option<&'a str>,
    /// In the order of their devices; the first is the root disk when there is no image.
    pub(super) volumes: &'a [&'a str],
    pub(super) stopped: bool,
    pub(super) metadata: &'a [(&'a str, &'a str)],
}

/// A server that runs, or has run.
pub(super) fn server(cloud: &Cloud, owner: (&str, &str), machine: &Machine<'_>) -> io::Result<String> {
    let mut world = cloud.world();
    let flavor = world.nova.flavors.iter().find(|flavor| flavor.name == machine.flavor).cloned();
    let flavor = flavor.ok_or_else(|| io::Error::other(format!("no flavor {}", machine.flavor)))?;
    let root_size = flavor.disk * GIB;
    let mut server = Server::new(machine.name, owner.0, owner.1, flavor);
    server.image_id = machine.image.map(str::to_owned);
    server.key_name = machine.key.map(str::to_owned);
    server.description = Some(format!("the {} server", machine.name));
    server.metadata =
        machine.metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    server.set(if machine.stopped { "SHUTOFF" } else { "ACTIVE" });
    server.launched = Some(now());
    let id = server.id.clone();
    for (index, volume) in machine.volumes.iter().enumerate() {
        let root = index == 0 && machine.image.is_none();
        let device = if root { "/dev/vda".to_owned() } else { server.free_device() };
        let mut disk = Disk::new(volume, &device);
        disk.root = root;
        server.disks.push(disk);
    }
    std::fs::create_dir_all(cloud.host_dir(&id))?;
    let disks = server.disks.clone();
    world.nova.servers.insert(server);
    for disk in &disks {
        plug_in(cloud, &mut world, &id, disk);
    }
    let default = default_group(&mut world, owner.0);
    for (network, address) in machine.ports {
        let groups = machine.groups.iter().map(|group| (*group).to_owned()).collect();
        let port = PortSpec {
            network_id: Some((*network).to_owned()),
            fixed_ips: address
                .parse::<IpAddr>()
                .ok()
                .map(|address| vec![AddressSpec { subnet_id: None, ip_address: Some(address) }]),
            device_id: Some(id.clone()),
            device_owner: Some("compute:nova".to_owned()),
            security_groups: Some(if machine.groups.is_empty() { vec![default.clone()] } else { groups }),
            ..PortSpec::default()
        };
        let port = make_port(&mut world, owner.0, port).map_err(refused)?;
        if let Some(port) = world.neutron.ports.get_mut(&port) {
            port.made_by_nova = true;
            port.active = !machine.stopped;
        }
    }
    drop(world);
    if let Some(image) = machine.image {
        disk::copy(&cloud.image_file(image), &cloud.root_disk_file(&id), root_size)?;
    }
    Ok(id)
}

/// The tenant of a cloud: its project and its user.
pub(super) fn tenant(cloud: &Cloud) -> (String, String) {
    let tenant = cloud.tenant();
    (tenant.project_id, tenant.user_id)
}

/// What a tenant's servers need: a conversion host in each cloud, and in `src` a network with this subnet.
/// Answers the tenant and the network.
pub(super) fn ground(lab: &Lab, name: &str, cidr: &str) -> io::Result<((String, String), String)> {
    conversion_host(lab.src())?;
    conversion_host(lab.dst())?;
    let owner = tenant(lab.src());
    let mut world = lab.src().world();
    let net = network(&mut world, &owner.0, &format!("{name}-net"))?;
    subnet(&mut world, &owner.0, &net, &format!("{name}-subnet"), cidr, true)?;
    Ok((owner, net))
}

/// The host disks are attached to in order to be copied; a second call finds the first one's.
pub(super) fn conversion_host(cloud: &Cloud) -> io::Result<()> {
    let name = format!("os_migrate_conv_{}", cloud.name());
    if cloud.server_id(&name).is_some() {
        return Ok(());
    }
    let (project, user) = tenant(cloud);
    let (image, network) = {
        let world = cloud.world();
        let image = world.glance.images.iter().find(|image| image.name.as_deref() == Some(CONVERSION_IMAGE));
        let network = world.neutron.networks.iter().find(|network| network.base.name == PROVIDER);
        (image.map(|image| image.id.clone()), network.map(|network| network.base.id.clone()))
    };
    let network = network.unwrap_or_default();
    let machine = Machine {
        name: &name,
        flavor: "m1.conv",
        image: image.as_deref(),
        ports: &[(&network, "")],
        ..Machine::default()
    };
    server(cloud, (&project, &user), &machine).map(drop)
}
