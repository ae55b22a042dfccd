//! Many objects with one request.
//!
//! A batch only makes what is not there yet, and nothing is compared or reported here: the import of
//! each resource comes afterwards, finds what the batch made, and says that it was created. Whatever
//! a batch cannot do (one bad network spoils it, for Neutron makes all or none) is left to that
//! import, which says what is wrong with which resource.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::stream::{self, StreamExt as _};
use osm_model::{Kind, Resource};
use serde::Serialize;

use super::Importer;
use super::inventory::Inventory;
use super::rule::{Meaning, is_among};
use crate::error::{ErrorKind, Result};
use crate::network::{Network, Object, SecurityGroupBody, SecurityGroupRule};
use crate::reference::Target;

/// Objects of one request: few enough that one bad object does not spoil many.
const AT_ONCE: usize = 100;

/// Requests under way at once.
const REQUESTS: usize = 4;

impl Importer {
    /// Makes at once what `resources` of one kind describe and the cloud lacks. `rules` are those that
    /// the import will bring afterwards: a new group keeps those of its own that are among them.
    ///
    /// # Errors
    /// The credentials are refused, or what is there cannot be listed.
    pub async fn prepare(&self, kind: Kind, resources: &[&Resource], rules: &[&Resource]) -> Result<()> {
        // A check makes nothing; each import then says what it would do.
        if self.session.is_read_only() {
            self.planned.prepare(kind, rules);
            return Ok(());
        }
        match kind {
            Kind::Network => self.prepare_networks(resources).await,
            Kind::Router => self.absent(&self.routers, Target::Router, resources).await.map(drop),
            Kind::Subnet => self.prepare_subnets(resources).await,
            Kind::SecurityGroup => self.prepare_groups(resources, rules).await,
            Kind::SecurityGroupRule => self.prepare_rules(resources).await,
            _ => Ok(()),
        }
    }

    async fn prepare_networks(&self, resources: &[&Resource]) -> Result<()> {
        let mut bodies = Vec::new();
        for resource in self.absent(&self.networks, Target::Network, resources).await? {
            let Resource::Network(network) = resource else { continue };
            if let Ok(body) = self.network_body(network).await {
                bodies.push(body);
            }
        }
        self.make_all(&self.networks, Target::Network, &bodies, |body| body.name.as_deref()).await.map(drop)
    }

    async fn prepare_subnets(&self, resources: &[&Resource]) -> Result<()> {
        let mut bodies = Vec::new();
        for resource in self.absent(&self.subnets, Target::Subnet, resources).await? {
            let Resource::Subnet(subnet) = resource else { continue };
            if let Ok(body) = self.subnet_body(subnet).await {
                bodies.push(body);
            }
        }
        self.make_all(&self.subnets, Target::Subnet, &bodies, |body| body.name.as_deref()).await.map(drop)
    }

    /// The first group is made alone: it shows which rules Neutron gives to new groups here.
    /// Groups that shall have them all are then made at once.
    async fn prepare_groups(&self, resources: &[&Resource], rules: &[&Resource]) -> Result<()> {
        let mut absent = self.absent(&self.groups, Target::SecurityGroup, resources).await?.into_iter();
        let Some(Resource::SecurityGroup(first)) = absent.next() else { return Ok(()) };
        let Some(name) = first.params.name.as_deref() else { return Ok(()) };
        let rules = by_group(rules);
        let wanted = |group: &str| rules.get(group).map(Vec::as_slice).unwrap_or_default();
        let neutron = self.session.network().await?;
        let made = self.make_group(&neutron, name, first.params.description.as_deref(), wanted(name)).await;
        let Ok((made, given)) = made else { return Ok(()) };
        self.take_in(&self.groups, Target::SecurityGroup, &made).await;
        let mut bodies = Vec::new();
        for resource in absent {
            let Resource::SecurityGroup(group) = resource else { continue };
            let Some(name) = &group.params.name else { continue };
            if given.iter().all(|rule| is_among(rule, wanted(name))) {
                let description = group.params.description.clone();
                bodies.push(SecurityGroupBody { name: Some(name.clone()), description });
            }
        }
        let made = self.make_all(&self.groups, Target::SecurityGroup, &bodies, |body| body.name.as_deref());
        for group in made.await? {
            // Had somebody changed what new groups get meanwhile, this one is too open.
            let wanted = wanted(&group.name);
            for rule in group.security_group_rules.iter().filter(|rule| !is_among(rule, wanted)) {
                neutron.delete::<SecurityGroupRule>(&rule.id).await?;
            }
        }
        Ok(())
    }

