//! What an import does when the resources are there: it concerns several of them at once.

use osm_model::{Kind, Resource};
use osm_openstack::import::{Imported, Importer, Outcome as Done};

use super::files::Files;
use crate::{Error, ErrorKind, Event, EventSink, Item, Outcome, Result, Summary};

/// Closes the group `default` as far as the source's is, and gives routers their static routes.
///
/// # Errors
/// The credentials are refused, or a file cannot be used.
pub(super) async fn finish(
    importer: &Importer,
    kinds: &[Kind],
    files: &mut Files<'_>,
    events: &dyn EventSink,
    summary: &mut Summary,
) -> Result<()> {
    if kinds.contains(&Kind::SecurityGroupRule) {
        let resources = files.chosen(Kind::SecurityGroupRule)?;
        let rules = resources.iter().filter_map(|resource| match resource {
            Resource::SecurityGroupRule(rule) => Some(rule),
            _ => None,
        });
        let rules: Vec<_> = rules.collect();
        let of_default = |resource: &&Resource| resource.filter_name() == Some("default");
        if let Some(resource) = resources.iter().find(of_default) {
            let done = importer.close_default_group(&rules).await;
            tell(Kind::SecurityGroupRule, resource, done, events, summary)?;
        }
    }
    if kinds.contains(&Kind::Router) || kinds.contains(&Kind::RouterInterface) {
        for resource in files.chosen(Kind::Router)?.iter() {
            let Resource::Router(router) = resource else { continue };
            tell(Kind::Router, resource, importer.static_routes(router).await, events, summary)?;
        }
    }
    Ok(())
}

/// Tells of what changed and of what failed; what was there already has been told of.
fn tell(
    kind: Kind,
    resource: &Resource,
    done: osm_openstack::Result<Option<Imported>>,
    events: &dyn EventSink,
    summary: &mut Summary,
) -> Result<()> {
    match done.map_err(Error::from) {
        Ok(Some(Imported { outcome: Done::Updated, id })) => {
            summary.count(Outcome::Updated);
            events.emit(&Event::Imported(Item::of(kind, resource, Outcome::Updated).at_destination(id)));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::Auth => return Err(error),
        Err(error) => {
            let item = Item::of(kind, resource, Outcome::Failed).failed(&error);
            summary.fail(item.title(), &error);
            events.emit(&Event::Imported(item));
        }
    }
    Ok(())
}
