//! The rules of security groups: made when no equal one is there, never changed.

use std::collections::HashMap;

use osm_model::SecurityGroupRuleParams;
use tokio::sync::Mutex;

use super::{Imported, Importer};
use crate::error::{ErrorKind, Result};
use crate::network::{CreateSecurityGroupRule, SecurityGroupRule};
use crate::reference::Target;
use crate::session::Session;

/// The project's rules by group, listed once for a whole import.
#[derive(Default)]
pub(super) struct RuleBook(Mutex<Option<HashMap<String, Vec<SecurityGroupRule>>>>);

impl RuleBook {
    /// Looks at the rules of a group.
    pub(super) async fn of_group<T>(
        &self,
        session: &Session,
        group: &str,
        look: impl FnOnce(&[SecurityGroupRule]) -> T,
    ) -> Result<T> {
        let mut book = self.0.lock().await;
        let book = match &mut *book {
            Some(book) => book,
            empty => {
                let mut listed = HashMap::<String, Vec<SecurityGroupRule>>::new();
                for rule in session.network().await?.list_own::<SecurityGroupRule>().await? {
                    listed.entry(rule.security_group_id.clone()).or_default().push(rule);
                }
                empty.insert(listed)
            }
        };
        Ok(look(book.get(group).map(Vec::as_slice).unwrap_or_default()))
    }

    /// Puts in a rule that was made.
    pub(super) async fn put(&self, rule: SecurityGroupRule) {
        if let Some(book) = &mut *self.0.lock().await {
            book.entry(rule.security_group_id.clone()).or_default().push(rule);
        }
    }

