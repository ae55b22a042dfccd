//! Keypairs and flavors.

use osm_model::{
    FlavorInfo, FlavorMigrationParams, FlavorParams, KeypairInfo, KeypairParams, NameFilter, Reference,
    Resource,
};

use super::{Exporter, each, sorted};
use crate::compute::{Compute, Flavor, Keypair};
use crate::error::{ErrorKind, Result};
use crate::reference::Target;

impl Exporter {
    pub(super) async fn keypairs(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        self.keypairs_of(None, &Reference::auth_user(), filter).await
    }

    /// The keypairs of all users whose name passes, by user and by name.
    pub(super) async fn user_keypairs(
        &self,
        users: &NameFilter,
        keypairs: &NameFilter,
    ) -> Result<Vec<Resource>> {
        let found = each(self.users_named(users).await?, |user| async move {
            let Some(user_ref) = self.resolver.reference(Target::User, Some(&user.id)).await? else {
                return Ok(Vec::new());
            };
            self.keypairs_of(Some(&user.id), &user_ref, keypairs).await
        })
        .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The keypairs of a user, or of the one authenticated as.
    async fn keypairs_of(
        &self,
        user_id: Option<&str>,
        user_ref: &Reference,
        filter: &NameFilter,
    ) -> Result<Vec<Resource>> {
        let nova = self.session.compute().await?;
        let names = nova.keypairs(user_id).await?.into_iter().map(|keypair| keypair.name);
        let wanted = sorted(names.filter(|name| filter.matches(name)).collect(), String::clone);
        // The list does not say when a keypair was made.
        let found = each(wanted, |name| {
            let nova = nova.clone();
            async move { nova.keypair(&name, user_id).await }
        })
        .await?;
        let user_id = user_id.map_or_else(|| self.session.user_id(), str::to_owned);
        Ok(found.into_iter().flatten().map(|keypair| keypair_resource(keypair, &user_id, user_ref)).collect())
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
                let access_refs = self.access(&nova, &flavor).await?;
                Ok(flavor_resource(flavor, access_refs))
            }
        })
        .await
    }

    /// The projects that may use a private flavor, by name; none when it is public, when there are
    /// none or when this user may not know.
    async fn access(&self, nova: &Compute, flavor: &Flavor) -> Result<Option<Vec<Reference>>> {
        if flavor.is_public != Some(false) {
            return Ok(None);
        }
        let ids = match nova.flavor_access(&flavor.id).await {
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) => {
                return Ok(None);
            }
            ids => ids?,
        };
        let found =
            each(ids, |id| async move { self.resolver.reference_if_there(Target::Project, Some(&id)).await })
                .await?;
        let mut projects: Vec<Reference> = found.into_iter().flatten().collect();
        projects.sort_by(|one, two| (&one.domain_name, &one.name).cmp(&(&two.domain_name, &two.name)));
        Ok(Some(projects).filter(|projects| !projects.is_empty()))
    }
}

fn keypair_resource(keypair: Keypair, user_id: &str, user_ref: &Reference) -> Resource {
    let params = KeypairParams {
        name: Some(keypair.name.clone()),
        public_key: Some(keypair.public_key),
        r#type: keypair.kind,
        user_ref: Some(user_ref.clone()),
        ..KeypairParams::default()
    };
    let info = KeypairInfo {
        created_at: keypair.created_at,
        fingerprint: keypair.fingerprint,
        id: Some(keypair.name),
        is_deleted: keypair.deleted,
        user_id: keypair.user_id.or_else(|| Some(user_id.to_owned())),
        ..KeypairInfo::default()
    };
    Resource::Keypair(osm_model::Keypair::new(params, info))
}

fn flavor_resource(flavor: Flavor, access_refs: Option<Vec<Reference>>) -> Resource {
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
    let migration_params = FlavorMigrationParams { access_refs, ..FlavorMigrationParams::default() };
    Resource::Flavor(osm_model::Flavor { migration_params, ..osm_model::Flavor::new(params, info) })
}
