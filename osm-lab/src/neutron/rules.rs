//! Security group rules.

use axum::body::Bytes;
use axum::extract::Path;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::listing::{answer, made, make_each, one, wanted};
use super::state::Rule;
use super::{default_group, over_quota};
use crate::api::{Answer, Call, Refusal, empty};
use crate::clock::{new_id, now, seconds};
use crate::ip::Cidr;
use crate::quota::Quotas;
use crate::world::World;

/// What a rule is created with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RuleSpec {
    pub(crate) security_group_id: String,
    pub(crate) direction: String,
    pub(crate) ethertype: Option<String>,
    #[serde(deserialize_with = "protocol")]
    pub(crate) protocol: Option<String>,
    pub(crate) port_range_min: Option<i32>,
    pub(crate) port_range_max: Option<i32>,
    pub(crate) remote_ip_prefix: Option<String>,
    pub(crate) remote_group_id: Option<String>,
    pub(crate) remote_address_group_id: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) tenant_id: Option<String>,
    pub(crate) project_id: Option<String>,
}

/// A protocol is a name or a number.
fn protocol<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(input)? {
        Value::Null => None,
        Value::String(name) => Some(name.to_lowercase()),
        other => Some(other.to_string()),
    })
}

pub(super) fn view(call: &Call, world: &World, rule: &Rule) -> Value {
    let cidr = rule
        .remote_cidr
        .as_ref()
        .map(|text| text.parse::<Cidr>().map_or_else(|()| text.clone(), |cidr| cidr.to_string()));
    let mut body = json!({
        "id": rule.id,
        "tenant_id": rule.project_id,
        "project_id": rule.project_id,
        "security_group_id": rule.group_id,
        "ethertype": rule.ethertype,
        "direction": rule.direction,
        "protocol": rule.protocol,
        "port_range_min": rule.port_min,
        "port_range_max": rule.port_max,
        "remote_ip_prefix": rule.remote_cidr,
        "remote_address_group_id": null,
        "normalized_cidr": cidr,
        "remote_group_id": rule.remote_group,
        "description": rule.description,
        "created_at": seconds(rule.created),
        "updated_at": seconds(rule.created),
        "revision_number": 0,
    });
    if call.cloud.newer() {
        let group = world.neutron.groups.get(&rule.group_id);
        body["belongs_to_default_sg"] = json!(group.is_some_and(|group| group.base.name == "default"));
    }
    body
}

/// Makes a rule.
pub(crate) fn make(world: &mut World, spec: RuleSpec) -> Result<String, Refusal> {
    let group =
        world.neutron.groups.get(&spec.security_group_id).ok_or_else(|| no_group(&spec.security_group_id))?;
    let project_id = group.base.project_id.clone();
    let used = world.neutron.rules.iter().filter(|rule| rule.project_id == project_id).count();
    if !Quotas::allows(world.quotas.security_group_rules, used, 1) {
        return Err(over_quota("security_group_rule"));
    }
    check(world, &spec)?;
    let rule = Rule {
        id: new_id(),
        project_id,
        group_id: spec.security_group_id,
        direction: spec.direction,
        ethertype: spec.ethertype.unwrap_or_else(|| "IPv4".to_owned()),
        protocol: spec.protocol.filter(|name| name != "any"),
        port_min: spec.port_range_min,
        port_max: spec.port_range_max,
        remote_cidr: spec.remote_ip_prefix,
        remote_group: spec.remote_group_id,
        description: spec.description.or_else(|| Some(String::new())),
        created: now(),
    };
    if let Some(twin) = world.neutron.rules_of(&rule.group_id).find(|other| same(other, &rule)) {
        let message = format!("Security group rule already exists. Rule id is {}.", twin.id);
        return Err(Refusal::neutron(409, "SecurityGroupRuleExists", message));
    }
    let id = rule.id.clone();
    if let Some(group) = world.neutron.groups.get_mut(&rule.group_id) {
        group.base.touch();
    }
    world.neutron.rules.insert(rule);
    Ok(id)
}

fn same(left: &Rule, right: &Rule) -> bool {
    let key = |rule: &Rule| {
        (
            rule.direction.clone(),
            rule.ethertype.clone(),
            rule.protocol.clone(),
            (rule.port_min, rule.port_max),
            rule.remote_cidr.clone(),
            rule.remote_group.clone(),
        )
    };
    key(left) == key(right)
}

