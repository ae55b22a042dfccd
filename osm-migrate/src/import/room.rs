//! Before an import makes anything: whether the project has room for the sum of it.

use osm_model::{Kind, Resource};
use osm_openstack::Session;
use osm_openstack::import::Importer;

use super::files::Files;
use crate::{Error, ErrorKind, Event, EventSink, Result};

/// The kinds that Neutron counts: the word for people, Neutron's own.
const COUNTED: [(Kind, &str, &str); 6] = [
    (Kind::Network, "networks", "network"),
    (Kind::Subnet, "subnets", "subnet"),
    (Kind::SecurityGroup, "security groups", "security_group"),
    (Kind::SecurityGroupRule, "security group rules", "security_group_rule"),
    (Kind::Router, "routers", "router"),
    (Kind::RouterInterface, "ports of routers", "port"),
];

/// Tells which quotas are too small, with what is wanted and what is available. The import goes on all
/// the same: what fits is made, and the next run makes the rest.
///
/// # Errors
/// The credentials are refused, or a file cannot be used.
pub(super) async fn check(
    session: &Session,
    importer: &Importer,
    kinds: &[Kind],
    files: &mut Files<'_>,
    events: &dyn EventSink,
) -> Result<()> {
    let mut wanted = Vec::new();
    for (kind, what, key) in COUNTED.into_iter().filter(|(kind, ..)| kinds.contains(kind)) {
        let resources = files.chosen(kind)?;
        let resources: Vec<&Resource> = resources.iter().collect();
        if resources.is_empty() {
            continue;
        }
        match importer.count_absent(kind, &resources).await.map_err(Error::from) {
            Ok(0) => {}
            Ok(count) => wanted.push((what, key, i64::try_from(count).unwrap_or(i64::MAX))),
            Err(error) if error.kind() == ErrorKind::Auth => return Err(error),
            // The import itself will say what is wrong, with the resource that suffers from it.
            Err(error) => {
                tracing::debug!(%error, "the room for {what} is not known");
                return Ok(());
            }
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let quota = match session.network().await?.quota().await.map_err(Error::from) {
        Ok(quota) => quota,
        Err(error) if error.kind() == ErrorKind::Auth => return Err(error),
        // Not every Neutron tells.
        Err(error) => {
            tracing::debug!(%error, "the network quota is not known");
            return Ok(());
        }
    };
    for (what, key, wanted) in wanted {
        let Some(quota) = quota.get(key) else { continue };
        let used = quota.used.saturating_add(quota.reserved);
        let available = quota.limit.saturating_sub(used).max(0);
        if quota.limit >= 0 && wanted > available {
            let (cloud, limit) = (session.cloud_name(), quota.limit);
            let message = format!(
                "the quota does not suffice: {cloud}: {wanted} {what} wanted, {available} available ({used} of \
                 {limit} in use); have it raised, what fits is made now"
            );
            events.emit(&Event::Warning { workload: None, message });
        }
    }
    Ok(())
}
