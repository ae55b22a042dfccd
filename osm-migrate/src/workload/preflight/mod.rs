//! Before anything is touched: everything a workload refers to is there, and there is room.

mod address;
mod detached;
mod drift;
mod guest;
mod needs;
mod quota;
mod volume;
mod zone;

use std::collections::BTreeSet;

use osm_model::{Addition, PortCreationMode, Reference, Server as Workload, Supplement};
use osm_openstack::compute::Flavor;
use osm_openstack::network::{AddressPair, FixedIp};
use osm_openstack::reference::{Place, Resolver, Target};

use super::MigrationOptions;
use super::server::fixed_ip;
use super::side::Side;
use crate::{Error, ErrorKind, Result};

pub(super) use self::detached::Standing;
pub(super) use self::guest::image_properties;
pub(super) use self::needs::Demand;
pub(super) use self::quota::check as check_quota;
pub(super) use self::volume::{NewVolume, VolumePlaces, new_volumes};

/// What a workload refers to, as it is called in the destination.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resolved {
    pub(super) flavor: Flavor,
    pub(super) image: Option<String>,
    pub(super) security_groups: Vec<String>,
    pub(super) ports: Vec<ResolvedPort>,
    pub(super) floating_ips: Vec<ResolvedFloatingIp>,
    /// What the operator should know, though it stops nothing.
    pub(super) notes: Vec<String>,
}

/// A port.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ResolvedPort {
    pub(super) network: String,
    pub(super) fixed_ips: Vec<FixedIp>,
    pub(super) mac_address: Option<String>,
    pub(super) vnic_type: Option<String>,
    /// What is particular to it, from the supplement.
    pub(super) address_pairs: Vec<AddressPair>,
    pub(super) port_security: Option<bool>,
}

/// A floating IP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResolvedFloatingIp {
    pub(super) network: String,
    pub(super) qos_policy: Option<String>,
}

impl Resolved {
    /// What has a volume but no server refers to: nothing.
    pub(super) fn nothing() -> Self {
        Self {
            flavor: Flavor::default(),
            image: None,
            security_groups: Vec::new(),
            ports: Vec::new(),
            floating_ips: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether both lead to the same things of the destination.
    pub(super) fn leads_where(&self, other: &Self) -> bool {
        let flavor = Flavor { id: self.flavor.id.clone(), ..other.flavor.clone() };
        Self { flavor, notes: other.notes.clone(), ..self.clone() } == *other
    }
}

/// What preflight asks of the destination, asked once for all workloads.
pub(super) struct Preflight<'a> {
    src: &'a Side,
    dst: &'a Side,
    options: &'a MigrationOptions,
    supplement: Supplement,
    resolver: Resolver,
    volumes: VolumePlaces,
    keypairs: BTreeSet<String>,
    /// Whether the source is copied while it runs.
    warm: bool,
}

impl<'a> Preflight<'a> {
    pub(super) async fn new(
        src: &'a Side,
        dst: &'a Side,
        options: &'a MigrationOptions,
        supplement: Supplement,
    ) -> Result<Self> {
        let keypairs = dst.compute.keypairs(None).await?;
        Ok(Self {
            src,
            dst,
            options,
            supplement,
            resolver: Resolver::new(&dst.session),
            volumes: VolumePlaces::of(dst).await?,
            keypairs: keypairs.into_iter().map(|known| known.name).collect(),
            warm: false,
        })
    }

    /// Whether the sources are to be copied while they run: then all their disks are, from snapshots.
    pub(super) fn warm(self, warm: bool) -> Self {
        Self { warm, ..self }
    }

    /// Resolves what a workload refers to. All that is missing is told at once.
    pub(super) async fn resolve(&self, workload: &Workload) -> Result<Resolved> {
        let name = workload.params.name.as_deref().unwrap_or_default();
        let mut missing = Missing { resource: format!("workload `{name}`"), errors: Vec::new() };
        let mut resolved = self.collect(workload, &mut missing).await?;
        if let Some(resolved) = &mut resolved {
            resolved.notes = self.check_guest(workload, resolved.image.as_deref(), &mut missing).await?;
        }
        self.check_names(workload, &mut missing);
        match (resolved, missing.errors.is_empty()) {
            (Some(resolved), true) => Ok(resolved),
            _ => Err(Error::new(ErrorKind::Blocked, missing.errors.join("; "))
                .with_operation("preflight")
                .with_workload(name)
                .with_hint("import what is missing first, or edit workloads.yml")),
        }
    }

