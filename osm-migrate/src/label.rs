//! What a resource is called in events and messages.

use osm_model::{Reference, Resource, RoleAssignmentParams, RouterInterfaceParams, SecurityGroupRuleParams};

/// Its name; for what has none, what it belongs to and what tells it apart there:
/// `web: ingress tcp 22`, `edge: back-subnet`, `alice: member in demo`. A keypair of another user
/// is called by both names: `alice: laptop`.
pub(crate) fn label(resource: &Resource) -> Option<String> {
    match resource {
        Resource::SecurityGroupRule(rule) => Some(rule_label(&rule.params)),
        Resource::RouterInterface(interface) => Some(interface_label(&interface.params)),
        Resource::RoleAssignment(assignment) => Some(assignment_label(&assignment.params)),
        Resource::Keypair(keypair)
            if keypair.params.user_ref.as_ref().is_some_and(|user| !user.is_auth_user()) =>
        {
            Some(format!("{}: {}", name(keypair.params.user_ref.as_ref()), resource.name()?))
        }
        _ => resource.name().or(resource.id()).map(str::to_owned),
    }
}

fn rule_label(rule: &SecurityGroupRuleParams) -> String {
    let direction = rule.direction.as_deref().unwrap_or("any direction");
    let mut text = format!("{}: {direction}", name(rule.security_group_ref.as_ref()));
    // The usual one goes without saying.
    if let Some(ether_type) = rule.ether_type.as_deref().filter(|ether_type| *ether_type != "IPv4") {
        text.push_str(&format!(" {ether_type}"));
    }
    text.push_str(&format!(" {}", rule.protocol.as_deref().unwrap_or("any")));
    match (rule.port_range_min, rule.port_range_max) {
        (Some(first), Some(last)) if first != last => text.push_str(&format!(" {first}-{last}")),
        (Some(port), _) | (None, Some(port)) => text.push_str(&format!(" {port}")),
        (None, None) => {}
    }
    let preposition = if rule.direction.as_deref() == Some("egress") { "to" } else { "from" };
    if let Some(range) = &rule.remote_ip_prefix {
        text.push_str(&format!(" {preposition} {range}"));
    } else if let Some(group) = &rule.remote_group_ref {
        text.push_str(&format!(" {preposition} group {}", name(Some(group))));
    }
    text
}

fn interface_label(interface: &RouterInterfaceParams) -> String {
    let subnets: Vec<&str> =
        interface.fixed_ips_refs.iter().map(|address| name(address.subnet_ref.as_ref())).collect();
    let place =
        if subnets.is_empty() { name(interface.network_ref.as_ref()).to_owned() } else { subnets.join(", ") };
    format!("{}: {place}", name(interface.device_ref.as_ref()))
}

fn assignment_label(assignment: &RoleAssignmentParams) -> String {
    let RoleAssignmentParams { project_ref, role_ref, user_ref, .. } = assignment;
    format!("{}: {} in {}", name(user_ref.as_ref()), name(role_ref.as_ref()), name(project_ref.as_ref()))
}

fn name(reference: Option<&Reference>) -> &str {
    reference.and_then(|reference| reference.name.as_deref()).unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use osm_model::{Entry, FixedIp, RouterInterfaceInfo, SecurityGroupRuleInfo};

    use super::*;

    fn rule(rule: SecurityGroupRuleParams) -> Option<String> {
        let rule = SecurityGroupRuleParams { security_group_ref: Some(Reference::auth("web")), ..rule };
        label(&Resource::SecurityGroupRule(Entry::new(rule, SecurityGroupRuleInfo::default())))
    }

    #[test]
    fn a_rule_is_called_by_its_group_and_what_it_lets_through() {
        let ssh = SecurityGroupRuleParams {
            direction: Some("ingress".into()),
            ether_type: Some("IPv4".into()),
            protocol: Some("tcp".into()),
            port_range_min: Some(22),
            port_range_max: Some(22),
            remote_ip_prefix: Some("10.0.0.0/8".into()),
            ..SecurityGroupRuleParams::default()
        };
        assert_eq!(rule(ssh.clone()).as_deref(), Some("web: ingress tcp 22 from 10.0.0.0/8"));
        let from_group = SecurityGroupRuleParams {
            port_range_max: Some(25),
            remote_ip_prefix: None,
            remote_group_ref: Some(Reference::auth("db")),
            ..ssh
        };
        assert_eq!(rule(from_group).as_deref(), Some("web: ingress tcp 22-25 from group db"));
        let everything = SecurityGroupRuleParams {
            direction: Some("egress".into()),
            ether_type: Some("IPv6".into()),
            ..SecurityGroupRuleParams::default()
        };
        assert_eq!(rule(everything).as_deref(), Some("web: egress IPv6 any"));
    }

    #[test]
    fn a_role_is_called_by_its_user_and_project_and_a_keypair_by_its_user() {
        let mut assignment = osm_model::RoleAssignment::default();
        assignment.params.project_ref = Some(Reference::named("demo"));
        assignment.params.role_ref = Some(Reference::named("member"));
        assignment.params.user_ref = Some(Reference::named("alice"));
        assert_eq!(label(&Resource::RoleAssignment(assignment)).as_deref(), Some("alice: member in demo"));
        let mut keypair = osm_model::Keypair::default();
        keypair.params.name = Some("laptop".into());
        keypair.params.user_ref = Some(Reference::auth_user());
        assert_eq!(label(&Resource::Keypair(keypair.clone())).as_deref(), Some("laptop"));
        keypair.params.user_ref = Some(Reference::named("alice"));
        assert_eq!(label(&Resource::Keypair(keypair)).as_deref(), Some("alice: laptop"));
    }

    #[test]
    fn a_router_interface_is_called_by_its_router_and_subnets() {
        let subnet_ref = Some(Reference::auth("back-subnet"));
        let params = RouterInterfaceParams {
            device_ref: Some(Reference::auth("edge")),
            fixed_ips_refs: vec![FixedIp { subnet_ref, ..FixedIp::default() }],
            ..RouterInterfaceParams::default()
        };
        let interface = Resource::RouterInterface(Entry::new(params, RouterInterfaceInfo::default()));
        assert_eq!(label(&interface).as_deref(), Some("edge: back-subnet"));
    }
}
