//! The handle of one cloud: its state, its files, its faults and what it was asked.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::fault::{self, Fault, FaultKind};
use crate::flight::Flights;
use crate::options::LabOptions;
use crate::quota::Quotas;
use crate::world::World;

/// One of the five services of a cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Identity.
    Keystone,
    /// Compute.
    Nova,
    /// Network.
    Neutron,
    /// Block storage.
    Cinder,
    /// Image.
    Glance,
}

impl Service {
    pub(crate) const ALL: [Self; 5] = [Self::Keystone, Self::Nova, Self::Neutron, Self::Cinder, Self::Glance];
}

/// A request a cloud has received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// The service that was asked.
    pub service: Service,
    /// The method, in capitals.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The body as text; empty for image data.
    pub body: String,
}

/// How many of each thing a cloud holds, all projects together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Servers.
    pub servers: usize,
    /// Volumes.
    pub volumes: usize,
    /// Volume snapshots.
    pub snapshots: usize,
    /// Ports of servers and of nobody; not those of routers and of DHCP.
    pub ports: usize,
    /// Images.
    pub images: usize,
    /// Floating IPs.
    pub floating_ips: usize,
    /// Networks.
    pub networks: usize,
    /// Security groups.
    pub security_groups: usize,
    /// Keypairs.
    pub keypairs: usize,
}

/// One OpenStack cloud.
#[derive(Clone)]
pub struct Cloud {
    inner: Arc<Inner>,
}

struct Inner {
    name: &'static str,
    dir: PathBuf,
    options: LabOptions,
    addresses: [SocketAddr; 5],
    newer: bool,
    runtime: Handle,
    world: Mutex<World>,
    faults: Mutex<Vec<Fault>>,
    requests: Mutex<Vec<RecordedRequest>>,
    flights: Flights,
}

