//! Whether the whole plan fits: nothing is stopped for a migration that cannot end.

use osm_model::{FloatingIpMode, Server as Workload};

use super::super::side::Side;
use super::super::tag;
use super::Resolved;
use crate::{Error, ErrorKind, Result, Step};

/// What a plan needs of one cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Needs {
    instances: i64,
    cores: i64,
    ram: i64,
    volumes: i64,
    gigabytes: i64,
    snapshots: i64,
    ports: i64,
    floating_ips: i64,
}

/// Compares what the workloads still need with what the projects may have.
pub(in crate::workload) async fn check(
    src: &Side,
    dst: &Side,
    plan: &[(&Workload, &Resolved)],
    at_once: usize,
) -> Result<()> {
    let mut total = Needs::default();
    let mut temporary = Vec::new();
    for (workload, resolved) in plan {
        let needs = remaining(dst, workload, resolved).await?;
        if let Some(needs) = needs {
            total.add(&needs);
            temporary.push(of_source(workload));
        }
    }
    let mut lacks = lacking(dst, &total).await?;
    // Temporary things go when their workload is done; only those at work at once add up.
    temporary.sort_by_key(|needs| std::cmp::Reverse(needs.gigabytes));
    let mut peak = Needs::default();
    temporary.iter().take(at_once.max(1)).for_each(|needs| peak.add(needs));
    lacks.extend(lacking(src, &peak).await?);
    if lacks.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Blocked, format!("the quota does not suffice: {}", lacks.join("; ")))
        .with_operation("preflight")
        .with_hint("have the quota raised, or choose fewer workloads"))
}

/// What a workload needs of the destination beyond what is there; nothing when its server is.
async fn remaining(dst: &Side, workload: &Workload, resolved: &Resolved) -> Result<Option<Needs>> {
    let Some(id) = workload.info.id.as_deref() else { return Ok(None) };
    let filter =
        osm_openstack::compute::ServerFilter { metadata: tag::pairs([(tag::JOB, id)]), ..Default::default() };
    if !dst.compute.servers(&filter).await?.is_empty() {
        return Ok(None);
    }
    let mut needs = of_destination(workload, resolved);
    for volume in dst.made_volumes(id, Step::CreateVolumes).await? {
        needs.volumes -= 1;
        needs.gigabytes -= count(volume.size);
    }
    needs.volumes = needs.volumes.max(0);
    needs.gigabytes = needs.gigabytes.max(0);
    Ok(Some(needs))
}

fn of_destination(workload: &Workload, resolved: &Resolved) -> Needs {
    let how = &workload.migration_params;
    let flavor = &resolved.flavor;
    let mut needs = Needs {
        instances: 1,
        cores: count(flavor.vcpus),
        ram: count(flavor.ram),
        ports: i64::try_from(resolved.ports.len()).unwrap_or(i64::MAX),
        ..Needs::default()
    };
    if how.floating_ip_mode == FloatingIpMode::New {
        needs.floating_ips = i64::try_from(workload.params.floating_ips.len()).unwrap_or(i64::MAX);
    }
    if how.data_copy {
        for volume in &workload.params.volumes {
            needs.volumes += 1;
            needs.gigabytes += count(volume.info.size.unwrap_or(0));
        }
        if how.boot_disk_copy && workload.params.image_ref.is_some() {
            needs.volumes += 1;
            needs.gigabytes += count(flavor.disk);
        }
    }
    needs
}

/// A snapshot and a volume made from it, as large as the boot disk.
fn of_source(workload: &Workload) -> Needs {
    let how = &workload.migration_params;
    if !how.data_copy || !how.boot_disk_copy {
        return Needs::default();
    }
    let boots = |volume: &&osm_model::Volume| volume.info.is_bootable == Some(true);
    match workload.params.volumes.iter().find(boots) {
        Some(volume) if workload.params.image_ref.is_none() => {
            let size = count(volume.info.size.unwrap_or(0));
            Needs { volumes: 1, gigabytes: 2 * size, snapshots: 1, ..Needs::default() }
        }
        _ => Needs { volumes: 1, ..Needs::default() },
    }
}

async fn lacking(side: &Side, needs: &Needs) -> Result<Vec<String>> {
    let compute = side.compute.limits().await?;
    let storage = side.storage.limits().await?;
    let mut lacks = Lacks { cloud: side.session.cloud_name(), found: Vec::new() };
    lacks.check("instances", needs.instances, compute.max_total_instances, compute.total_instances_used);
    lacks.check("cores", needs.cores, compute.max_total_cores, compute.total_cores_used);
    lacks.check("MiB of memory", needs.ram, compute.max_total_ram_size, compute.total_ram_used);
    lacks.check("volumes", needs.volumes, storage.max_total_volumes, storage.total_volumes_used);
    lacks.check("GiB", needs.gigabytes, storage.max_total_volume_gigabytes, storage.total_gigabytes_used);
    lacks.check("snapshots", needs.snapshots, storage.max_total_snapshots, storage.total_snapshots_used);
    if needs.ports > 0 || needs.floating_ips > 0 {
        match side.network.quota().await {
            Ok(quota) => {
                for (word, key, need) in
                    [("ports", "port", needs.ports), ("floating IPs", "floatingip", needs.floating_ips)]
                {
                    if let Some(quota) = quota.get(key) {
                        lacks.check(word, need, quota.limit, quota.used + quota.reserved);
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "the network quota is not known"),
        }
    }
    Ok(lacks.found)
}

struct Lacks<'a> {
    cloud: &'a str,
    found: Vec<String>,
}

impl Lacks<'_> {
    fn check(&mut self, what: &str, needed: i64, limit: i64, used: i64) {
        if needed > 0 && limit >= 0 && used + needed > limit {
            let cloud = self.cloud;
            self.found
                .push(format!("{cloud} has {used} of {limit} {what} in use, and {needed} more are needed"));
        }
    }
}

impl Needs {
    fn add(&mut self, other: &Self) {
        self.instances += other.instances;
        self.cores += other.cores;
        self.ram += other.ram;
        self.volumes += other.volumes;
        self.gigabytes += other.gigabytes;
        self.snapshots += other.snapshots;
        self.ports += other.ports;
        self.floating_ips += other.floating_ips;
    }
}

fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_is_never_too_little() {
        let mut lacks = Lacks { cloud: "dst", found: Vec::new() };
        lacks.check("volumes", 5, -1, 100);
        lacks.check("volumes", 5, 105, 100);
        lacks.check("volumes", 0, 10, 100);
        assert!(lacks.found.is_empty());
        lacks.check("volumes", 6, 105, 100);
        assert_eq!(lacks.found, ["dst has 100 of 105 volumes in use, and 6 more are needed"]);
    }
}
