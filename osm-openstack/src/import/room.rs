//! How much an import would make: what a quota has to have room for.

use std::collections::HashSet;

use osm_model::{Kind, Resource};

use super::Importer;
use crate::error::{ErrorKind, Result};

impl Importer {
    /// How many of these resources of one kind are not there yet. A resource that cannot be told, for
    /// what it refers to is missing, counts as one that is not.
    ///
    /// # Errors
    /// The credentials are refused, or what is there cannot be listed.
    pub async fn count_absent(&self, kind: Kind, resources: &[&Resource]) -> Result<usize> {
        let session = &self.session;
        let there = match kind {
            Kind::Network => self.networks.names(session).await?,
            Kind::Subnet => self.subnets.names(session).await?,
            Kind::Router | Kind::RouterInterface => self.routers.names(session).await?,
            Kind::SecurityGroup => self.groups.names(session).await?,
            Kind::SecurityGroupRule => return self.count_absent_rules(resources).await,
            _ => return Ok(0),
        };
        let absent = |name: Option<&str>| name.is_some_and(|name| !there.contains(name));
        if kind == Kind::RouterInterface {
            // Each is a port; those of a router that is there are taken to be there as well.
            return Ok(resources.iter().filter(|resource| absent(resource.filter_name())).count());
        }
        let names: HashSet<Option<&str>> = resources.iter().map(|resource| resource.name()).collect();
        Ok(names.into_iter().filter(|name| absent(*name)).count())
    }

    async fn count_absent_rules(&self, resources: &[&Resource]) -> Result<usize> {
        let groups = self.groups.names(&self.session).await?;
        let is_there = |name: Option<&str>| name.is_some_and(|name| groups.contains(name));
        let mut absent = 0;
        for resource in resources {
            let Resource::SecurityGroupRule(rule) = resource else { continue };
            let remote = rule.params.remote_group_ref.as_ref();
            let known = is_there(resource.filter_name())
                && remote.is_none_or(|remote| is_there(remote.name.as_deref()));
            let equal = match if known { Some(self.rule_body(&rule.params).await) } else { None } {
                Some(Ok(body)) => self.equal_rule(&body).await?,
                Some(Err(error)) if error.kind() == ErrorKind::Auth => return Err(error),
                _ => None,
            };
            absent += usize::from(equal.is_none());
        }
        Ok(absent)
    }
}
