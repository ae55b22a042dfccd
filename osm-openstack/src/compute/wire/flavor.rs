//! Flavors and limits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A flavor.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Flavor {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its description, from microversion 2.55.
    pub description: Option<String>,
    /// Memory in MiB.
    #[serde(default)]
    pub ram: u64,
    /// Root disk in GiB.
    #[serde(default)]
    pub disk: u64,
    /// CPUs.
    #[serde(default)]
    pub vcpus: u64,
    /// Swap in MiB; `""` for none before microversion 2.75.
    #[serde(default)]
    pub swap: Swap,
    /// Ephemeral disk in GiB.
    #[serde(rename = "OS-FLV-EXT-DATA:ephemeral", default)]
    pub ephemeral: u64,
    /// Whether no new servers may use it.
    #[serde(rename = "OS-FLV-DISABLED:disabled")]
    pub disabled: Option<bool>,
    /// Whether all projects see it.
    #[serde(rename = "os-flavor-access:is_public")]
    pub is_public: Option<bool>,
    /// Network rate factor.
    pub rxtx_factor: Option<f64>,
    /// Its extra specs, from microversion 2.61 and if the policy allows.
    pub extra_specs: Option<BTreeMap<String, String>>,
}

/// Swap space of a flavor in MiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "SwapForm")]
pub struct Swap(pub u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum SwapForm {
    Size(u64),
    Text(String),
}

impl From<SwapForm> for Swap {
    fn from(form: SwapForm) -> Self {
        match form {
            SwapForm::Size(size) => Self(size),
            SwapForm::Text(text) => Self(text.parse().unwrap_or(0)),
        }
    }
}

/// What a new flavor shall be; the cloud chooses its id.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CreateFlavor {
    /// Its name.
    pub name: String,
    /// Memory in MiB.
    pub ram: u64,
    /// Root disk in GiB.
    pub disk: u64,
    /// CPUs.
    pub vcpus: u64,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Swap in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<u64>,
    /// Ephemeral disk in GiB.
    #[serde(rename = "OS-FLV-EXT-DATA:ephemeral", skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<u64>,
    /// Whether all projects see it.
    #[serde(rename = "os-flavor-access:is_public", skip_serializing_if = "Option::is_none")]
    pub is_public: Option<bool>,
    /// Network rate factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rxtx_factor: Option<f64>,
}

/// What a project may use and uses; -1 is "without limit".
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Servers allowed.
    pub max_total_instances: i64,
    /// Servers there.
    pub total_instances_used: i64,
    /// CPUs allowed.
    pub max_total_cores: i64,
    /// CPUs used.
    pub total_cores_used: i64,
    /// MiB of memory allowed.
    #[serde(rename = "maxTotalRAMSize")]
    pub max_total_ram_size: i64,
    /// MiB of memory used.
    #[serde(rename = "totalRAMUsed")]
    pub total_ram_used: i64,
    /// Keypairs allowed.
    pub max_total_keypairs: i64,
}
