//! Static routes of routers.
//!
//! OS Migrate's files have them among what the source said (`_info.routes`), so those of its own
//! exports arrive too. Neutron takes a route only when its next hop can be reached, so they come
//! after the router's interfaces.

use serde_json::Value;

use super::compare::same_address;
use super::{Imported, Importer, named, planned};
use crate::error::Result;
use crate::network::{HostRoute, Router, RouterBody};

impl Importer {
    /// Gives a router the static routes that the source's has and it lacks; others stay.
    /// `None` when the source's has none, or the router is not there.
    ///
    /// # Errors
    /// `Conflict` when the cloud has several routers of the name; else the request that failed.
    pub async fn static_routes(&self, router: &osm_model::Router) -> Result<Option<Imported>> {
        planned::or_updated(self.route(router).await)
    }

    async fn route(&self, router: &osm_model::Router) -> Result<Option<Imported>> {
        let wanted: Vec<HostRoute> = router.info.routes.iter().flatten().filter_map(route).collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        let name = named("router", router.params.name.as_deref())?;
        let what = format!("router `{name}`");
        let Some(there) = self.routers.named(&self.session, &what, name).await? else { return Ok(None) };
        let mut routes = there.routes.unwrap_or_default();
        let missing: Vec<HostRoute> =
            wanted.into_iter().filter(|want| !routes.iter().any(|has| same(want, has))).collect();
        if missing.is_empty() {
            return Ok(Some(Imported::updated_if(false, there.id)));
        }
        routes.extend(missing);
        let body = RouterBody { routes: Some(routes), ..RouterBody::default() };
        let updated = self.session.network().await?.update::<Router>(&there.id, &body).await?;
        self.routers.put(&updated).await;
        Ok(Some(Imported::updated_if(true, there.id)))
    }
}

fn route(value: &Value) -> Option<HostRoute> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    Some(HostRoute { destination: text("destination")?, nexthop: text("nexthop")? })
}

fn same(one: &HostRoute, two: &HostRoute) -> bool {
    same_address(&one.destination, &two.destination) && same_address(&one.nexthop, &two.nexthop)
}
