//! The bodies of the Image API.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::lenient;

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ImageObject {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// `queued`, `saving`, `active`, `deactivated`, ...
    #[serde(default)]
    pub status: String,
    /// `private`, `shared`, `community`, `public`.
    pub visibility: Option<String>,
    /// Whether it cannot be deleted.
    pub protected: Option<bool>,
    /// Whether lists leave it out.
    pub os_hidden: Option<bool>,
    /// The project that owns it.
    pub owner: Option<String>,
    /// The size of its data, in bytes.
    pub size: Option<u64>,
    /// The size of the disk in it, in bytes.
    pub virtual_size: Option<u64>,
    /// The MD5 digest of its data.
    pub checksum: Option<String>,
    /// The other digest's algorithm.
    pub os_hash_algo: Option<String>,
    /// The other digest of its data.
    pub os_hash_value: Option<String>,
    /// `raw`, `qcow2`, ...
    pub disk_format: Option<String>,
    /// `bare`, ...
    pub container_format: Option<String>,
    /// The smallest disk for it, in GiB.
    pub min_disk: Option<u64>,
    /// The least memory for it, in MiB.
    pub min_ram: Option<u64>,
    /// Its tags.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub tags: Vec<String>,
    /// When it was made.
    pub created_at: Option<String>,
    /// When it last changed.
    pub updated_at: Option<String>,
    /// Where its data is read.
    pub file: Option<String>,
    /// What describes it.
    pub schema: Option<String>,
    /// Where it is read.
    #[serde(rename = "self")]
    pub self_path: Option<String>,
    /// Where its data lies, if the cloud tells.
    pub direct_url: Option<String>,
    /// Where its data lies, if the cloud tells.
    pub locations: Option<serde_json::Value>,
    /// The stores that have its data.
    pub stores: Option<String>,
    /// Everything else: `hw_*`, `os_*`, and what users made up.
    #[serde(flatten, deserialize_with = "texts")]
    pub properties: BTreeMap<String, String>,
}

/// Properties are text; what is not is written as its JSON, and null is not there.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
    let text = |(key, value)| match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some((key, text)),
        other => Some((key, other.to_string())),
    };
    Ok(values.into_iter().filter_map(text).collect())
}

/// An image to be made.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CreateImage {
    /// Its name.
    pub name: String,
    /// `raw`, `qcow2`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_format: Option<String>,
    /// `bare`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_format: Option<String>,
    /// `private`, `shared`, `community`, `public`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
    /// Whether it cannot be deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
    /// Whether lists leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_hidden: Option<bool>,
    /// The smallest disk for it, in GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_disk: Option<u64>,
    /// The least memory for it, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_ram: Option<u64>,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub properties: BTreeMap<String, String>,
}

/// One change of an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Change {
    /// Sets what is not there, or replaces what is.
    Add {
        /// A pointer, as made by [`Change::set`].
        path: String,
        /// The value.
        value: serde_json::Value,
    },
    /// Replaces what is there.
    Replace {
        /// A pointer, as made by [`Change::set`].
        path: String,
        /// The value.
        value: serde_json::Value,
    },
    /// Takes away what is there.
    Remove {
        /// A pointer, as made by [`Change::unset`].
        path: String,
    },
}

impl Change {
    /// Sets `key`, which is there (`exists`) or not.
    pub fn set(key: &str, value: impl Into<serde_json::Value>, exists: bool) -> Self {
        let (path, value) = (pointer(key), value.into());
        if exists { Self::Replace { path, value } } else { Self::Add { path, value } }
    }

    /// Takes `key` away.
    pub fn unset(key: &str) -> Self {
        Self::Remove { path: pointer(key) }
    }
}

/// A key as a JSON pointer (RFC 6901).
fn pointer(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Which images to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFilter {
    /// Those of exactly this name.
    pub name: Option<String>,
    /// Those of this project.
    pub owner: Option<String>,
    /// Those with these properties.
    pub properties: BTreeMap<String, String>,
    /// The hidden ones instead of the others.
    pub hidden: bool,
}

impl ImageFilter {
    pub(super) fn matches(&self, image: &ImageObject) -> bool {
        self.name.as_ref().is_none_or(|name| image.name.as_ref() == Some(name))
            && self.owner.as_ref().is_none_or(|owner| image.owner.as_ref() == Some(owner))
            && self.properties.iter().all(|(key, value)| image.properties.get(key) == Some(value))
    }
}
