//! What every cloud has: people, flavors, volume types, the world outside.

use std::io;

use super::parts::{image, subnet};
use super::refused;
use crate::cinder::VolumeType;
use crate::clock::new_id;
use crate::cloud::Cloud;
use crate::keystone::Domain;
use crate::neutron::{NetworkSpec, default_group, make_network};
use crate::nova::Flavor;

/// The network conversion hosts are on.
pub(super) const PROVIDER: &str = "provider";

/// The external network.
pub(super) const PUBLIC: &str = "public";

/// The image conversion hosts run.
pub(super) const CONVERSION_IMAGE: &str = "os_migrate_conv";

/// Name, memory in MiB, virtual CPUs, disk in GiB.
const FLAVORS: [(&str, u64, u64, u64); 4] =
    [("m1.tiny", 512, 1, 1), ("m1.small", 2048, 1, 2), ("m1.medium", 4096, 2, 4), ("m1.conv", 4096, 2, 4)];

/// Fills a fresh cloud with what its operator has set up.
pub(crate) fn base(cloud: &Cloud) -> io::Result<()> {
    let service = people(cloud);
    let mut world = cloud.world();
    for (name, ram, vcpus, disk) in FLAVORS {
        world.nova.flavors.insert(Flavor {
            id: new_id(),
            name: name.to_owned(),
            ram,
            disk,
            vcpus,
            swap: 0,
            ephemeral: 0,
            rxtx: 1.0,
            public: true,
            description: None,
            specs: Default::default(),
            access: Vec::new(),
        });
    }
    for name in ["nfs", "ssd"] {
        world.cinder.types.insert(VolumeType {
            id: new_id(),
            name: name.to_owned(),
            multiattach: false,
            encrypted: false,
        });
    }
    // Each cloud has other addresses to give away, as two real ones would.
    let octet = if cloud.newer() { 5 } else { 4 };
    let external = NetworkSpec {
        name: Some(PUBLIC.to_owned()),
        external: Some(true),
        mtu: Some(1500),
        ..NetworkSpec::default()
    };
    let public = make_network(&mut world, &service, external).map_err(refused)?;
    subnet(&mut world, &service, &public, "public-subnet", &format!("172.24.{octet}.0/24"), false)?;
    let shared =
        NetworkSpec { name: Some(PROVIDER.to_owned()), shared: Some(true), ..NetworkSpec::default() };
    let provider = make_network(&mut world, &service, shared).map_err(refused)?;
    subnet(&mut world, &service, &provider, "provider-subnet", &format!("10.254.{octet}.0/24"), true)?;
    let tenant = world.keystone.project_named("demo").map(|project| project.id.clone()).unwrap_or_default();
    default_group(&mut world, &tenant);
    drop(world);
    image(cloud, &service, CONVERSION_IMAGE, "public", 1 << 20)?;
    Ok(())
}

/// Makes projects, roles and users; answers the id of the project that owns shared things.
fn people(cloud: &Cloud) -> String {
    let mut world = cloud.world();
    let keystone = &mut world.keystone;
    keystone.domains.insert(Domain {
        id: "default".to_owned(),
        name: "Default".to_owned(),
        description: "The default domain".to_owned(),
    });
    let admins = keystone.add_project("admin", "Bootstrap project for initializing the cloud.");
    let service = keystone.add_project("service", "");
    let tenant = keystone.add_project("demo", "the tenant to migrate");
    let [admin, member, reader] = ["admin", "member", "reader"].map(|name| keystone.add_role(name));
    let operator = keystone.add_user("admin", "admin-secret", &admins);
    let user = keystone.add_user("demo", "demo-secret", &tenant);
    keystone.grant(&operator, &admins, &admin);
    keystone.grant(&operator, &tenant, &admin);
    keystone.grant(&user, &tenant, &member);
    keystone.grant(&user, &tenant, &reader);
    service
}
