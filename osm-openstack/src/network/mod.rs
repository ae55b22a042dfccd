//! The Network service: networks, subnets, routers, ports, security groups, floating IPs.
//!
//! Neutron treats all its objects alike, so [`Network`] has one method for
//! each thing that can be done with an object, and [`Object`] says what is
//! particular to a type: `network.list::<Port>(&[("device_id", id)])`.

mod object;
mod wire;

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Serialize;
use serde_json::json;

use crate::compute::gone_is_fine;
use crate::error::Result;
use crate::session::{Service, ServiceKind, Session};

pub use object::Object;
pub use wire::*;

impl Session {
    /// The Network service of this cloud.
    ///
    /// # Errors
    /// When the catalog has none, or it cannot be reached.
    pub async fn network(&self) -> Result<Network> {
        Ok(Network { service: self.service(ServiceKind::Network).await? })
    }
}

/// Neutron.
#[derive(Clone)]
pub struct Network {
    service: Service,
}

impl Network {
    /// The service itself, for what has no method here.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The objects that match the query; those of other projects too, if they may be seen.
    pub async fn list<T: Object>(&self, query: &[(&str, &str)]) -> Result<Vec<T>> {
        self.service.list(T::LIST, T::COLLECTION, query, T::PLURAL).await
    }

    /// The objects of the session's own project.
    pub async fn list_own<T: Object>(&self) -> Result<Vec<T>> {
        self.list(&[("project_id", &self.service.session().project_id())]).await
    }

    /// An object; none when there is no such id.
    pub async fn get<T: Object>(&self, id: &str) -> Result<Option<T>> {
        let path = format!("{}/{id}", T::COLLECTION);
        self.service.request(T::SHOW, Method::GET, path).optional(T::SINGULAR).await
    }

    /// Makes an object.
    ///
    /// # Errors
    /// `Ambiguous` when the answer was lost: look for the object before making another.
    pub async fn create<T: Object>(&self, body: &impl Serialize) -> Result<T> {
        let request = self.service.request(T::CREATE, Method::POST, T::COLLECTION);
        request.json(&BTreeMap::from([(T::SINGULAR, body)])).keyed(T::SINGULAR).await
    }

    /// Makes several objects with one request: all of them, or none and an error.
    ///
    /// # Errors
    /// As for `create`.
    pub async fn create_all<T: Object>(&self, bodies: &[impl Serialize]) -> Result<Vec<T>> {
        let request = self.service.request(T::CREATE, Method::POST, T::COLLECTION);
        request.json(&BTreeMap::from([(T::PLURAL, bodies)])).keyed(T::PLURAL).await
    }

    /// Changes what the body names.
    pub async fn update<T: Object>(&self, id: &str, body: &impl Serialize) -> Result<T> {
        let request = self.service.request(T::UPDATE, Method::PUT, format!("{}/{id}", T::COLLECTION));
        request.json(&BTreeMap::from([(T::SINGULAR, body)])).keyed(T::SINGULAR).await
    }

    /// Deletes an object; one that is gone already is fine.
    pub async fn delete<T: Object>(&self, id: &str) -> Result<()> {
        let path = format!("{}/{id}", T::COLLECTION);
        gone_is_fine(self.service.request(T::DELETE, Method::DELETE, path).empty().await)
    }

    /// Gives an object exactly these tags.
    pub async fn set_tags<T: Object>(&self, id: &str, tags: &[String]) -> Result<()> {
        let path = format!("{}/{id}/tags", T::COLLECTION);
        self.service.request("set tags", Method::PUT, path).json(&json!({ "tags": tags })).empty().await
    }

    /// Connects a router with a port or a subnet.
    pub async fn add_router_interface(&self, router: &str, interface: &Interface) -> Result<InterfaceInfo> {
        let path = format!("routers/{router}/add_router_interface");
        // Not to be repeated blindly: the second time is refused for what the first one did.
        self.service
            .request("add router interface", Method::PUT, path)
            .idempotent(false)
            .json(interface)
            .decode()
            .await
    }

    /// Takes a port or a subnet off a router; what is not there is fine.
    pub async fn remove_router_interface(&self, router: &str, interface: &Interface) -> Result<()> {
        let path = format!("routers/{router}/remove_router_interface");
        let request = self.service.request("remove router interface", Method::PUT, path).json(interface);
        gone_is_fine(request.empty().await)
    }

    /// What the project may use and uses, by kind of object: `network`, `port`, `floatingip`.
    pub async fn quota(&self) -> Result<BTreeMap<String, Quota>> {
        let path = format!("quotas/{}/details.json", self.service.session().project_id());
        self.service.request("show quota", Method::GET, path).keyed("quota").await
    }
}