fn check(world: &World, spec: &RuleSpec) -> Result<(), Refusal> {
    let refuse = |kind: &str, message: String| Err(Refusal::neutron(400, kind, message));
    if !matches!(spec.direction.as_str(), "ingress" | "egress") {
        let message = format!(
            "Invalid input for direction. Reason: '{}' is not in ['ingress', 'egress'].",
            spec.direction
        );
        return refuse("HTTPBadRequest", message);
    }
    if spec.remote_ip_prefix.is_some() && spec.remote_group_id.is_some() {
        let message = "Only remote_ip_prefix or remote_group_id may be provided.".to_owned();
        return refuse("SecurityGroupRemoteGroupAndRemoteIpPrefix", message);
    }
    if let Some(id) = spec.remote_group_id.as_ref().filter(|id| world.neutron.groups.get(id).is_none()) {
        return Err(no_group(id));
    }
    if let Some(text) = &spec.remote_ip_prefix {
        let v4 = spec.ethertype.as_deref().unwrap_or("IPv4").eq_ignore_ascii_case("ipv4");
        match text.parse::<Cidr>() {
            Ok(cidr) if cidr.is_ipv4() != v4 => {
                let ethertype = if v4 { "IPv4" } else { "IPv6" };
                let message = format!("Conflicting value ethertype {ethertype} for CIDR {text}");
                return refuse("SecurityGroupRuleParameterConflict", message);
            }
            Ok(_) => {}
            Err(()) => {
                let message =
                    format!("Invalid input for remote_ip_prefix. Reason: '{text}' is not a valid IP subnet.");
                return refuse("HTTPBadRequest", message);
            }
        }
    }
    let ports = (spec.port_range_min, spec.port_range_max);
    let by_port = matches!(spec.protocol.as_deref(), Some("tcp" | "udp" | "sctp" | "6" | "17" | "132"));
    match ports {
        (Some(_), _) | (_, Some(_)) if spec.protocol.is_none() => {
            let message = "Must also specify protocol if port range is given.".to_owned();
            refuse("SecurityGroupProtocolRequiredWithPorts", message)
        }
        (Some(min), Some(max)) if by_port && min > max => {
            let message = "For TCP/UDP protocols, port_range_min must be <= port_range_max".to_owned();
            refuse("SecurityGroupInvalidPortRange", message)
        }
        _ => Ok(()),
    }
}

fn no_group(id: &str) -> Refusal {
    Refusal::neutron(404, "SecurityGroupNotFound", format!("Security group {id} does not exist"))
}

fn missing(id: &str) -> Refusal {
    Refusal::neutron(404, "SecurityGroupRuleNotFound", format!("Security group rule {id} does not exist"))
}

pub(super) async fn list(call: Call) -> Answer {
    let mut world = call.cloud.world();
    default_group(&mut world, &call.caller.project_id);
    let rows = world.neutron.rules.iter().filter(|rule| call.caller.sees(&rule.project_id)).collect();
    answer(&call, "security_group_rules", rows, |rule| view(&call, &world, rule))
}

pub(super) async fn show(call: Call, Path(id): Path<String>) -> Answer {
    let world = call.cloud.world();
    let rule = world.neutron.rules.get(&id).filter(|rule| call.caller.sees(&rule.project_id));
    let rule = rule.ok_or_else(|| missing(&id))?;
    Ok(one(&call, 200, "security_group_rule", view(&call, &world, rule)))
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let (specs, bulk) = wanted::<RuleSpec>(&call, &body, "security_group_rule", "security_group_rules")?;
    let mut world = call.cloud.world();
    let make = |world: &mut World, spec: RuleSpec| {
        let group = world.neutron.groups.get(&spec.security_group_id);
        if !group.is_some_and(|group| call.caller.sees(&group.base.project_id)) {
            return Err(no_group(&spec.security_group_id));
        }
        let id = make(world, spec)?;
        let rule = world.neutron.rules.get(&id).ok_or_else(|| missing(&id))?;
        Ok(view(&call, world, rule))
    };
    let undo = |world: &mut World, id: &str| {
        world.neutron.rules.remove(id);
    };
    let bodies = make_each(&mut world, specs, make, undo)?;
    Ok(made(&call, "security_group_rule", "security_group_rules", bodies, bulk))
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    let rule = world.neutron.rules.get(&id).filter(|rule| call.caller.sees(&rule.project_id));
    let group_id = rule.ok_or_else(|| missing(&id))?.group_id.clone();
    world.neutron.rules.remove(&id);
    if let Some(group) = world.neutron.groups.get_mut(&group_id) {
        group.base.touch();
    }
    Ok(empty(204))
}
