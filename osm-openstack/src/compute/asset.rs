//! What servers are made with: keypairs and flavors.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use super::{Compute, CreateFlavor, CreateKeypair, Flavor, Keypair, gone_is_fine};
use crate::discovery::Microversion;
use crate::error::{Error, ErrorKind, Result};

impl Compute {
    /// A Nova that does not know users in requests for keypairs would mean the caller's own.
    fn knows_other_users(&self, user_id: Option<&str>) -> Result<()> {
        if user_id.is_none() || self.service.microversion() >= Some(Microversion::new(2, 10)) {
            return Ok(());
        }
        let message = "this Nova is older than microversion 2.10 and shows nobody the keypairs of others: move \
                       them as their users";
        Err(Error::new(ErrorKind::Config, message).with_service("compute"))
    }

    /// The keypairs of a user, or of the one authenticated as.
    ///
    /// # Errors
    /// `Forbidden` when they are another's and this user is no administrator; `Config` when the
    /// cloud is too old to tell users apart.
    pub async fn keypairs(&self, user_id: Option<&str>) -> Result<Vec<Keypair>> {
        #[derive(serde::Deserialize)]
        struct Item {
            keypair: Keypair,
        }
        self.knows_other_users(user_id)?;
        let query: Vec<_> = user_id.map(|user_id| ("user_id", user_id)).into_iter().collect();
        let items: Vec<Item> = self.service.list("list keypairs", "os-keypairs", &query, "keypairs").await?;
        Ok(items.into_iter().map(|item| item.keypair).collect())
    }

    /// A keypair by name.
    pub async fn keypair(&self, name: &str, user_id: Option<&str>) -> Result<Option<Keypair>> {
        self.knows_other_users(user_id)?;
        let path = format!("os-keypairs/{}", path_segment(name));
        let mut request = self.service.request("show keypair", Method::GET, path);
        if let Some(user_id) = user_id {
            request = request.query("user_id", user_id);
        }
        request.optional("keypair").await
    }

    /// Makes a keypair from a public key.
    pub async fn create_keypair(&self, keypair: &CreateKeypair) -> Result<Keypair> {
        self.knows_other_users(keypair.user_id.as_deref())?;
        let request = self.service.request("create keypair", Method::POST, "os-keypairs");
        request.json(&json!({ "keypair": keypair })).keyed("keypair").await
    }

    /// Deletes a keypair; one that is gone already is fine.
    pub async fn delete_keypair(&self, name: &str) -> Result<()> {
        let path = format!("os-keypairs/{}", path_segment(name));
        gone_is_fine(self.service.request("delete keypair", Method::DELETE, path).empty().await)
    }

    /// The flavors this user may see; private ones too, for an admin.
    pub async fn flavors(&self) -> Result<Vec<Flavor>> {
        self.service.list("list flavors", "flavors/detail", &[("is_public", "None")], "flavors").await
    }

    /// A flavor by id.
    pub async fn flavor(&self, id: &str) -> Result<Option<Flavor>> {
        let path = format!("flavors/{}", path_segment(id));
        self.service.request("show flavor", Method::GET, path).optional("flavor").await
    }

    /// The extra specs of a flavor, for services that do not show them with it.
    pub async fn flavor_extra_specs(&self, id: &str) -> Result<BTreeMap<String, String>> {
        let path = format!("flavors/{}/os-extra_specs", path_segment(id));
        self.service.request("list extra specs", Method::GET, path).keyed("extra_specs").await
    }

    /// Makes a flavor.
    pub async fn create_flavor(&self, flavor: &CreateFlavor) -> Result<Flavor> {
        let request = self.service.request("create flavor", Method::POST, "flavors");
        request.json(&json!({ "flavor": flavor })).keyed("flavor").await
    }

    /// Changes a flavor's description, the one thing of it that can change.
    ///
    /// # Errors
    /// `Config` when the cloud is older than microversion 2.55.
    pub async fn describe_flavor(&self, id: &str, description: &str) -> Result<Flavor> {
        if self.service.microversion() < Some(Microversion::new(2, 55)) {
            let message = "this Nova is older than microversion 2.55 and gives flavors no description";
            return Err(Error::new(ErrorKind::Config, message).with_service("compute"));
        }
        let path = format!("flavors/{}", path_segment(id));
        let request = self.service.request("update flavor", Method::PUT, path);
        request.json(&json!({"flavor": {"description": description}})).keyed("flavor").await
    }

    /// The ids of the projects that may use a private flavor.
    ///
    /// # Errors
    /// `NotFound` when the flavor is public.
    pub async fn flavor_access(&self, id: &str) -> Result<Vec<String>> {
        #[derive(serde::Deserialize)]
        struct Access {
            tenant_id: String,
        }
        let path = format!("flavors/{}/os-flavor-access", path_segment(id));
        let request = self.service.request("list flavor access", Method::GET, path);
        let access: Vec<Access> = request.keyed("flavor_access").await?;
        Ok(access.into_iter().map(|access| access.tenant_id).collect())
    }

    /// Lets a project use a private flavor; one that may already is fine.
    pub async fn add_flavor_access(&self, id: &str, project_id: &str) -> Result<()> {
        let path = format!("flavors/{}/action", path_segment(id));
        let request = self.service.request("add flavor access", Method::POST, path);
        match request.json(&json!({"addTenantAccess": {"tenant": project_id}})).idempotent(true).empty().await
        {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            done => done,
        }
    }

    /// Sets extra specs of a flavor; keys not named keep their value.
    pub async fn set_flavor_extra_specs(&self, id: &str, specs: &BTreeMap<String, String>) -> Result<()> {
        let path = format!("flavors/{}/os-extra_specs", path_segment(id));
        self.service
            .request("set extra specs", Method::POST, path)
            .json(&json!({ "extra_specs": specs }))
            .idempotent(true)
            .empty()
            .await
    }

    /// Takes one extra spec off a flavor.
    pub async fn unset_flavor_extra_spec(&self, id: &str, key: &str) -> Result<()> {
        let path = format!("flavors/{}/os-extra_specs/{}", path_segment(id), path_segment(key));
        gone_is_fine(self.service.request("unset extra spec", Method::DELETE, path).empty().await)
    }
}

/// Text as one segment of an address.
fn path_segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}
