//! The group `default`, which each project has before anybody does anything.
//!
//! Neutron opens it by itself: out to everybody, in from its own members, for IPv4 and IPv6. When
//! the source's has been closed since, the destination's would let through more than the source's.

use osm_model::SecurityGroupRule as Exported;

use super::{Imported, Importer, planned, rule};
use crate::error::Result;
use crate::network::SecurityGroupRule;
use crate::reference::Target;

/// Its name, in every cloud.
const NAME: &str = "default";

impl Importer {
    /// Takes off the group `default` the rules that Neutron made by itself and the source's has no
    /// more. `rules` are those of the file, of whatever group; those of other origin stay.
    /// `None` when there are no rules of that group in the file.
    ///
    /// # Errors
    /// When a reference of a rule points at nothing; else the request that failed.
    pub async fn close_default_group(&self, rules: &[&Exported]) -> Result<Option<Imported>> {
        planned::or_updated(self.close(rules).await)
    }

    async fn close(&self, rules: &[&Exported]) -> Result<Option<Imported>> {
        let what = "rule of security group `default`";
        let mut group = None;
        let mut wanted = Vec::new();
        for exported in rules.iter().filter(|rule| is_of_default(rule)) {
            let params = &exported.params;
            let own = params.security_group_ref.as_ref();
            let own = self.required(Target::SecurityGroup, what, "params.security_group_ref", own).await?;
            let remote = params.remote_group_ref.as_ref();
            let remote = self.resolve(Target::SecurityGroup, what, "params.remote_group_ref", remote).await?;
            wanted.push(rule::Meaning::of_body(&rule::body(params, own.clone(), remote)));
            group = Some(own);
        }
        let Some(group) = group else { return Ok(None) };
        let neutron = self.session.network().await?;
        let there = self.rules.of_group(&self.session, &group, <[SecurityGroupRule]>::to_vec).await?;
        let needless = |rule: &&SecurityGroupRule| made_by_neutron(rule) && !rule::is_among(rule, &wanted);
        let mut changed = false;
        for rule in there.iter().filter(needless) {
            neutron.delete::<SecurityGroupRule>(&rule.id).await?;
            changed = true;
        }
        if changed {
            self.rules.forget().await;
        }
        Ok(Some(Imported::updated_if(changed, group)))
    }
}

fn is_of_default(rule: &Exported) -> bool {
    let group = rule.params.security_group_ref.as_ref();
    group.is_some_and(|group| group.name.as_deref() == Some(NAME) && group.is_auth_project())
}

/// Whether it has the shape of the four rules that a new group `default` begins with.
fn made_by_neutron(rule: &SecurityGroupRule) -> bool {
    let to_its_own = match rule.direction.as_str() {
        "ingress" => rule.remote_group_id.as_ref() == Some(&rule.security_group_id),
        _ => rule.remote_group_id.is_none(),
    };
    to_its_own
        && rule.protocol.is_none()
        && rule.port_range_min.is_none()
        && rule.port_range_max.is_none()
        && rule.remote_ip_prefix.is_none()
        && rule.remote_address_group_id.is_none()
}
