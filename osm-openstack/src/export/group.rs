//! Security groups and their rules.

use std::collections::HashMap;

use osm_model::{
    NameFilter, Resource, SecurityGroupInfo, SecurityGroupParams, SecurityGroupRuleInfo,
    SecurityGroupRuleParams,
};

use super::{Exporter, each, sorted};
use crate::error::Result;
use crate::network::{SecurityGroup, SecurityGroupRule};
use crate::reference::Target;

impl Exporter {
    pub(super) async fn security_groups(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        Ok(self.own_groups(filter).await?.into_iter().map(security_group).collect())
    }

    async fn own_groups(&self, filter: &NameFilter) -> Result<Vec<SecurityGroup>> {
        let groups = self.own::<SecurityGroup>(Target::SecurityGroup).await?;
        let wanted = groups.into_iter().filter(|group| filter.matches(&group.name)).collect();
        Ok(sorted(wanted, |group: &SecurityGroup| group.id.clone()))
    }

    pub(super) async fn security_group_rules(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        let neutron = self.session.network().await?;
        let groups = self.own_groups(filter).await?;
        let mut by_group: HashMap<String, Vec<SecurityGroupRule>> = HashMap::new();
        for rule in neutron.list_own::<SecurityGroupRule>().await? {
            by_group.entry(rule.security_group_id.clone()).or_default().push(rule);
        }
        let rules = each(groups, |group| {
            let (neutron, listed) = (neutron.clone(), by_group.remove(&group.id).unwrap_or_default());
            async move {
                // A rule that another project put into this group is not among the project's own.
                let all_there =
                    group.security_group_rules.iter().all(|rule| listed.iter().any(|it| it.id == rule.id));
                if all_there { Ok(listed) } else { neutron.list(&[("security_group_id", &group.id)]).await }
            }
        })
        .await?;
        each(rules.into_iter().flatten().filter(is_expressible), |rule| self.security_group_rule(rule)).await
    }

    async fn security_group_rule(&self, rule: SecurityGroupRule) -> Result<Resource> {
        let resolver = &self.resolver;
        let params = SecurityGroupRuleParams {
            description: rule.description,
            direction: Some(rule.direction),
            ether_type: rule.ethertype,
            port_range_max: rule.port_range_max,
            port_range_min: rule.port_range_min,
            protocol: rule.protocol,
            remote_group_ref: resolver
                .reference(Target::SecurityGroup, rule.remote_group_id.as_deref())
                .await?,
            remote_ip_prefix: rule.remote_ip_prefix,
            security_group_ref: resolver
                .reference(Target::SecurityGroup, Some(&rule.security_group_id))
                .await?,
            ..SecurityGroupRuleParams::default()
        };
        let info = SecurityGroupRuleInfo {
            created_at: rule.created_at,
            id: Some(rule.id),
            project_id: rule.project_id,
            remote_group_id: rule.remote_group_id,
            revision_number: rule.revision_number,
            security_group_id: Some(rule.security_group_id),
            updated_at: rule.updated_at,
            ..SecurityGroupRuleInfo::default()
        };
        Ok(Resource::SecurityGroupRule(osm_model::SecurityGroupRule::new(params, info)))
    }
}

fn security_group(group: SecurityGroup) -> Resource {
    let params = SecurityGroupParams {
        description: group.description,
        name: Some(group.name),
        ..SecurityGroupParams::default()
    };
    let info = SecurityGroupInfo {
        created_at: group.created_at,
        id: Some(group.id),
        project_id: group.project_id,
        revision_number: group.revision_number,
        updated_at: group.updated_at,
        ..SecurityGroupInfo::default()
    };
    Resource::SecurityGroup(osm_model::SecurityGroup::new(params, info))
}

/// The format has no place for address groups. A rule without its address group would let
/// everybody in, so it is better left out.
fn is_expressible(rule: &SecurityGroupRule) -> bool {
    if rule.remote_address_group_id.is_some() {
        tracing::warn!(
            rule = rule.id,
            group = rule.security_group_id,
            "rule not exported: it refers to an address group"
        );
    }
    rule.remote_address_group_id.is_none()
}
