//! Which resource of a file comes first, and which cannot come at all.

use std::collections::{HashMap, HashSet};

use osm_model::{Kind, Reference, Resource};

/// Projects after the projects above them, whatever the order of the file; all else as it stands.
pub(super) fn parents_first(resources: Vec<&Resource>) -> Vec<&Resource> {
    let places: HashMap<Key, usize> =
        resources.iter().enumerate().filter_map(|(at, it)| Some((Key::of(it)?, at))).collect();
    let parent = |at: usize| {
        let Some(Resource::Project(project)) = resources.get(at) else { return None };
        let above = project.params.parent_ref.as_ref()?;
        let domain = above.domain_name.as_ref().or(project.params.domain_ref.as_ref()?.name.as_ref());
        places.get(&Key { kind: Kind::Project, name: above.name.clone()?, domain: domain.cloned() }).copied()
    };
    let mut placed = vec![false; resources.len()];
    let mut order = Vec::with_capacity(resources.len());
    for first in 0..resources.len() {
        let mut chain = Vec::new();
        let mut next = Some(first);
        // What is placed already ends the way up, be it by a circle.
        while let Some(at) = next
            && let Some(seen @ false) = placed.get_mut(at)
        {
            *seen = true;
            chain.push(at);
            next = parent(at);
        }
        order.extend(chain.into_iter().rev().filter_map(|at| resources.get(at)));
    }
    order
}

/// What a resource is called by those that refer to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// Of projects and users, whose names are unique in their domain only.
    domain: Option<String>,
}

impl Key {
    fn of(resource: &Resource) -> Option<Self> {
        let domain = match resource {
            Resource::Project(project) => project.params.domain_ref.as_ref(),
            Resource::User(user) => user.params.domain_ref.as_ref(),
            _ => None,
        };
        let domain = domain.and_then(|domain| domain.name.clone());
        Some(Self { kind: resource.kind()?, name: resource.name()?.to_owned(), domain })
    }

    fn referred(kind: Kind, reference: &Reference) -> Option<Self> {
        let in_domain = matches!(kind, Kind::Project | Kind::User);
        let domain = reference.domain_name.clone().filter(|_| in_domain);
        Some(Self { kind, name: reference.name.clone()?, domain })
    }
}

/// What could not be imported in this run.
#[derive(Debug, Default)]
pub(super) struct Failed {
    keys: HashSet<Key>,
}

impl Failed {
    pub(super) fn add(&mut self, resource: &Resource) {
        self.keys.extend(Key::of(resource));
    }

    /// The first failed thing that the resource refers to.
    pub(super) fn blocker(&self, resource: &Resource) -> Option<Key> {
        if self.keys.is_empty() {
            return None;
        }
        let needs = match resource {
            Resource::Project(project) => vec![(Kind::Project, &project.params.parent_ref)],
            Resource::User(user) => vec![(Kind::Project, &user.params.default_project_ref)],
            Resource::RoleAssignment(assignment) => vec![
                (Kind::Project, &assignment.params.project_ref),
                (Kind::User, &assignment.params.user_ref),
            ],
            Resource::Keypair(keypair) => vec![(Kind::User, &keypair.params.user_ref)],
            Resource::Subnet(subnet) => vec![(Kind::Network, &subnet.params.network_ref)],
            Resource::SecurityGroupRule(rule) => vec![
                (Kind::SecurityGroup, &rule.params.security_group_ref),
                (Kind::SecurityGroup, &rule.params.remote_group_ref),
            ],
            Resource::RouterInterface(interface) => {
                let mut needs = vec![
                    (Kind::Router, &interface.params.device_ref),
                    (Kind::Network, &interface.params.network_ref),
                ];
                needs.extend(interface.params.fixed_ips_refs.iter().map(|ip| (Kind::Subnet, &ip.subnet_ref)));
                needs
            }
            _ => Vec::new(),
        };
        needs.into_iter().find_map(|(kind, reference)| {
            let key = Key::referred(kind, reference.as_ref()?)?;
            self.keys.contains(&key).then_some(key)
        })
    }
}

#[cfg(test)]
mod tests {
    use osm_model::{Network, Project, RoleAssignment, Subnet};

    use super::*;

    fn network(name: &str) -> Resource {
        let mut network = Network::default();
        network.params.name = Some(name.into());
        Resource::Network(network)
    }

    fn subnet(network: &str) -> Resource {
        let mut subnet = Subnet::default();
        subnet.params.network_ref = Some(Reference::auth(network));
        Resource::Subnet(subnet)
    }

    fn of_domain(name: &str, domain: &str) -> Reference {
        Reference { domain_name: Some(domain.into()), ..Reference::named(name) }
    }

    fn project(name: &str, domain: &str, parent: Reference) -> Resource {
        let mut project = Project::default();
        project.params.name = Some(name.into());
        project.params.domain_ref = Some(Reference::named(domain));
        project.params.parent_ref = Some(parent);
        Resource::Project(project)
    }

    #[test]
    fn what_needs_a_failed_thing_names_it() {
        let mut failed = Failed::default();
        failed.add(&network("net1"));
        let blocker = failed.blocker(&subnet("net1")).unwrap();
        assert_eq!((blocker.kind, blocker.name.as_str()), (Kind::Network, "net1"));
        assert_eq!(failed.blocker(&subnet("net2")), None);
    }

    #[test]
    fn a_failed_project_stops_what_is_below_it_but_not_its_namesake() {
        let mut failed = Failed::default();
        failed.add(&project("p", "Default", Reference::named("Default")));
        assert!(failed.blocker(&project("child", "Default", of_domain("p", "Default"))).is_some());
        assert_eq!(failed.blocker(&project("child", "other", of_domain("p", "other"))), None);
        let mut assignment = RoleAssignment::default();
        assignment.params.project_ref = Some(of_domain("p", "Default"));
        assert!(failed.blocker(&Resource::RoleAssignment(assignment)).is_some());
    }

    #[test]
    fn projects_come_after_those_above_them() {
        let file = [
            project("grandchild", "Default", of_domain("child", "Default")),
            project("child", "Default", of_domain("top", "Default")),
            // Of the same name, in another domain: not the one above.
            project("top", "other", Reference::named("other")),
            project("top", "Default", Reference::named("Default")),
        ];
        let order: Vec<_> =
            parents_first(file.iter().collect()).into_iter().filter_map(Resource::name).collect();
        assert_eq!(order, ["top", "child", "grandchild", "top"]);
    }

    #[test]
    fn a_circle_of_projects_is_gone_through_once() {
        let file = [
            project("a", "Default", of_domain("b", "Default")),
            project("b", "Default", of_domain("a", "Default")),
            project("self", "Default", of_domain("self", "Default")),
        ];
        assert_eq!(parents_first(file.iter().collect()).len(), 3);
    }
}
