//! The lab: two clouds and the thread that serves them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use crate::api;
use crate::cloud::{Cloud, Service};
use crate::clouds_yaml;
use crate::options::LabOptions;
use crate::runtime::Runtime;
use crate::seed;

/// Two clouds, `src` and `dst`, that answer until the lab is dropped.
#[derive(Debug)]
pub struct Lab {
    src: Cloud,
    dst: Cloud,
    /// What serves them; it ends with the lab.
    _runtime: Runtime,
}

impl Lab {
    /// Starts both clouds, with an administrator, a tenant, flavors and an external network in each.
    ///
    /// They run on threads of their own, so this may be called with or without an async runtime.
    ///
    /// # Errors
    ///
    /// When no port can be opened or the folder cannot be written.
    pub fn start(options: LabOptions) -> io::Result<Self> {
        let runtime = Runtime::start()?;
        let handle = runtime.handle();
        let open = |name, newer| -> io::Result<Cloud> {
            let (listeners, addresses) = open_ports()?;
            let cloud = Cloud::new(name, &options, addresses, newer, handle.clone())?;
            seed::base(&cloud)?;
            let _entered = handle.enter();
            for (service, listener) in Service::ALL.into_iter().zip(listeners) {
                api::serve(&cloud, service, listener)?;
            }
            Ok(cloud)
        };
        let src = open("src", false)?;
        let dst = open("dst", true)?;
        Ok(Self { src, dst, _runtime: runtime })
    }

    /// The cloud to migrate from.
    pub fn src(&self) -> &Cloud {
        &self.src
    }

    /// The cloud to migrate to.
    pub fn dst(&self) -> &Cloud {
        &self.dst
    }

    /// A `clouds.yaml` with the entries `src`, `dst` (the tenant), `src-admin` and `dst-admin`.
    pub fn clouds_yaml(&self) -> String {
        clouds_yaml::render(&[&self.src, &self.dst])
    }

    /// Writes [`Lab::clouds_yaml`] to a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write_clouds_yaml(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.clouds_yaml())
    }

    /// Fills the tenant of `src` with networks, groups, an image, a keypair and three servers with real bytes on
    /// their disks, and puts a conversion host into each cloud.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn seed_demo_tenant(&self) -> io::Result<()> {
        seed::demo(self)
    }

    /// Fills `src` with what an administrator moves: projects below each other and in two domains,
    /// users, roles, keypairs, flavors. Domains and roles are made in `dst` too.
    pub fn seed_organisation(&self) {
        seed::organisation(self);
    }

    /// Fills the tenant of `src` with one network and one server with two volumes of a few MiB, and puts a
    /// conversion host into each cloud.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn seed_small_tenant(&self) -> io::Result<()> {
        seed::small(self)
    }

    /// Fills the tenant of `src` with servers alike: `fleet-000` and so on, each with so many volumes of one GiB
    /// with `mib` MiB of bytes in them, the first of which boots; and puts a conversion host into each cloud.
    /// The quotas must allow it.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn seed_fleet(&self, servers: usize, volumes: usize, mib: u64) -> io::Result<()> {
        seed::fleet(self, servers, volumes, mib)
    }

    /// Gives the tenant of `src` a volume of one GiB that is attached to nothing, with `mib` MiB of bytes in it;
    /// answers its id.
    ///
    /// # Errors
    ///
    /// When its file cannot be written.
    pub fn seed_detached_volume(&self, name: &str, mib: u64) -> io::Result<String> {
        seed::detached_volume(self, name, mib)
    }
}

type Listeners = [TcpListener; 5];

fn open_ports() -> io::Result<(Listeners, [SocketAddr; 5])> {
    let open = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = [open()?, open()?, open()?, open()?, open()?];
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); 5];
    for (address, listener) in addresses.iter_mut().zip(&listeners) {
        *address = listener.local_addr()?;
    }
    Ok((listeners, addresses))
}
