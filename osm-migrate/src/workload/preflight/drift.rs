//! Drift: flavors and images change under running servers, which keep what they were started with
//! until they are built anew - which is what a move does.

use std::collections::{BTreeMap, BTreeSet};

use osm_model::Server as Workload;
use osm_openstack::ErrorKind as CloudError;
use osm_openstack::compute::{Compute, Flavor, Server, ServerFlavor};

use super::super::MigrationOptions;
use super::super::disk::{Disk, Origin};
use super::super::image_metadata::{describes_guest, of_copy};
use super::guest::boot_volume;
use super::{Preflight, Resolved};
use crate::{Difference, Result};

type Properties = BTreeMap<String, String>;

impl Preflight<'_> {
    /// What the destination would give a workload that it does not have now. What the operator asked
    /// for is no difference.
    pub(in crate::workload) async fn drift(
        &self,
        workload: &Workload,
        resolved: &Resolved,
    ) -> Result<Vec<Difference>> {
        let Some(id) = workload.info.id.as_deref() else { return Ok(Vec::new()) };
        // A server that is gone has nothing to compare; other checks say so.
        let Some(server) = self.src.compute.server(id).await? else { return Ok(Vec::new()) };
        let mut found = self.flavor_drift(&server, &resolved.flavor).await?;
        match (&resolved.image, boot_volume(workload)) {
            (Some(image), _) => found.extend(self.image_drift(&server, image).await?),
            (None, Some(volume)) if workload.migration_params.data_copy => {
                found.extend(self.volume_drift(workload, volume).await?);
            }
            _ => {}
        }
        Ok(found)
    }

    async fn flavor_drift(&self, server: &Server, there: &Flavor) -> Result<Vec<Difference>> {
        let Some(here) = &server.flavor else { return Ok(Vec::new()) };
        let (here, specs_here) = match here {
            ServerFlavor { original_name: Some(_), .. } => (sizes(here), here.extra_specs.clone()),
            // Before microversion 2.47 the server names its flavor, and the flavor is what it is now.
            ServerFlavor { id: Some(id), .. } => match self.src.compute.flavor(id).await? {
                Some(flavor) => (sizes_of(&flavor), extra_specs(&self.src.compute, &flavor).await?),
                None => return Ok(Vec::new()),
            },
            _ => return Ok(Vec::new()),
        };
        let subject = format!("flavor {}", there.name);
        let mut found = differences(&subject, &here, &sizes_of(there), |_| true);
        let specs_there = extra_specs(&self.dst.compute, there).await?;
        if let (Some(here), Some(there)) = (specs_here, specs_there) {
            let named = |specs: Properties| -> Properties {
                specs.into_iter().map(|(key, value)| (format!("extra_specs.{key}"), value)).collect()
            };
            found.extend(differences(&subject, &named(here), &named(there), |_| true));
        }
        Ok(found)
    }

    /// A server that boots from the destination's image is run as that image says.
    async fn image_drift(&self, server: &Server, there: &str) -> Result<Vec<Difference>> {
        let Some(image) = &server.image else { return Ok(Vec::new()) };
        let source = self.src.image.get(&image.id).await.or_else(hidden)?;
        let own = self.src.compute.server_image_properties(&server.id).await?;
        let Some(here) = own.or_else(|| source.as_ref().map(|image| image.properties.clone())) else {
            return Ok(Vec::new());
        };
        let Some(target) = self.dst.image.get(there).await.or_else(hidden)? else { return Ok(Vec::new()) };
        let subject = format!("image {}", target.name.as_deref().unwrap_or(there));
        let mut found = differences(&subject, &here, &target.properties, describes_guest);
        // The root disk is made of the image anew, so its bytes count as well.
        let source = source.unwrap_or_default();
        let hash = [&source, &target].map(|image| image.os_hash_value.clone());
        if let [Some(here), Some(there)] = hash
            && source.os_hash_algo == target.os_hash_algo
            && here != there
        {
            let property = "os_hash_value".to_owned();
            found.push(Difference { subject, property, source: Some(here), destination: Some(there) });
        }
        Ok(found)
    }

    /// The boot volume's image metadata may have changed since it was exported, or was edited.
    async fn volume_drift(&self, workload: &Workload, volume: &osm_model::Volume) -> Result<Vec<Difference>> {
        let id = volume.info.id.as_deref().unwrap_or_default();
        let Some(live) = self.src.storage.volume(id).await? else { return Ok(Vec::new()) };
        let disk = Disk::of_guest(Origin::BootVolume, true, Some(volume));
        // A default is asked for where nothing is known.
        let options = MigrationOptions { default_machine_type: None, ..self.options.clone() };
        let here = &live.volume_image_metadata;
        let wanted = of_copy(workload, &disk, here, &BTreeMap::new(), &options);
        let subject =
            format!("volume {}", live.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(id));
        let counts = |key: &str| describes_guest(key) && !wanted.asked.contains(key);
        Ok(differences(&subject, here, &wanted.metadata, counts))
    }
}

fn hidden<T>(error: osm_openstack::Error) -> osm_openstack::Result<Option<T>> {
    if error.kind() == CloudError::Forbidden { Ok(None) } else { Err(error) }
}

/// The extra specs of a flavor, as far as the policy lets them be seen.
async fn extra_specs(nova: &Compute, flavor: &Flavor) -> Result<Option<Properties>> {
    if flavor.extra_specs.is_some() {
        return Ok(flavor.extra_specs.clone());
    }
    match nova.flavor_extra_specs(&flavor.id).await {
        Ok(specs) => Ok(Some(specs)),
        Err(error) if matches!(error.kind(), CloudError::Forbidden | CloudError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn sizes(flavor: &ServerFlavor) -> Properties {
    let sizes = [
        ("vcpus", flavor.vcpus),
        ("ram", flavor.ram),
        ("disk", flavor.disk),
        ("ephemeral", flavor.ephemeral),
        ("swap", flavor.swap.map(|swap| swap.0)),
    ];
    sizes.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_string()))).collect()
}

fn sizes_of(flavor: &Flavor) -> Properties {
    sizes(&ServerFlavor {
        vcpus: Some(flavor.vcpus),
        ram: Some(flavor.ram),
        disk: Some(flavor.disk),
        ephemeral: Some(flavor.ephemeral),
        swap: Some(flavor.swap),
        ..ServerFlavor::default()
    })
}

fn differences(
    subject: &str,
    here: &Properties,
    there: &Properties,
    counts: impl Fn(&str) -> bool,
) -> Vec<Difference> {
    let keys: BTreeSet<&String> = here.keys().chain(there.keys()).filter(|key| counts(key)).collect();
    let differs = keys.into_iter().filter(|key| here.get(*key) != there.get(*key));
    let difference = |key: &String| Difference {
        subject: subject.to_owned(),
        property: key.clone(),
        source: here.get(key).cloned(),
        destination: there.get(key).cloned(),
    };
    differs.map(difference).collect()
}
