//! Security groups.
//!
//! Neutron gives each new group rules of its own, which the source may not
//! have had. A group is made under a provisional name, loses those rules and
//! only then gets its real name: so a group of the real name never has them,
//! whenever the import is interrupted. Where all of them are wanted, groups
//! are made in a batch.

use super::compare::changed_text;
use super::rule::{Meaning, is_among};
use super::{Imported, Importer, inventory, named};
use crate::error::Result;
use crate::network::{Network, SecurityGroup, SecurityGroupBody, SecurityGroupRule};
use crate::reference::Target;

/// The end of a provisional name.
const UNFINISHED: &str = " (osm: unfinished)";

impl Importer {
    pub(super) async fn security_group(&self, group: &osm_model::SecurityGroup) -> Result<Imported> {
        let params = &group.params;
        let name = named("security group", params.name.as_deref())?;
        let what = format!("security group `{name}`");
        let neutron = self.session.network().await?;
        let Some(there) = self.groups.named(&self.session, &what, name).await? else {
            // The rules come later, if at all.
            let (made, _) = self.make_group(&neutron, name, params.description.as_deref(), &[]).await?;
            self.learn(Target::SecurityGroup, &made.id, name);
            self.groups.put(&made).await;
            return Ok(Imported::created(made.id));
        };
        let body = SecurityGroupBody {
            description: changed_text(params.description.as_deref(), there.description.as_deref()),
            ..SecurityGroupBody::default()
        };
        let differs = body != SecurityGroupBody::default();
        if differs {
            self.groups.put(&neutron.update::<SecurityGroup>(&there.id, &body).await?).await;
        }
        Ok(self.found(differs, there.id))
    }

    /// Makes a group that keeps, of the rules that Neutron gives it, the wanted ones; and all that it
    /// was given.
    pub(super) async fn make_group(
        &self,
        neutron: &Network,
        name: &str,
        description: Option<&str>,
        wanted: &[Meaning],
    ) -> Result<(SecurityGroup, Vec<SecurityGroupRule>)> {
        let provisional = format!("{name}{UNFINISHED}");
        let what = format!("security group `{provisional}`");
        let unfinished = match self.groups.named(&self.session, &what, &provisional).await? {
            Some(unfinished) => unfinished,
            None => {
                let body = SecurityGroupBody {
                    name: Some(provisional.clone()),
                    description: description.map(str::to_owned),
                };
                inventory::create(neutron, &provisional, &body).await?
            }
        };
        let given = unfinished.security_group_rules.clone();
        for rule in given.iter().filter(|rule| !is_among(rule, wanted)) {
            neutron.delete::<SecurityGroupRule>(&rule.id).await?;
        }
        let body =
            SecurityGroupBody { name: Some(name.to_owned()), description: description.map(str::to_owned) };
        let mut made = neutron.update::<SecurityGroup>(&unfinished.id, &body).await?;
        made.security_group_rules = given.iter().filter(|rule| is_among(rule, wanted)).cloned().collect();
        Ok((made, given))
    }
}
