//! Keypairs and flavors.

use osm_model::{FlavorInfo, FlavorParams, KeypairInfo, KeypairParams, NameFilter, Reference, Resource};

use super::{Exporter, each, sorted};
use crate::compute::{Flavor, Keypair};
use crate::error::Result;

impl Exporter {
    pub(super) async fn keypairs(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        let nova = self.session.compute().await?;
        let names = nova.keypairs(None).await?.into_iter().map(|keypair| keypair.name);
        let wanted = sorted(names.filter(|name| filter.matches(name)).collect(), String::clone);
        // The list does not say when a keypair was made.
        let found = each(wanted, |name| {
            let nova = nova.clone();
            async move { nova.keypair(&name, None).await }
        })
        .await?;
        Ok(found.into_iter().flatten().map(|keypair| self.keypair(keypair)).collect())
    }

    fn keypair(&self, keypair: Keypair) -> Resource {
        let params = KeypairParams {
            name: Some(keypair.name.clone()),
            public_key: Some(keypair.public_key),
            r#type: keypair.kind,
            user_ref: Some(Reference::auth_user()),
            ..KeypairParams::default()
        };
        let info = KeypairInfo {
            created_at: keypair.created_at,
            fingerprint: keypair.fingerprint,
            id: Some(keypair.name),
            is_deleted: keypair.deleted,
            user_id: keypair.user_id.or_else(|| Some(self.session.user_id())),
            ..KeypairInfo::default()
        };
        Resource::Keypair(osm_model::Keypair::new(params, info))
    }

    pub(super) async fn flavors(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        let nova = self.session.compute().await?;
        let flavors =
            nova.flavors().await?.into_iter().filter(|flavor| filter.matches(&flavor.name)).collect();
        each(sorted(flavors, |flavor: &Flavor| flavor.id.clone()), |mut flavor| {
            let nova = nova.clone();
            async move {
                if flavor.extra_specs.is_none() {
                    flavor.extra_specs = Some(nova.flavor_extra_specs(&flavor.id).await?);
                }
                Ok(resource(flavor))
            }
        })
        .await
    }
}

fn resource(flavor: Flavor) -> Resource {
    let params = FlavorParams {
        description: flavor.description,
        disk: Some(flavor.disk),
        ephemeral: Some(flavor.ephemeral),
        extra_specs: flavor.extra_specs.unwrap_or_default(),
        is_public: flavor.is_public,
        name: Some(flavor.name),
        ram: Some(flavor.ram),
        rxtx_factor: flavor.rxtx_factor,
        swap: Some(flavor.swap.0),
        vcpus: Some(flavor.vcpus),
        ..FlavorParams::default()
    };
    let info = FlavorInfo { id: Some(flavor.id), is_disabled: flavor.disabled, ..FlavorInfo::default() };
    Resource::Flavor(osm_model::Flavor::new(params, info))
}