    /// Lists anew when asked next.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

impl Importer {
    pub(super) async fn security_group_rule(&self, rule: &osm_model::SecurityGroupRule) -> Result<Imported> {
        let body = self.rule_body(&rule.params).await?;
        if let Some(id) = self.equal_rule(&body).await? {
            return Ok(self.found(false, id));
        }
        if self.comes_with_planned_group(&body) {
            return Ok(Imported::updated_if(false, ""));
        }
        let neutron = self.session.network().await?;
        match neutron.create::<SecurityGroupRule>(&body).await {
            Ok(made) => {
                let id = made.id.clone();
                self.rules.put(made).await;
                Ok(Imported::created(id))
            }
            // Neutron knows better than we when two rules mean the same.
            Err(error) if error.kind() == ErrorKind::Conflict => match existing_rule(error.message()) {
                Some(id) => Ok(Imported::updated_if(false, id)),
                None => Err(error),
            },
            Err(error) if error.kind() == ErrorKind::Ambiguous => {
                self.rules.forget().await;
                self.equal_rule(&body).await?.map(Imported::created).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// A rule to be made, with the ids of this cloud.
    pub(super) async fn rule_body(
        &self,
        params: &SecurityGroupRuleParams,
    ) -> Result<CreateSecurityGroupRule> {
        let group = params.security_group_ref.as_ref().and_then(|group| group.name.as_deref());
        let what = format!("rule of security group `{}`", group.unwrap_or_default());
        let field = "params.security_group_ref";
        let group = self.required(Target::SecurityGroup, &what, field, params.security_group_ref.as_ref());
        let group = group.await?;
        let field = "params.remote_group_ref";
        let remote = self.resolve(Target::SecurityGroup, &what, field, params.remote_group_ref.as_ref());
        Ok(body(params, group, remote.await?))
    }

    /// The id of a rule of this group that lets through the same.
    pub(super) async fn equal_rule(&self, body: &CreateSecurityGroupRule) -> Result<Option<String>> {
        let wanted = Meaning::of_body(body);
        let is_it = |rule: &&SecurityGroupRule| wanted.is_of(rule);
        let group = &body.security_group_id;
        self.rules
            .of_group(&self.session, group, |rules| rules.iter().find(is_it).map(|rule| rule.id.clone()))
            .await
    }
}

pub(super) fn body(
    params: &SecurityGroupRuleParams,
    group: String,
    remote: Option<String>,
) -> CreateSecurityGroupRule {
    CreateSecurityGroupRule {
        security_group_id: group,
        direction: params.direction.clone(),
        ethertype: params.ether_type.clone(),
        protocol: params.protocol.clone(),
        port_range_min: params.port_range_min,
        port_range_max: params.port_range_max,
        remote_ip_prefix: params.remote_ip_prefix.clone(),
        remote_group_id: remote,
        description: params.description.clone(),
    }
}

/// Whether a rule lets through what one of these does.
pub(super) fn is_among(rule: &SecurityGroupRule, wanted: &[Meaning]) -> bool {
    wanted.iter().any(|it| it.is_of(rule))
}

/// The id in Neutron's "Security group rule already exists. Rule id is ID."; empty when it is not
/// told. None for another conflict, such as a quota.
fn existing_rule(message: &str) -> Option<String> {
    let exists = message.contains("already exists");
    let id = message.rsplit("Rule id is ").next().filter(|_| message.contains("Rule id is "));
    exists.then(|| id.unwrap_or_default().trim_end_matches(['.', ' ']).to_owned())
}

/// What a rule lets through; two rules of one meaning cannot be in one group.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    direction: String,
    ethertype: String,
    protocol: Option<String>,
    first: Option<i64>,
    last: Option<i64>,
    prefix: Option<String>,
    remote_group: Option<String>,
}

impl Meaning {
    /// Of a rule of a file, in whatever group; none if it refers to another group.
    pub(super) fn of_params(params: &SecurityGroupRuleParams) -> Option<Self> {
        params.remote_group_ref.is_none().then(|| Self::of_body(&body(params, String::new(), None)))
    }

    pub(super) fn of_body(body: &CreateSecurityGroupRule) -> Self {
        let protocol = protocol(body.protocol.as_deref());
        let (first, last) = ports(protocol.as_deref(), body.port_range_min, body.port_range_max);
        Self {
            direction: body.direction.clone().unwrap_or_else(|| "ingress".to_owned()),
            ethertype: body.ethertype.clone().unwrap_or_else(|| "IPv4".to_owned()),
            prefix: prefix(body.remote_ip_prefix.as_deref()),
            remote_group: body.remote_group_id.clone(),
            protocol,
            first,
            last,
        }
    }

    /// Whether it lets everything out, as one of the two rules does that Neutron gives to new groups.
    pub(super) fn is_everything_out(&self) -> bool {
        let Self { direction, ethertype: _, protocol, first, last, prefix, remote_group } = self;
        direction == "egress"
            && (protocol, first, last, prefix, remote_group) == (&None, &None, &None, &None, &None)
    }

    pub(super) fn is_of(&self, rule: &SecurityGroupRule) -> bool {
        let protocol = protocol(rule.protocol.as_deref());
        let (first, last) = ports(protocol.as_deref(), rule.port_range_min, rule.port_range_max);
        let normalized = rule.normalized_cidr.as_deref().or(rule.remote_ip_prefix.as_deref());
        rule.remote_address_group_id.is_none()
            && self.direction == rule.direction
            && self.ethertype == rule.ethertype.as_deref().unwrap_or("IPv4")
            && self.protocol == protocol
            && (self.first, self.last) == (first, last)
            && self.remote_group == rule.remote_group_id
            && [rule.remote_ip_prefix.as_deref(), normalized].map(prefix).contains(&self.prefix)
    }
}

/// All ports are no limit, for the protocols that have ports.
fn ports(protocol: Option<&str>, first: Option<i64>, last: Option<i64>) -> (Option<i64>, Option<i64>) {
    let has_ports = matches!(protocol, Some("tcp" | "udp" | "udplite" | "sctp" | "dccp"));
    let everything = matches!((first, last), (Some(0 | 1), Some(65535)));
    if has_ports && everything { (None, None) } else { (first, last) }
}

/// Everybody is no limit.
fn prefix(text: Option<&str>) -> Option<String> {
    text.filter(|text| !matches!(*text, "0.0.0.0/0" | "::/0" | "")).map(str::to_ascii_lowercase)
}

/// A protocol by its name, for those whose number Neutron takes for the same.
fn protocol(text: Option<&str>) -> Option<String> {
    let text = text?.to_ascii_lowercase();
    let name = match text.as_str() {
        "" | "any" | "-1" | "0" => return None,
        "1" => "icmp",
        "2" => "igmp",
        "4" => "ipip",
        "6" => "tcp",
        "17" => "udp",
        "33" => "dccp",
        "47" => "gre",
        "50" => "esp",
        "51" => "ah",
        "58" | "icmpv6" | "ipv6-icmp" => "ipv6-icmp",
        "89" => "ospf",
        "112" => "vrrp",
        "132" => "sctp",
        "136" => "udplite",
        other => other,
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(protocol: &str, ports: (i64, i64), prefix: Option<&str>) -> Meaning {
        Meaning::of_body(&CreateSecurityGroupRule {
            direction: Some("ingress".to_owned()),
            ethertype: Some("IPv4".to_owned()),
            protocol: Some(protocol.to_owned()),
            port_range_min: Some(ports.0),
            port_range_max: Some(ports.1),
            remote_ip_prefix: prefix.map(str::to_owned),
            ..CreateSecurityGroupRule::default()
        })
    }

    fn there(protocol: &str) -> SecurityGroupRule {
        SecurityGroupRule {
            direction: "ingress".to_owned(),
            ethertype: Some("IPv4".to_owned()),
            protocol: Some(protocol.to_owned()),
            ..SecurityGroupRule::default()
        }
    }

    #[test]
    fn rules_of_one_meaning_are_equal() {
        // Neutron drops the full range, and takes a protocol's number for its name.
        assert!(wanted("6", (1, 65535), Some("0.0.0.0/0")).is_of(&there("tcp")));
        let narrowed = SecurityGroupRule {
            remote_ip_prefix: Some("10.0.0.7/8".to_owned()),
            normalized_cidr: Some("10.0.0.0/8".to_owned()),
            port_range_min: Some(80),
            port_range_max: Some(80),
            ..there("tcp")
        };
        assert!(wanted("tcp", (80, 80), Some("10.0.0.0/8")).is_of(&narrowed));
    }

    #[test]
    fn rules_that_let_through_other_things_differ() {
        assert!(!wanted("tcp", (80, 80), None).is_of(&there("tcp")));
        assert!(!wanted("tcp", (1, 65535), Some("10.0.0.0/8")).is_of(&there("tcp")));
        assert!(!wanted("udp", (1, 65535), None).is_of(&there("tcp")));
        let by_addresses =
            SecurityGroupRule { remote_address_group_id: Some("a".to_owned()), ..there("tcp") };
        assert!(!wanted("tcp", (1, 65535), None).is_of(&by_addresses));
        let narrow = SecurityGroupRule { remote_ip_prefix: Some("10.0.0.0/8".to_owned()), ..there("tcp") };
        assert!(!wanted("tcp", (1, 65535), None).is_of(&narrow));
        // For ICMP the numbers are type and code.
        assert!(!wanted("icmp", (1, 65535), None).is_of(&there("icmp")));
    }

    #[test]
    fn only_a_duplicate_is_no_error() {
        let message = "Security group rule already exists. Rule id is 1c1d1f46-8347.";
        assert_eq!(existing_rule(message).as_deref(), Some("1c1d1f46-8347"));
        assert_eq!(existing_rule("Quota exceeded for resources: ['security_group_rule']."), None);
    }
}
