//! A tenant with a bit of everything.

use std::io;

use super::base::PUBLIC;
use super::parts::{
    Data, Machine, conversion_host, image, let_in, network, server, subnet, tenant, volume, write_over,
};
use super::refused;
use crate::clock::now;
use crate::cloud::Cloud;
use crate::lab::Lab;
use crate::neutron::{
    FloatingIpSpec, GatewaySpec, RouterSpec, attach_subnet, make_floating_ip, make_group, make_router,
};
use crate::nova::{Keypair, fingerprint};

const PUBLIC_KEY: &str = "ssh-ed25519 \
                          AAAAC3NzaC1lZDI1NTE5AAAAIOGuc76SI1qmLevmZOkb+xmlm5hfvdDnXBQ6pDwiSKHs demo@example.org";

/// Fills the tenant of `src`, and puts a conversion host into both clouds.
pub(crate) fn demo(lab: &Lab) -> io::Result<()> {
    conversion_host(lab.src())?;
    conversion_host(lab.dst())?;
    let cloud = lab.src();
    let (project, user) = tenant(cloud);
    let owner = (project.as_str(), user.as_str());
    let Networks { front, back, web_group, db_group } = networks(cloud, &project)?;
    cloud.world().nova.keypairs.push(Keypair {
        number: 1,
        name: "demo-key".to_owned(),
        user_id: user.clone(),
        kind: "ssh".to_owned(),
        public_key: PUBLIC_KEY.to_owned(),
        fingerprint: fingerprint(PUBLIC_KEY).unwrap_or_default(),
        created: now(),
    });
    let debian = image(cloud, &project, "debian-12", "shared", 16 << 20)?;
    let disk = |name, mib, bootable| volume(cloud, owner, &Data { name, mib, bootable });
    let web_data = disk("web-data", 72, false)?;
    let db_boot = disk("db-boot", 56, true)?;
    let db_data = disk("db-data", 96, false)?;
    let worker_boot = disk("worker-boot", 64, true)?;
    disk("archive", 16, false)?;

    let web = server(
        cloud,
        owner,
        &Machine {
            name: "web",
            flavor: "m1.tiny",
            image: Some(&debian),
            ports: &[(&front, "10.10.1.11"), (&back, "10.10.2.11")],
            groups: &[&web_group],
            key: Some("demo-key"),
            volumes: &[&web_data],
            metadata: &[("role", "web")],
            stopped: false,
        },
    )?;
    // What the guest has written since it was booted from the image.
    write_over(&cloud.root_disk_file(&web), "web-root", 32)?;
    server(
        cloud,
        owner,
        &Machine {
            name: "db",
            flavor: "m1.small",
            ports: &[(&back, "10.10.2.12")],
            groups: &[&db_group],
            key: Some("demo-key"),
            volumes: &[&db_boot, &db_data],
            metadata: &[("role", "db")],
            ..Machine::default()
        },
    )?;
    let worker = Machine {
        name: "worker",
        flavor: "m1.tiny",
        ports: &[(&back, "10.10.2.13")],
        volumes: &[&worker_boot],
        stopped: true,
        ..Machine::default()
    };
    server(cloud, owner, &worker)?;
    floating_ip(cloud, &project, &web)
}

struct Networks {
    front: String,
    back: String,
    web_group: String,
    db_group: String,
}

fn networks(cloud: &Cloud, project: &str) -> io::Result<Networks> {
    let mut guard = cloud.world();
    let world = &mut *guard;
    let front = network(world, project, "front")?;
    let back = network(world, project, "back")?;
    let front_subnet = subnet(world, project, &front, "front-subnet", "10.10.1.0/24", true)?;
    let back_subnet = subnet(world, project, &back, "back-subnet", "10.10.2.0/24", true)?;
    if let Some(front) = world.neutron.networks.get_mut(&front) {
        front.base.tags = vec!["tier:front".to_owned()];
    }
    let outside = world.neutron.networks.iter().find(|network| network.base.name == PUBLIC);
    let gateway =
        GatewaySpec { network_id: outside.map(|network| network.base.id.clone()), ..GatewaySpec::default() };
    let router = RouterSpec {
        name: Some("edge".to_owned()),
        external_gateway_info: Some(Some(gateway)),
        ..RouterSpec::default()
    };
    let router = make_router(world, project, router).map_err(refused)?;
    for subnet in [&front_subnet, &back_subnet] {
        attach_subnet(world, &router, subnet).map_err(refused)?;
    }
    let web_group = make_group(world, project, "web", "HTTP and SSH from anywhere").map_err(refused)?;
    let db_group = make_group(world, project, "db", "PostgreSQL from the web servers").map_err(refused)?;
    for port in [22, 80, 443] {
        let_in(world, &web_group, port, Some("0.0.0.0/0"), None)?;
    }
    let_in(world, &db_group, 5432, None, Some(&web_group))?;
    let_in(world, &db_group, 22, Some("10.10.0.0/16"), None)?;
    Ok(Networks { front, back, web_group, db_group })
}

fn floating_ip(cloud: &Cloud, project: &str, server: &str) -> io::Result<()> {
    let mut world = cloud.world();
    let outside = world.neutron.networks.iter().find(|network| network.base.name == PUBLIC);
    let network_id = outside.map(|network| network.base.id.clone()).unwrap_or_default();
    let port = world.neutron.ports_of(server).next().map(|port| port.base.id.clone());
    let spec = FloatingIpSpec {
        floating_network_id: network_id,
        port_id: port,
        description: Some("web".to_owned()),
        ..FloatingIpSpec::default()
    };
    make_floating_ip(&mut world, project, &spec).map(drop).map_err(refused)
}
