//! How much an import would make: what a quota has to have room for.

use std::collections::HashSet;

use osm_model::{Kind, Resource};

use super::Importer;
use super::inventory::Inventory;
use crate::error::{ErrorKind, Result};
use crate::network::Object;
use crate::reference::Target;

impl Importer {
    /// How many of these resources of one kind are not there yet. A resource that cannot be told, for
    /// what it refers to is missing, counts as one that is not.
    ///
    /// # Errors
    /// The credentials are refused, or what is there cannot be listed.
    pub async fn count_absent(&self, kind: Kind, resources: &[&Resource]) -> Result<usize> {
        Ok(match kind {
            Kind::Network => self.absent(&self.networks, Target::Network, resources).await?.len(),
            Kind::Subnet => self.absent(&self.subnets, Target::Subnet, resources).await?.len(),
            Kind::Router => self.absent(&self.routers, Target::Router, resources).await?.len(),
            Kind::SecurityGroup => self.absent(&self.groups, Target::SecurityGroup, resources).await?.len(),
            Kind::SecurityGroupRule => self.count_absent_rules(resources).await?,
            Kind::RouterInterface => {
                // Each is a port; those of a router that is there are taken to be there as well.
                let routers = self.names(&self.routers).await?;
                let absent = |name: Option<&str>| name.is_some_and(|name| !routers.contains(name));
                resources.iter().filter(|resource| absent(resource.filter_name())).count()
            }
            _ => 0,
        })
    }

    async fn names<T: Object + Clone>(&self, inventory: &Inventory<T>) -> Result<HashSet<String>> {
        let there = inventory.referents(&self.session).await?;
        Ok(there.into_iter().map(|referent| referent.name).collect())
    }

    async fn count_absent_rules(&self, resources: &[&Resource]) -> Result<usize> {
        let groups = self.names(&self.groups).await?;
        let is_there = |name: Option<&str>| name.is_some_and(|name| groups.contains(name));
        let (mut absent, mut new_groups) = (0, false);
        for resource in resources {
            let Resource::SecurityGroupRule(rule) = resource else { continue };
            let remote = rule.params.remote_group_ref.as_ref();
            let known = is_there(resource.filter_name())
                && remote.is_none_or(|remote| is_there(remote.name.as_deref()));
            if !known || self.is_absent(rule).await? {
                absent += 1;
            }
            new_groups |= !is_there(resource.filter_name());
        }
        if new_groups {
            // Neutron will give them rules of its own, which are not in the book yet.
            self.rules.forget().await;
        }
        Ok(absent)
    }

    async fn is_absent(&self, rule: &osm_model::SecurityGroupRule) -> Result<bool> {
        match self.rule_body(&rule.params).await {
            Ok(body) => Ok(self.equal_rule(&body).await?.is_none()),
            Err(error) if error.kind() == ErrorKind::Auth => Err(error),
            Err(_) => Ok(true),
        }
    }
}
