//! Keypairs and flavors.

use std::collections::{BTreeMap, HashMap};

use tokio::sync::Mutex;

use super::compare::{Conflicts, changed_text, several};
use super::{Imported, Importer, named};
use crate::compute::{Compute, CreateFlavor, CreateKeypair, Flavor, Keypair, fingerprint};
use crate::error::{ErrorKind, Result};
use crate::reference::Target;

/// The keypairs and flavors that are there, listed once for a whole import.
#[derive(Default)]
pub(super) struct Assets {
    /// By user; without one, those of the user authenticated as.
    keypairs: Mutex<HashMap<Option<String>, Vec<Keypair>>>,
    flavors: Mutex<Option<Vec<Flavor>>>,
}

impl Importer {
    pub(super) async fn keypair(&self, keypair: &osm_model::Keypair) -> Result<Imported> {
        let params = &keypair.params;
        let name = named("keypair", params.name.as_deref())?;
        let user = params.user_ref.as_ref().filter(|user| !user.is_auth_user());
        let what = match user.and_then(|user| user.name.as_deref()) {
            Some(user) => format!("keypair `{name}` of user `{user}`"),
            None => format!("keypair `{name}`"),
        };
        let user_id = self.resolve(Target::User, &what, "params.user_ref", user).await?;
        self.refuse_if_planned("create keypair", user_id.as_deref().as_slice())?;
        let nova = self.session.compute().await?;
        let mut keypairs = self.assets.keypairs.lock().await;
        let known = match keypairs.entry(user_id.clone()) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(unknown) => {
                unknown.insert(nova.keypairs(user_id.as_deref()).await?)
            }
        };
        if let Some(there) = known.iter().find(|keypair| keypair.name == name) {
            return self.compare_keypair(params, there, &what);
        }
        let body = CreateKeypair {
            name: name.to_owned(),
            public_key: params.public_key.clone().unwrap_or_default(),
            kind: params.r#type.clone(),
            user_id: user_id.clone(),
        };
        let made = match nova.create_keypair(&body).await {
            Err(error) if error.kind() == ErrorKind::Ambiguous => {
                nova.keypair(name, user_id.as_deref()).await?.ok_or(error)?
            }
            made => made?,
        };
        let id = made.name.clone();
        known.push(made);
        Ok(Imported::created(id))
    }

    fn compare_keypair(
        &self,
        params: &osm_model::KeypairParams,
        there: &Keypair,
        what: &str,
    ) -> Result<Imported> {
        let mut conflicts = Conflicts::of(what, self.session.cloud_name());
        conflicts.fixed("type", params.r#type.as_ref(), there.kind.as_ref());
        if let Some(want) = &params.public_key
            && key_itself(want) != key_itself(&there.public_key)
        {
            match (fingerprint(want), there.fingerprint.clone().or_else(|| fingerprint(&there.public_key))) {
                (Some(want), Some(has)) => conflicts.add("the fingerprint of public_key", &want, &has),
                _ => conflicts.add("public_key", want.trim(), there.public_key.trim()),
            }
        }
        conflicts.check()?;
        Ok(Imported::updated_if(false, &there.name))
    }

    pub(super) async fn flavor(&self, flavor: &osm_model::Flavor) -> Result<Imported> {
        let params = &flavor.params;
        let name = named("flavor", params.name.as_deref())?;
        let what = format!("flavor `{name}`");
        let nova = self.session.compute().await?;
        let access = flavor.migration_params.access_refs.as_deref().unwrap_or_default();
        let access = self.projects_with_access(&what, access).await?;
        let (made, there) = match self.flavor_named(&nova, &what, name).await? {
            Some(there) => (false, there),
            None => (true, self.make_flavor(&nova, &what, params).await?),
        };
        if !made {
            let mut conflicts = Conflicts::of(&what, self.session.cloud_name());
            conflicts.fixed("ram", params.ram, Some(there.ram));
            conflicts.fixed("disk", params.disk, Some(there.disk));
            conflicts.fixed("vcpus", params.vcpus, Some(there.vcpus));
            conflicts.fixed("ephemeral", params.ephemeral, Some(there.ephemeral));
            conflicts.fixed("swap", params.swap, Some(there.swap.0));
            conflicts.fixed("is_public", params.is_public, there.is_public);
            conflicts.fixed("rxtx_factor", params.rxtx_factor, there.rxtx_factor);
            conflicts.check()?;
        }
        let mut changed = false;
        let has = there.description.as_deref();
        if !made && let Some(description) = changed_text(params.description.as_deref(), has) {
            nova.describe_flavor(&there.id, &description).await?;
            changed = true;
        }
        // A file that does not speak of extra specs leaves them alone.
        if !params.extra.is_absent("extra_specs") {
            changed |= set_extra_specs(&nova, &there, &params.extra_specs).await?;
        }
        if !access.is_empty() && there.is_public == Some(false) {
            changed |= add_access(&nova, &there.id, &access).await?;
        }
        self.resolver.remember(Target::Flavor, there.clone().into());
        Ok(if made { Imported::created(there.id) } else { Imported::updated_if(changed, there.id) })
    }

    async fn make_flavor(
        &self,
        nova: &Compute,
        what: &str,
        params: &osm_model::FlavorParams,
    ) -> Result<Flavor> {
        let body = new_flavor(params);
        match nova.create_flavor(&body).await {
            Err(error) if error.kind() == ErrorKind::Ambiguous => {
                *self.assets.flavors.lock().await = None;
                self.flavor_named(nova, what, &body.name).await?.ok_or(error)
            }
            made => {
                let made = made?;
                if let Some(known) = self.assets.flavors.lock().await.as_mut() {
                    known.push(made.clone());
                }
                Ok(made)
            }
        }
    }

    async fn flavor_named(&self, nova: &Compute, what: &str, name: &str) -> Result<Option<Flavor>> {
        let mut listed = self.assets.flavors.lock().await;
        let all = match &mut *listed {
            Some(all) => all,
            empty => empty.insert(nova.flavors().await?),
        };
        let found: Vec<&Flavor> = all.iter().filter(|flavor| flavor.name == name).collect();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some((*one).clone())),
            many => {
                let ids: Vec<&str> = many.iter().map(|flavor| flavor.id.as_str()).collect();
                Err(several(what, self.session.cloud_name(), &ids))
            }
        }
    }

    /// The ids of the projects that shall use a private flavor.
    async fn projects_with_access(&self, what: &str, access: &[osm_model::Reference]) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for project in access {
            let field = "_migration_params.access_refs";
            ids.push(self.required(Target::Project, what, field, Some(project)).await?);
        }
        Ok(ids)
    }
}