impl Cloud {
    /// A cloud whose services answer at `addresses`, in the order of [`Service::ALL`]. A `newer` one speaks a
    /// later release.
    pub(crate) fn new(
        name: &'static str,
        options: &LabOptions,
        addresses: [SocketAddr; 5],
        newer: bool,
        runtime: Handle,
    ) -> io::Result<Self> {
        let dir = options.dir.join(name);
        for folder in ["volumes", "snapshots", "images", "instances", "hosts"] {
            fs::create_dir_all(dir.join(folder))?;
        }
        let inner = Inner {
            name,
            dir,
            options: options.clone(),
            addresses,
            newer,
            runtime,
            world: Mutex::default(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            flights: Flights::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The cloud's name: `src` or `dst`.
    pub fn name(&self) -> &str {
        self.inner.name
    }

    /// The root URL of a service, without a version.
    pub fn url(&self, service: Service) -> String {
        let index = Service::ALL.iter().position(|known| *known == service).unwrap_or_default();
        format!("http://{}", self.inner.addresses[index])
    }

    /// The URL to authenticate at.
    pub fn auth_url(&self) -> String {
        format!("{}/v3", self.url(Service::Keystone))
    }

    /// The sparse file that holds a volume's bytes.
    pub fn volume_file(&self, volume_id: &str) -> PathBuf {
        self.inner.dir.join("volumes").join(format!("volume-{volume_id}"))
    }

    /// The file that holds the frozen bytes of a snapshot.
    pub fn snapshot_file(&self, snapshot_id: &str) -> PathBuf {
        self.inner.dir.join("snapshots").join(format!("snapshot-{snapshot_id}"))
    }

    /// The file that holds an image's data.
    pub fn image_file(&self, image_id: &str) -> PathBuf {
        self.inner.dir.join("images").join(image_id)
    }

    /// The file that holds the root disk of a server booted from an image.
    pub fn root_disk_file(&self, server_id: &str) -> PathBuf {
        self.inner.dir.join("instances").join(server_id)
    }

    /// Where a server, named by name or id, sees its disks: `virtio-<first 20 characters of the volume id>` is a
    /// link to the volume's file for as long as the volume is attached.
    pub fn device_dir(&self, server: &str) -> PathBuf {
        let world = self.world();
        let id = world.nova.servers.get(server).map(|found| found.id.clone());
        let id = id.or_else(|| {
            world.nova.servers.iter().find(|found| found.name == server).map(|found| found.id.clone())
        });
        self.host_dir(id.as_deref().unwrap_or(server))
    }

    /// Makes something go wrong.
    pub fn fault(&self, fault: Fault) {
        lock(&self.inner.faults).push(fault);
    }

    /// Forgets all faults that have not hit yet.
    pub fn clear_faults(&self) {
        lock(&self.inner.faults).clear();
    }

    /// Everything this cloud was asked so far, oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.inner.requests).clone()
    }

    /// Forgets what this cloud was asked so far.
    pub fn clear_requests(&self) {
        lock(&self.inner.requests).clear();
    }

    /// The quotas every project has.
    pub fn quotas(&self) -> Quotas {
        self.world().quotas.clone()
    }

    /// Changes the quotas of every project.
    pub fn set_quotas(&self, change: impl FnOnce(&mut Quotas)) {
        change(&mut self.world().quotas);
    }

    /// Gives servers and volumes these availability zones to be in.
    pub fn set_zones(&self, names: &[&str]) {
        self.world().zones.0 = names.iter().map(|name| (*name).to_owned()).collect();
    }

    /// Gives volumes these types to be of; the first one is the default.
    pub fn set_volume_types(&self, names: &[&str]) {
        crate::cinder::set_types(&mut self.world(), names);
    }

    /// How many of each thing there are.
    pub fn counts(&self) -> Counts {
        let world = self.world();
        let ports = world.neutron.ports.iter().filter(|port| !port.device_owner.starts_with("network:"));
        Counts {
            servers: world.nova.servers.len(),
            volumes: world.cinder.volumes.len(),
            snapshots: world.cinder.snapshots.len(),
            ports: ports.count(),
            images: world.glance.images.len(),
            floating_ips: world.neutron.floating_ips.len(),
            networks: world.neutron.networks.len(),
            security_groups: world.neutron.groups.len(),
            keypairs: world.nova.keypairs.len(),
        }
    }

    /// The id of the first server of this name.
    pub fn server_id(&self, name: &str) -> Option<String> {
        self.world().nova.servers.iter().find(|server| server.name == name).map(|server| server.id.clone())
    }

    /// The id of the first volume of this name.
    pub fn volume_id(&self, name: &str) -> Option<String> {
        self.world()
            .cinder
            .volumes
            .iter()
            .find(|volume| volume.name.as_deref() == Some(name))
            .map(|volume| volume.id.clone())
    }

    /// Writes to a disk of a server as its guest would: only while the server runs. Returns whether it did.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn guest_write(
        &self,
        server_id: &str,
        volume_id: &str,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<bool> {
        // The lock keeps the server from being stopped in between.
        let world = self.world();
        let runs = world.nova.servers.get(server_id).is_some_and(|server| {
            let has_it = server.disks.iter().any(|disk| disk.volume_id == volume_id);
            server.status == "ACTIVE" && has_it
        });
        if runs {
            File::options().write(true).open(self.volume_file(volume_id))?.write_all_at(bytes, offset)?;
        }
        drop(world);
        Ok(runs)
    }

    /// From now on several servers may have a new volume of this type at once.
    pub fn share_volumes_of(&self, volume_type: &str) {
        self.change_type(volume_type, |found| found.multiattach = true);
    }

    /// From now on a new volume of this type is encrypted, and says so. Its file holds what its guest sees.
    pub fn encrypt_volumes_of(&self, volume_type: &str) {
        self.change_type(volume_type, |found| found.encrypted = true);
    }

    fn change_type(&self, name: &str, change: impl FnOnce(&mut crate::cinder::VolumeType)) {
        let mut world = self.world();
        let wanted = world.cinder.types.iter().find(|it| it.name == name).map(|it| it.id.clone());
        if let Some(found) = wanted.and_then(|id| world.cinder.types.get_mut(&id)) {
            change(found);
        }
    }

    /// From now on consoles show this public key as the SSH host key of their server, as cloud-init would.
    pub fn show_host_key(&self, key: &str) {
        self.world().nova.host_key = Some(key.trim().to_owned());
    }

    /// The most requests that a service worked on at once.
    pub fn most_in_flight(&self, service: Service) -> usize {
        self.inner.flights.most(service)
    }

    /// Ends every token given out so far.
    pub fn expire_tokens(&self) {
        self.world().keystone.tokens.clear();
    }

    pub(crate) fn host_dir(&self, server_id: &str) -> PathBuf {
        self.inner.dir.join("hosts").join(server_id)
    }

    pub(crate) fn options(&self) -> &LabOptions {
        &self.inner.options
    }

    /// Whether this cloud speaks the later release of the two.
    pub(crate) fn newer(&self) -> bool {
        self.inner.newer
    }

    pub(crate) fn flights(&self) -> &Flights {
        &self.inner.flights
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.inner.world)
    }

    pub(crate) fn take_faults(&self, service: Service, method: &str, path: &str) -> Vec<FaultKind> {
        fault::take(&mut lock(&self.inner.faults), service, method, path)
    }

    pub(crate) fn record(&self, request: RecordedRequest) {
        lock(&self.inner.requests).push(request);
    }

    /// Does `act` one state change from now, on a thread that may block.
    pub(crate) fn later(&self, act: impl FnOnce(&Self) + Send + 'static) {
        self.after(1, act);
    }

    /// Does `act` some state changes from now, on a thread that may block.
    pub(crate) fn after(&self, changes: u32, act: impl FnOnce(&Self) + Send + 'static) {
        let cloud = self.clone();
        let wait: Duration = self.inner.options.delay * changes;
        self.inner.runtime.spawn(async move {
            tokio::time::sleep(wait).await;
            // A panic in there is a bug of the lab; the state simply never changes then.
            let _ = tokio::task::spawn_blocking(move || act(&cloud)).await;
        });
    }
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("name", &self.inner.name).field("counts", &self.counts()).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
