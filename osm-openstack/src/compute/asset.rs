//! What servers are made with: keypairs and flavors.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use super::{Compute, CreateFlavor, CreateKeypair, Flavor, Keypair, gone_is_fine};
use crate::error::Result;

impl Compute {
    /// The keypairs of a user, or of the one authenticated as.
    pub async fn keypairs(&self, user_id: Option<&str>) -> Result<Vec<Keypair>> {
        #[derive(serde::Deserialize)]
        struct Item {
            keypair: Keypair,
        }
        let query: Vec<_> = user_id.map(|user_id| ("user_id", user_id)).into_iter().collect();
        let items: Vec<Item> = self.service.list("list keypairs", "os-keypairs", &query, "keypairs").await?;
        Ok(items.into_iter().map(|item| item.keypair).collect())
    }

    /// A keypair by name.
    pub async fn keypair(&self, name: &str, user_id: Option<&str>) -> Result<Option<Keypair>> {
        let path = format!("os-keypairs/{}", path_segment(name));
        let mut request = self.service.request("show keypair", Method::GET, path);
        if let Some(user_id) = user_id {
            request = request.query("user_id", user_id);
        }
        request.optional("keypair").await
    }

    /// Makes a keypair from a public key.
    pub async fn create_keypair(&self, keypair: &CreateKeypair) -> Result<Keypair> {
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
