//! What a project may have.

use std::collections::BTreeMap;

/// The limits of every project of a cloud; `-1` is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// Nova: servers.
    pub instances: i64,
    /// Nova: virtual CPUs.
    pub cores: i64,
    /// Nova: MiB of memory.
    pub ram: i64,
    /// Nova: keypairs of one user.
    pub key_pairs: i64,
    /// Cinder: volumes.
    pub volumes: i64,
    /// Cinder: GiB of volumes and snapshots together.
    pub gigabytes: i64,
    /// Cinder: snapshots.
    pub snapshots: i64,
    /// Cinder: limits for one volume type, by Cinder's names: `volumes_ssd`, `gigabytes_ssd`.
    pub by_volume_type: BTreeMap<String, i64>,
    /// Neutron: networks.
    pub networks: i64,
    /// Neutron: subnets.
    pub subnets: i64,
    /// Neutron: ports.
    pub ports: i64,
    /// Neutron: routers.
    pub routers: i64,
    /// Neutron: floating IPs.
    pub floating_ips: i64,
    /// Neutron: security groups.
    pub security_groups: i64,
    /// Neutron: security group rules.
    pub security_group_rules: i64,
}

impl Quotas {
    /// No limit for anything.
    pub fn unlimited() -> Self {
        Self {
            instances: -1,
            cores: -1,
            ram: -1,
            key_pairs: -1,
            volumes: -1,
            gigabytes: -1,
            snapshots: -1,
            by_volume_type: BTreeMap::new(),
            networks: -1,
            subnets: -1,
            ports: -1,
            routers: -1,
            floating_ips: -1,
            security_groups: -1,
            security_group_rules: -1,
        }
    }
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            instances: 20,
            cores: 40,
            ram: 51_200,
            key_pairs: 100,
            volumes: 40,
            gigabytes: 1_000,
            snapshots: 20,
            by_volume_type: BTreeMap::new(),
            networks: 100,
            subnets: 100,
            ports: 500,
            routers: 10,
            floating_ips: 50,
            security_groups: 20,
            security_group_rules: 200,
        }
    }
}

impl Quotas {
    /// Whether `used` and `more` together stay within `limit`.
    pub(crate) fn allows(limit: i64, used: usize, more: usize) -> bool {
        limit < 0 || i64::try_from(used + more).is_ok_and(|wanted| wanted <= limit)
    }
}
