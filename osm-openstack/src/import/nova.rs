//! Keypairs and flavors.

use std::collections::BTreeMap;

use super::compare::{Conflicts, several};
use super::{Imported, Importer, named};
use crate::compute::{Compute, CreateFlavor, CreateKeypair, Flavor, Keypair};
use crate::error::{ErrorKind, Result};
use crate::reference::Target;

impl Importer {
    pub(super) async fn keypair(&self, keypair: &osm_model::Keypair) -> Result<Imported> {
        let params = &keypair.params;
        let name = named("keypair", params.name.as_deref())?;
        let what = format!("keypair `{name}`");
        let user = params.user_ref.as_ref().filter(|user| !user.is_auth_user());
        let user_id = self.resolve(Target::User, &what, "params.user_ref", user).await?;
        let nova = self.session.compute().await?;
        if let Some(there) = nova.keypair(name, user_id.as_deref()).await? {
            return self.compare_keypair(params, &there, &what);
        }
        let body = CreateKeypair {
            name: name.to_owned(),
            public_key: params.public_key.clone().unwrap_or_default(),
            kind: params.r#type.clone(),
            user_id: user_id.clone(),
        };
        match nova.create_keypair(&body).await {
            Ok(made) => Ok(Imported::created(made.name)),
            Err(error) if error.kind() == ErrorKind::Ambiguous => {
                match nova.keypair(name, user_id.as_deref()).await? {
                    Some(made) => Ok(Imported::created(made.name)),
                    None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
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
            conflicts.add("public_key", want.trim(), there.public_key.trim());
        }
        conflicts.check()?;
        Ok(Imported::updated_if(false, &there.name))
    }

    pub(super) async fn flavor(&self, flavor: &osm_model::Flavor) -> Result<Imported> {
        let params = &flavor.params;
        let name = named("flavor", params.name.as_deref())?;
        let what = format!("flavor `{name}`");
        let nova = self.session.compute().await?;
        let Some(there) = self.flavor_named(&nova, &what, name).await? else {
            let made = match nova.create_flavor(&new_flavor(params)).await {
                Err(error) if error.kind() == ErrorKind::Ambiguous => {
                    self.flavor_named(&nova, &what, name).await?.ok_or(error)?
                }
                other => other?,
            };
            self.set_extra_specs(&nova, &made, &params.extra_specs).await?;
            self.learn(Target::Flavor, &made.id, name);
            return Ok(Imported::created(made.id));
        };
        let mut conflicts = Conflicts::of(&what, self.session.cloud_name());
        conflicts.fixed("ram", params.ram, Some(there.ram));
        conflicts.fixed("disk", params.disk, Some(there.disk));
        conflicts.fixed("vcpus", params.vcpus, Some(there.vcpus));
        conflicts.fixed("ephemeral", params.ephemeral, Some(there.ephemeral));
        conflicts.fixed("swap", params.swap, Some(there.swap.0));
        conflicts.fixed("is_public", params.is_public, there.is_public);
        conflicts.fixed("rxtx_factor", params.rxtx_factor, there.rxtx_factor);
        conflicts.check()?;
        let changed = self.set_extra_specs(&nova, &there, &params.extra_specs).await?;
        Ok(Imported::updated_if(changed, there.id))
    }

    async fn flavor_named(&self, nova: &Compute, what: &str, name: &str) -> Result<Option<Flavor>> {
        let mut flavors: Vec<Flavor> =
            nova.flavors().await?.into_iter().filter(|flavor| flavor.name == name).collect();
        if flavors.len() > 1 {
            let ids: Vec<&str> = flavors.iter().map(|flavor| flavor.id.as_str()).collect();
            return Err(several(what, self.session.cloud_name(), &ids));
        }
        Ok(flavors.pop())
    }

    /// Sets the extra specs that are missing or have another value; others are the cloud's own.
    async fn set_extra_specs(
        &self,
        nova: &Compute,
        flavor: &Flavor,
        want: &BTreeMap<String, String>,
    ) -> Result<bool> {
        if want.is_empty() {
            return Ok(false);
        }
        let has = match &flavor.extra_specs {
            Some(specs) => specs.clone(),
            None => nova.flavor_extra_specs(&flavor.id).await?,
        };
        let differs = |(key, value): &(&String, &String)| has.get(*key) != Some(value);
        let missing: BTreeMap<String, String> =
            want.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect();
        if !missing.is_empty() {
            nova.set_flavor_extra_specs(&flavor.id, &missing).await?;
        }
        Ok(!missing.is_empty())
    }
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