    /// Rules of one group with one request: Neutron takes no more at once.
    async fn prepare_rules(&self, resources: &[&Resource]) -> Result<()> {
        let mut by_group = BTreeMap::<String, Vec<_>>::new();
        for resource in resources {
            let Resource::SecurityGroupRule(rule) = resource else { continue };
            let Ok(body) = self.rule_body(&rule.params).await else { continue };
            if self.equal_rule(&body).await?.is_none() {
                by_group.entry(body.security_group_id.clone()).or_default().push(body);
            }
        }
        let neutron = &self.session.network().await?;
        // Alone, a rule is imported as quickly.
        let batches = by_group.into_values().filter(|bodies| bodies.len() > 1);
        let mut made = stream::iter(batches)
            .map(|bodies| async move { make_batch::<SecurityGroupRule>(neutron, &bodies).await })
            .buffer_unordered(REQUESTS);
        while let Some(rules) = made.next().await {
            match rules {
                Ok(rules) => {
                    for rule in rules {
                        self.fresh(&rule.id);
                        self.rules.put(rule).await;
                    }
                }
                // All may be there, or none: the import looks anew.
                Err(error) if error.kind() == ErrorKind::Ambiguous => self.rules.forget().await,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Those whose name is neither there nor twice in the file. What is there can then be referred to
    /// without being listed again.
    pub(super) async fn absent<'a, T: Object + Clone>(
        &self,
        inventory: &Inventory<T>,
        target: Target,
        resources: &[&'a Resource],
    ) -> Result<Vec<&'a Resource>> {
        let there = inventory.referents(&self.session).await?;
        self.resolver.remember_all(target, there.iter().cloned());
        let there: HashSet<&str> = there.iter().map(|referent| referent.name.as_str()).collect();
        let mut seen = HashSet::new();
        let mut absent: Vec<&Resource> = Vec::new();
        for resource in resources {
            let Some(name) = resource.name().filter(|name| !name.is_empty()) else { continue };
            if !there.contains(name) && seen.insert(name) {
                absent.push(resource);
            }
        }
        Ok(absent)
    }

    /// Makes the objects, which were not there a moment ago.
    async fn make_all<T: Object + Clone, B: Serialize>(
        &self,
        inventory: &Inventory<T>,
        target: Target,
        bodies: &[B],
        name: impl Fn(&B) -> Option<&str>,
    ) -> Result<Vec<T>> {
        let neutron = self.session.network().await?;
        let mut all = Vec::new();
        for bodies in bodies.chunks(AT_ONCE) {
            let made = match make_batch(&neutron, bodies).await {
                // What has one of the names now was made by the request whose answer is lost.
                Err(error) if error.kind() == ErrorKind::Ambiguous => {
                    let names: HashSet<&str> = bodies.iter().filter_map(&name).collect();
                    let mut there = neutron.list_own::<T>().await?;
                    there.retain(|object| object.name().is_some_and(|name| names.contains(name)));
                    there
                }
                made => made?,
            };
            for object in &made {
                self.take_in(inventory, target, object).await;
            }
            all.extend(made);
        }
        Ok(all)
    }

    async fn take_in<T: Object + Clone>(&self, inventory: &Inventory<T>, target: Target, object: &T) {
        self.learn(target, object.id(), object.name().unwrap_or_default());
        self.fresh(object.id());
        inventory.put(object).await;
    }
}

/// What one request made; nothing when it is refused.
///
/// # Errors
/// The credentials are refused, or the answer was lost (`Ambiguous`).
async fn make_batch<T: Object>(neutron: &Network, bodies: &[impl Serialize]) -> Result<Vec<T>> {
    match neutron.create_all(bodies).await {
        Err(error) if !matches!(error.kind(), ErrorKind::Auth | ErrorKind::Ambiguous) => {
            tracing::debug!(%error, count = bodies.len(), "a batch was refused; one by one then");
            Ok(Vec::new())
        }
        made => made,
    }
}

/// What the rules of the own project's groups let through, by the group's name.
fn by_group<'a>(rules: &[&'a Resource]) -> HashMap<&'a str, Vec<Meaning>> {
    let mut by_group = HashMap::<&str, Vec<Meaning>>::new();
    for resource in rules {
        let Resource::SecurityGroupRule(rule) = resource else { continue };
        let group = rule.params.security_group_ref.as_ref().filter(|group| group.is_auth_project());
        let Some(name) = group.and_then(|group| group.name.as_deref()) else { continue };
        by_group.entry(name).or_default().extend(Meaning::of_params(&rule.params));
    }
    by_group
}
