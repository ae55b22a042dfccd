//! Neutron routers.

use serde_json::Value as Json;

use super::{Entry, Params};
use crate::record::record;
use crate::reference::Reference;

/// A router.
pub type Router = Entry<RouterParams, RouterInfo>;

record! {
    /// What of a router is imported.
    #[derive(Default)]
    pub struct RouterParams: Params {
        /// Preferred availability zones, sorted; not sent when empty.
        availability_zone_hints: Vec<String>,
        /// Free text.
        description: Option<String>,
        /// External network; the addresses on it are the destination's to give.
        external_gateway_refinfo: Option<ExternalGateway>,
        /// Flavor of the router.
        flavor_ref: Option<Reference>,
        /// `admin_state_up`
        is_admin_state_up: Option<bool>,
        /// `distributed`; only administrators see it.
        is_distributed: Option<bool>,
        /// `ha`; only administrators see it.
        is_ha: Option<bool>,
        /// Name, by which it is found again.
        name: Option<String>,
        /// Tags, sorted.
        tags: Vec<String>,
    }
}

record! {
    /// The external gateway of a router.
    #[derive(Default)]
    pub struct ExternalGateway: Params {
        /// External network.
        network_ref: Option<Reference>,
    }
}

record! {
    /// What the source said of a router.
    #[derive(Default)]
    pub struct RouterInfo: Info {
        /// Zones it is in, sorted.
        availability_zones: Vec<String>,
        /// Time of creation.
        created_at: Option<String>,
        /// External gateway as Neutron gave it.
        external_gateway_info: Option<Json>,
        /// Flavor by id.
        flavor_id: Option<String>,
        /// Source id.
        id: Option<String>,
        /// Project that owns it.
        project_id: Option<String>,
        /// Revision.
        revision_number: Option<i64>,
        /// Static routes as Neutron gave them.
        routes: Option<Vec<Json>>,
        /// Status.
        status: Option<String>,
        /// Time of the last change.
        updated_at: Option<String>,
    }
}

impl Params for RouterParams {
    const TYPE: &'static str = "openstack.network.Router";

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
