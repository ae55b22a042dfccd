//! The security group of a conversion host: SSH from the operator, agents from the other host, nothing else.

use osm_openstack::network::{CreateSecurityGroupRule, SecurityGroup, SecurityGroupBody, SecurityGroupRule};

use super::{Deployment, MARK, is_ours};
use crate::agent::LINK_PORTS;
use crate::{Outcome, Result};

const SSH: u16 = 22;

/// What is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Door {
    from: String,
    first: u16,
    last: u16,
}

impl Deployment {
    pub(super) async fn ensure_group(&self) -> Result<SecurityGroup> {
        let name = &self.plan.security_group;
        Ok(match self.own::<SecurityGroup>("security group", name).await? {
            Some(group) => self.kept("security group", group),
            None => {
                let body = SecurityGroupBody { name: Some(name.clone()), description: Some(MARK.to_owned()) };
                self.made("security group", self.network.create(&body).await?)
            }
        })
    }

    /// Lets in whom the plan names, and the other host where its addresses are known; whom we let in before and
    /// nobody names now, no longer. Where the other host is not known, what it was let in by stays. Gives whether
    /// anything was changed.
    pub(super) async fn open_doors(&self, group: &SecurityGroup, other: Option<&[String]>) -> Result<bool> {
        let ssh = self.plan.ssh_from.iter().map(|from| door(from, SSH, SSH));
        let agents = self.plan.link_from.iter().chain(other.unwrap_or_default());
        let link = agents.map(|from| door(from, *LINK_PORTS.start(), *LINK_PORTS.end()));
        let wanted: Vec<Door> = ssh.chain(link).collect();
        let rules: Vec<SecurityGroupRule> = self.network.list(&[("security_group_id", &group.id)]).await?;
        let mut changed = false;
        for door in &wanted {
            if !rules.iter().any(|rule| is_door(rule, door)) {
                self.network.create::<SecurityGroupRule>(&rule_of(door, &group.id)).await?;
                self.told("rule", &shown(door), Outcome::Created);
                changed = true;
            }
        }
        let is_known = |rule: &SecurityGroupRule| other.is_some() || rule.port_range_min == Some(SSH.into());
        for rule in rules.iter().filter(|rule| is_ours(rule.description.as_deref()) && is_known(rule)) {
            if !wanted.iter().any(|door| is_door(rule, door)) {
                self.network.delete::<SecurityGroupRule>(&rule.id).await?;
                let from = rule.remote_ip_prefix.as_deref().unwrap_or("anywhere");
                self.told("rule", &format!("from {from}"), Outcome::Removed);
                changed = true;
            }
        }
        Ok(changed)
    }
}

fn door(from: &str, first: u16, last: u16) -> Door {
    Door { from: from.to_owned(), first, last }
}

fn shown(door: &Door) -> String {
    format!("from {} to TCP {}-{}", door.from, door.first, door.last)
}

fn is_door(rule: &SecurityGroupRule, door: &Door) -> bool {
    let from = rule.remote_ip_prefix.as_deref();
    rule.direction == "ingress"
        && rule.protocol.as_deref() == Some("tcp")
        && rule.port_range_min == Some(door.first.into())
        && rule.port_range_max == Some(door.last.into())
        // Neutron leaves out what means everybody.
        && (from == Some(&door.from) || from.is_none() && rule.remote_group_id.is_none() && is_everybody(&door.from))
}

fn is_everybody(cidr: &str) -> bool {
    matches!(cidr, "0.0.0.0/0" | "::/0")
}

fn rule_of(door: &Door, group: &str) -> CreateSecurityGroupRule {
    let version = if door.from.contains(':') { "IPv6" } else { "IPv4" };
    CreateSecurityGroupRule {
        security_group_id: group.to_owned(),
        direction: Some("ingress".to_owned()),
        ethertype: Some(version.to_owned()),
        protocol: Some("tcp".to_owned()),
        port_range_min: Some(door.first.into()),
        port_range_max: Some(door.last.into()),
        remote_ip_prefix: Some(door.from.clone()),
        description: Some(MARK.to_owned()),
        ..CreateSecurityGroupRule::default()
    }
}
