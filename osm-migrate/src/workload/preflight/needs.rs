//! What a move needs of the two clouds, counted.

use std::collections::BTreeMap;

use osm_model::{FloatingIpMode, Server as Workload};
use osm_openstack::block_storage::Volume;
use osm_openstack::compute::ServerFilter;
use osm_openstack::network::FloatingIp;

use super::super::tag;
use super::guest::boot_volume;
use super::volume::{NewVolume, VolumePlaces, new_volumes};
use super::{Preflight, Resolved};
use crate::{Result, Step};

/// What is needed of one cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) instances: i64,
    pub(super) cores: i64,
    pub(super) ram: i64,
    pub(super) volumes: i64,
    pub(super) gigabytes: i64,
    /// Volumes and GiB of each volume type whose name is known.
    pub(super) by_type: BTreeMap<String, (i64, i64)>,
    pub(super) snapshots: i64,
    pub(super) ports: i64,
    pub(super) floating_ips: i64,
}

/// What one move needs: of the destination for good, of the source while it lasts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::workload) struct Demand {
    pub(super) dst: Needs,
    pub(super) src: Needs,
}

impl Demand {
    /// The same without what the source must lend: it has lent it.
    pub(in crate::workload) fn of_destination(self) -> Self {
        Self { src: Needs::default(), ..self }
    }
}

impl Preflight<'_> {
    /// What a workload needs beyond what is there; nothing when its server is, or one of its name
    /// that somebody else made.
    pub(in crate::workload) async fn demand(
        &self,
        workload: &Workload,
        resolved: &Resolved,
    ) -> Result<Option<Demand>> {
        let Some(id) = workload.info.id.as_deref() else { return Ok(None) };
        let metadata = tag::pairs([(tag::JOB, id)]);
        if !self.dst.compute.servers(&ServerFilter { metadata, ..ServerFilter::default() }).await?.is_empty()
        {
            return Ok(None);
        }
        let name = workload.params.name.as_deref().unwrap_or_default();
        let named = self.dst.compute.servers(&ServerFilter::named(name)).await?;
        if named.iter().any(|server| server.id != id) {
            return Ok(None);
        }
        let flavor = &resolved.flavor;
        let mut dst = Needs {
            instances: 1,
            cores: count(flavor.vcpus),
            ram: count(flavor.ram),
            ports: length(resolved.ports.len()),
            floating_ips: self.new_floating_ips(workload).await?,
            ..Needs::default()
        };
        for volume in new_volumes(workload, self.options, flavor.disk) {
            dst.add_volume(&volume, &self.volumes);
        }
        for volume in self.dst.made_volumes(id, Step::CreateVolumes).await? {
            dst.subtract(&volume);
        }
        Ok(Some(Demand { dst, src: of_source(workload, self.warm) }))
    }

    /// What the copy of a detached volume needs; nothing when it is there.
    pub(in crate::workload) async fn demand_of_volume(&self, id: &str, volume: &NewVolume) -> Result<Demand> {
        let mut dst = Needs::default();
        dst.add_volume(volume, &self.volumes);
        for volume in self.dst.made_volumes(id, Step::CreateVolumes).await? {
            dst.subtract(&volume);
        }
        Ok(Demand { dst, src: Needs::default() })
    }

    /// How many floating IPs must be allocated: an address that is there and free is taken.
    async fn new_floating_ips(&self, workload: &Workload) -> Result<i64> {
        let wanted = &workload.params.floating_ips;
        let mode = workload.migration_params.floating_ip_mode;
        if wanted.is_empty() || matches!(mode, FloatingIpMode::Skip | FloatingIpMode::Existing) {
            return Ok(0);
        }
        if mode == FloatingIpMode::New {
            return Ok(length(wanted.len()));
        }
        let there: Vec<FloatingIp> = self.dst.network.list_own().await?;
        let free = |address: &Option<String>| {
            there.iter().any(|ip| ip.port_id.is_none() && ip.floating_ip_address == *address)
        };
        Ok(length(wanted.iter().filter(|ip| !free(&ip.params.floating_ip_address)).count()))
    }
}

/// A snapshot and a volume made from it of each disk that must be read where it cannot be detached.
fn of_source(workload: &Workload, warm: bool) -> Needs {
    let how = &workload.migration_params;
    if !how.data_copy {
        return Needs::default();
    }
    let boot = boot_volume(workload);
    let is_boot = |volume: &osm_model::Volume| boot.is_some_and(|boot| std::ptr::eq(boot, volume));
    let mut needs = Needs::default();
    for volume in &workload.params.volumes {
        if warm || is_boot(volume) && how.boot_disk_copy {
            let size = count(volume.info.size.unwrap_or(0));
            needs.add(&Needs { volumes: 1, gigabytes: 2 * size, snapshots: 1, ..Needs::default() });
        }
    }
    if boot.is_none() && how.boot_disk_copy {
        needs.volumes += 1;
    }
    needs
}

impl Needs {
    fn add_volume(&mut self, volume: &NewVolume, places: &VolumePlaces) {
        self.volumes += 1;
        self.gigabytes += count(volume.gigabytes);
        if let Some(name) = places.type_of(&volume.place) {
            let of_type = self.by_type.entry(name.to_owned()).or_default();
            of_type.0 += 1;
            of_type.1 += count(volume.gigabytes);
        }
    }

    /// Takes off what an earlier run made.
    fn subtract(&mut self, volume: &Volume) {
        self.volumes = (self.volumes - 1).max(0);
        self.gigabytes = (self.gigabytes - count(volume.size)).max(0);
        let of_type = volume.volume_type.as_ref().and_then(|name| self.by_type.get_mut(name));
        if let Some(of_type) = of_type {
            of_type.0 = (of_type.0 - 1).max(0);
            of_type.1 = (of_type.1 - count(volume.size)).max(0);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.instances += other.instances;
        self.cores += other.cores;
        self.ram += other.ram;
        self.volumes += other.volumes;
        self.gigabytes += other.gigabytes;
        self.snapshots += other.snapshots;
        self.ports += other.ports;
        self.floating_ips += other.floating_ips;
        for (name, (volumes, gigabytes)) in &other.by_type {
            let of_type = self.by_type.entry(name.clone()).or_default();
            of_type.0 += volumes;
            of_type.1 += gigabytes;
        }
    }
}

fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn length(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