/// Makes the extra specs those of the file; a key that the file has not is taken off.
async fn set_extra_specs(nova: &Compute, flavor: &Flavor, want: &BTreeMap<String, String>) -> Result<bool> {
    let has = match &flavor.extra_specs {
        Some(specs) => specs.clone(),
        None => nova.flavor_extra_specs(&flavor.id).await?,
    };
    let surplus: Vec<&String> = has.keys().filter(|key| !want.contains_key(*key)).collect();
    for key in &surplus {
        nova.unset_flavor_extra_spec(&flavor.id, key).await?;
    }
    let differs = |(key, value): &(&String, &String)| has.get(*key) != Some(value);
    let missing: BTreeMap<String, String> =
        want.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect();
    if !missing.is_empty() {
        nova.set_flavor_extra_specs(&flavor.id, &missing).await?;
    }
    Ok(!missing.is_empty() || !surplus.is_empty())
}

/// Lets projects use a private flavor; those that may already keep it, whether the file names them
/// or not.
async fn add_access(nova: &Compute, flavor: &str, projects: &[String]) -> Result<bool> {
    let has = nova.flavor_access(flavor).await?;
    let mut changed = false;
    for project in projects.iter().filter(|project| !has.contains(project)) {
        nova.add_flavor_access(flavor, project).await?;
        changed = true;
    }
    Ok(changed)
}

/// An SSH key without its comment, which identifies nothing.
fn key_itself(key: &str) -> Vec<&str> {
    if key.starts_with("ssh-") || key.starts_with("ecdsa-") || key.starts_with("sk-") {
        key.split_whitespace().take(2).collect()
    } else {
        vec![key.trim()]
    }
}

fn new_flavor(params: &osm_model::FlavorParams) -> CreateFlavor {
    CreateFlavor {
        name: params.name.clone().unwrap_or_default(),
        ram: params.ram.unwrap_or_default(),
        disk: params.disk.unwrap_or_default(),
        vcpus: params.vcpus.unwrap_or_default(),
        description: params.description.clone(),
        swap: params.swap,
        ephemeral: params.ephemeral,
        is_public: params.is_public,
        rxtx_factor: params.rxtx_factor,
    }
}
