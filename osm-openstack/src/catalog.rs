//! The service catalog: which service is where.

use serde::Deserialize;
use url::Url;

use crate::config::Interface;
use crate::error::{Error, ErrorKind, Result};
use crate::session::ServiceKind;

/// The services a token gives access to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Catalog {
    services: Vec<CatalogService>,
}

#[derive(Debug, Clone, Deserialize)]
struct CatalogService {
    #[serde(rename = "type")]
    service_type: String,
    #[serde(default)]
    endpoints: Vec<CatalogEndpoint>,
}

#[derive(Debug, Clone, Deserialize)]
struct CatalogEndpoint {
    interface: String,
    #[serde(default)]
    region_id: Option<String>,
    #[serde(default)]
    region: Option<String>,
    url: String,
}

impl CatalogEndpoint {
    fn region(&self) -> Option<&str> {
        self.region_id.as_deref().or(self.region.as_deref())
    }
}

impl Catalog {
    /// The address of the service of `kind`.
    ///
    /// # Errors
    /// `Config` naming what was looked for and what the catalog offers.
    pub(crate) fn endpoint(
        &self,
        kind: ServiceKind,
        interface: Interface,
        region: Option<&str>,
    ) -> Result<Url> {
        // The types are in order of preference, the catalog in none.
        let endpoints = kind.service_types().iter().flat_map(|wanted| {
            let services = self.services.iter().filter(|service| service.service_type == *wanted);
            services.flat_map(|service| &service.endpoints)
        });
        let mut fitting = endpoints
            .filter(|endpoint| endpoint.interface == interface.as_str())
            .filter(|endpoint| region.is_none() || endpoint.region() == region);
        let Some(endpoint) = fitting.next() else {
            return Err(self.missing(kind, interface, region));
        };
        endpoint.url.parse().map_err(|error| {
            let message = format!("the catalog's address of the {kind} service, `{}`, is none", endpoint.url);
            Error::new(ErrorKind::BadResponse, message).with_service(kind.name()).with_source(error)
        })
    }

    /// Looks whether anything is in this region.
    ///
    /// # Errors
    /// `Config` when all that the catalog offers is in others.
    pub(crate) fn check_region(&self, region: &str, cloud: &str) -> Result<()> {
        let endpoints = self.services.iter().flat_map(|service| &service.endpoints);
        let mut regions: Vec<&str> = endpoints.filter_map(CatalogEndpoint::region).collect();
        if regions.is_empty() || regions.contains(&region) {
            return Ok(());
        }
        regions.sort_unstable();
        regions.dedup();
        let regions = regions.join(", ");
        let message = format!(
            "cloud `{cloud}` has no region {region}; correct its `region_name`, the catalog has: {regions}"
        );
        Err(Error::new(ErrorKind::Config, message))
    }

    fn missing(&self, kind: ServiceKind, interface: Interface, region: Option<&str>) -> Error {
        let of_region = region.map(|region| format!(" in region {region}")).unwrap_or_default();
        let mut offers: Vec<String> = self.services.iter().map(offer).collect();
        offers.sort();
        offers.dedup();
        let offers = if offers.is_empty() { "nothing".to_owned() } else { offers.join(", ") };
        let message = format!(
            "the catalog has no {interface} endpoint of the {kind} service{of_region}; it offers: {offers}; check \
             `region_name` and `interface`, or set `{}_endpoint_override`",
            kind.config_prefixes().first().copied().unwrap_or_default()
        );
        Error::new(ErrorKind::Config, message).with_service(kind.name())
    }
}

fn offer(service: &CatalogService) -> String {
    let mut endpoints: Vec<String> = service
        .endpoints
        .iter()
        .map(|endpoint| format!("{} in {}", endpoint.interface, endpoint.region().unwrap_or("no region")))
        .collect();
    endpoints.sort();
    endpoints.dedup();
    format!("{} ({})", service.service_type, endpoints.join(", "))
}

#[cfg(test)]
mod tests;
