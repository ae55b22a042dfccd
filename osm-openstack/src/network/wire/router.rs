//! Routers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::HostRoute;
use crate::lenient;

/// A router.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Router {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// The project that owns it.
    pub project_id: Option<String>,
    /// Whether it is switched on.
    pub admin_state_up: Option<bool>,
    /// `ACTIVE`, `DOWN`, `ERROR`.
    pub status: Option<String>,
    /// Its way out.
    pub external_gateway_info: Option<ExternalGateway>,
    /// Whether it is spread over the hypervisors; admins only.
    pub distributed: Option<bool>,
    /// Whether it is doubled; admins only.
    pub ha: Option<bool>,
    /// Its flavor.
    pub flavor_id: Option<String>,
    /// Its static routes.
    pub routes: Option<Vec<HostRoute>>,
    /// Where it should be available.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub availability_zone_hints: Vec<String>,
    /// Where it is available.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub availability_zones: Vec<String>,
    /// Its tags.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub tags: Vec<String>,
    /// When it was made.
    pub created_at: Option<String>,
    /// When it last changed.
    pub updated_at: Option<String>,
    /// How often it changed.
    pub revision_number: Option<i64>,
}

/// A router's way out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExternalGateway {
    /// The external network.
    pub network_id: String,
    /// What else is said of it, kept as it came.
    #[serde(flatten)]
    pub details: BTreeMap<String, serde_json::Value>,
}

/// A router to be made, or what of one to change.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RouterBody {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it is switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
    /// Its way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_gateway_info: Option<GatewayBody>,
    /// Whether it is spread over the hypervisors; admins only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distributed: Option<bool>,
    /// Whether it is doubled; admins only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ha: Option<bool>,
    /// Its flavor; on creation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flavor_id: Option<String>,
    /// Its static routes; not on creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<HostRoute>>,
    /// Where it should be available; on creation only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub availability_zone_hints: Vec<String>,
}

impl RouterBody {
    /// The same, leaving it to the cloud whether addresses are translated.
    #[must_use]
    pub fn with_default_snat(mut self) -> Self {
        if let Some(gateway) = &mut self.external_gateway_info {
            gateway.enable_snat = None;
        }
        self
    }
}

/// The way out to give to a router.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GatewayBody {
    /// The external network.
    pub network_id: String,
    /// Whether addresses are translated on the way; to be set by admins only, by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_snat: Option<bool>,
}