    async fn collect(&self, workload: &Workload, missing: &mut Missing) -> Result<Option<Resolved>> {
        let params = &workload.params;
        let how = &workload.migration_params;
        let flavor_id =
            self.one(missing, Target::Flavor, "params.flavor_ref", params.flavor_ref.as_ref()).await?;
        if params.flavor_ref.is_none() {
            missing.errors.push("params.flavor_ref is null: name a flavor".to_owned());
        }
        // A boot disk that is copied needs no image, and nor does one that is there already.
        let from_image = if how.data_copy { !how.boot_disk_copy } else { how.boot_volume.uuid.is_none() };
        let image = match params.image_ref.as_ref().filter(|_| from_image) {
            Some(reference) => self.one(missing, Target::Image, "params.image_ref", Some(reference)).await?,
            None => None,
        };
        self.named_volumes(workload, missing).await?;
        let mut security_groups = Vec::new();
        for reference in &params.security_group_refs {
            let field = "params.security_group_refs";
            security_groups.extend(self.one(missing, Target::SecurityGroup, field, Some(reference)).await?);
        }
        let ports = self.ports(workload, missing).await?;
        let mut floating_ips = Vec::new();
        for ip in &params.floating_ips {
            let reference = ip.params.floating_network_ref.as_ref();
            let network = self
                .one(missing, Target::Network, "params.floating_ips.floating_network_ref", reference)
                .await?;
            let policy = ip.params.qos_policy_ref.as_ref();
            let qos_policy =
                self.one(missing, Target::QosPolicy, "params.floating_ips.qos_policy_ref", policy).await?;
            floating_ips.extend(network.map(|network| ResolvedFloatingIp { network, qos_policy }));
        }
        let Some(flavor_id) = flavor_id else { return Ok(None) };
        let Some(flavor) = self.dst.compute.flavor(&flavor_id).await? else {
            missing.errors.push(format!("flavor {flavor_id} is gone"));
            return Ok(None);
        };
        Ok(Some(Resolved { flavor, image, security_groups, ports, floating_ips, notes: Vec::new() }))
    }

    /// The volumes that take the place of copies when nothing is copied. Whether they are free is
    /// seen later: a run before this one may have given them to the server.
    async fn named_volumes(&self, workload: &Workload, missing: &mut Missing) -> Result<()> {
        let how = &workload.migration_params;
        if how.data_copy {
            return Ok(());
        }
        if how.boot_volume.uuid.is_none() && workload.params.image_ref.is_none() {
            let message =
                "nothing to boot from: data_copy is false, boot_volume.uuid and params.image_ref are null";
            missing.errors.push(message.to_owned());
        }
        let named = std::iter::once(&how.boot_volume).chain(&how.additional_volumes);
        for id in named.filter_map(|volume| volume.uuid.as_deref()) {
            if self.dst.storage.volume(id).await?.is_none() {
                missing.errors.push(format!("there is no volume {id} in the destination"));
            }
        }
        Ok(())
    }

    async fn ports(&self, workload: &Workload, missing: &mut Missing) -> Result<Vec<ResolvedPort>> {
        let by_nova = workload.migration_params.port_creation_mode == PortCreationMode::Nova;
        let mut ports = Vec::new();
        for port in &workload.params.ports {
            let params = &port.params;
            let addition = port.info.id.as_deref().and_then(|id| self.supplement.get(id));
            let network = self
                .one(missing, Target::Network, "params.ports.network_ref", params.network_ref.as_ref())
                .await?;
            let mut fixed_ips = Vec::new();
            for ip in &params.fixed_ips_refs {
                let field = "params.ports.fixed_ips_refs.subnet_ref";
                let subnet = self.one(missing, Target::Subnet, field, ip.subnet_ref.as_ref()).await?;
                fixed_ips.push(fixed_ip(subnet, ip.ip_address.as_deref()));
            }
            if by_nova && fixed_ips.len() > 1 {
                missing.errors.push(format!(
                    "a port has {} addresses, and Nova makes ports with one: set port_creation_mode: neutron",
                    fixed_ips.len()
                ));
            }
            ports.extend(network.map(|network| ResolvedPort {
                network,
                fixed_ips,
                mac_address: params.mac_address.clone(),
                vnic_type: params.binding_vnic_type.clone(),
                address_pairs: addition.map(address_pairs).unwrap_or_default(),
                port_security: addition.and_then(|addition| addition.port_security_enabled),
            }));
        }
        Ok(ports)
    }

    fn check_names(&self, workload: &Workload, missing: &mut Missing) {
        let params = &workload.params;
        if let Some(key) = params.key_name.as_deref().filter(|key| !key.is_empty())
            && !self.keypairs.contains(key)
        {
            missing.errors.push(format!("there is no keypair `{key}` of this user"));
        }
        if let Some(zone) = params.availability_zone.as_deref().and_then(|zone| self.options.zone(zone)) {
            missing.errors.extend(self.volumes.zones.lacks_compute(&zone));
        }
        let mut lacks: BTreeSet<String> = BTreeSet::new();
        for volume in new_volumes(workload, self.options, 0) {
            lacks.extend(self.volumes.lacks(&volume.place));
        }
        missing.errors.extend(lacks);
    }

    /// The id of a thing; one that is missing is noted, any other failure ends the preflight.
    async fn one(
        &self,
        missing: &mut Missing,
        target: Target,
        field: &str,
        reference: Option<&Reference>,
    ) -> Result<Option<String>> {
        use osm_openstack::ErrorKind as Cloud;
        let place = Place { resource: &missing.resource, field };
        match self.resolver.resolve(target, place, reference).await {
            Ok(id) => Ok(id),
            Err(error) if matches!(error.kind(), Cloud::NotFound | Cloud::Conflict | Cloud::Config) => {
                missing.errors.push(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn address_pairs(addition: &Addition) -> Vec<AddressPair> {
    let pair = |pair: &osm_model::AddressPair| {
        Some(AddressPair { ip_address: pair.ip_address.clone()?, mac_address: pair.mac_address.clone() })
    };
    addition.allowed_address_pairs.iter().flatten().filter_map(pair).collect()
}

/// What is missing for a workload.
struct Missing {
    resource: String,
    errors: Vec<String>,
}
