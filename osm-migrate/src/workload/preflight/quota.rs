//! Whether the whole plan fits: nothing is stopped for a migration that cannot end.

use super::super::side::Side;
use super::needs::{Demand, Needs};
use crate::{Error, ErrorKind, Result};

/// Compares what the moves need in sum with what the projects may still have.
///
/// # Errors
/// `Blocked` when something does not suffice: all of it is told, with what is wanted and available.
pub(in crate::workload) async fn check(
    src: &Side,
    dst: &Side,
    plan: &[Demand],
    at_once: usize,
) -> Result<()> {
    let mut total = Needs::default();
    plan.iter().for_each(|demand| total.add(&demand.dst));
    let mut lacks = lacking(dst, &total).await?;
    // Temporary things go when their workload is done; only those at work at once add up.
    let mut temporary: Vec<&Needs> = plan.iter().map(|demand| &demand.src).collect();
    temporary.sort_by_key(|needs| std::cmp::Reverse(needs.gigabytes));
    let mut peak = Needs::default();
    temporary.into_iter().take(at_once.max(1)).for_each(|needs| peak.add(needs));
    if peak != Needs::default() {
        lacks.extend(lacking(src, &peak).await?);
    }
    if lacks.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Blocked, format!("the quota does not suffice: {}", lacks.join("; ")))
        .with_operation("preflight")
        .with_hint("have the quota raised, or choose fewer workloads"))
}

async fn lacking(side: &Side, needs: &Needs) -> Result<Vec<String>> {
    let mut lacks = Lacks { cloud: side.session.cloud_name(), found: Vec::new() };
    if needs.instances > 0 {
        let limits = side.compute.limits().await?;
        lacks.check("instances", needs.instances, limits.max_total_instances, limits.total_instances_used);
        lacks.check("cores", needs.cores, limits.max_total_cores, limits.total_cores_used);
        lacks.check("MiB of memory", needs.ram, limits.max_total_ram_size, limits.total_ram_used);
    }
    lacks.check_storage(side, needs).await?;
    lacks.check_network(side, needs).await;
    Ok(lacks.found)
}

struct Lacks<'a> {
    cloud: &'a str,
    found: Vec<String>,
}

impl Lacks<'_> {
    fn check(&mut self, what: &str, needed: i64, limit: i64, used: i64) {
        if needed > 0 && limit >= 0 && used.saturating_add(needed) > limit {
            let (cloud, available) = (self.cloud, (limit - used).max(0));
            self.found.push(format!(
                "{cloud}: {needed} {what} wanted, {available} available ({used} of {limit} in use)"
            ));
        }
    }

    async fn check_storage(&mut self, side: &Side, needs: &Needs) -> Result<()> {
        if needs.volumes == 0 && needs.snapshots == 0 {
            return Ok(());
        }
        let limits = side.storage.limits().await?;
        self.check("volumes", needs.volumes, limits.max_total_volumes, limits.total_volumes_used);
        self.check("GiB", needs.gigabytes, limits.max_total_volume_gigabytes, limits.total_gigabytes_used);
        self.check("snapshots", needs.snapshots, limits.max_total_snapshots, limits.total_snapshots_used);
        if needs.by_type.is_empty() {
            return Ok(());
        }
        let quota = side.storage.quota().await?;
        for (name, (volumes, gigabytes)) in &needs.by_type {
            for (what, key, needed) in [("volumes", "volumes", volumes), ("GiB", "gigabytes", gigabytes)] {
                if let Some(quota) = quota.get(&format!("{key}_{name}")) {
                    let what = format!("{what} of type {name}");
                    self.check(&what, *needed, quota.limit, quota.in_use + quota.reserved);
                }
            }
        }
        Ok(())
    }

    async fn check_network(&mut self, side: &Side, needs: &Needs) {
        if needs.ports == 0 && needs.floating_ips == 0 {
            return;
        }
        let quota = match side.network.quota().await {
            Ok(quota) => quota,
            // Not every Neutron tells.
            Err(error) => return tracing::debug!(%error, "the network quota is not known"),
        };
        for (what, key, needed) in
            [("ports", "port", needs.ports), ("floating IPs", "floatingip", needs.floating_ips)]
        {
            if let Some(quota) = quota.get(key) {
                self.check(what, needed, quota.limit, quota.used + quota.reserved);
            }
        }
    }
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
        lacks.check("cores", 1, 0, 3);
        let told = [
            "dst: 6 volumes wanted, 5 available (100 of 105 in use)",
            "dst: 1 cores wanted, 0 available (3 of 0 in use)",
        ];
        assert_eq!(lacks.found, told);
    }
}
