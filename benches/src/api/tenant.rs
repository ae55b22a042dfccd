//! The tenant that is measured: made, and taken away.

use anyhow::Result;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use osm_openstack::Session;
use osm_openstack::network::{NetworkObject, Object, SecurityGroup, Subnet};

use super::plain;

/// What everything that is made here is called.
pub(super) const NAME: &str = "osm-bench";

/// Fills a project; how many resources an export of it has.
pub(super) async fn fill(session: &Session, networks: usize) -> Result<usize> {
    plain::create(session, networks).await?;
    plain::list(session).await
}

/// Deletes what was made here, and nothing else.
pub(super) async fn empty(session: &Session) -> Result<()> {
    delete_all::<Subnet>(session).await?;
    delete_all::<NetworkObject>(session).await?;
    // Its rules go with it.
    delete_all::<SecurityGroup>(session).await?;
    Ok(())
}

async fn delete_all<T: Object>(session: &Session) -> Result<()> {
    let neutron = session.network().await?;
    let ours = neutron
        .list_own::<T>()
        .await?
        .into_iter()
        .filter(|object| object.name().is_some_and(|name| name.starts_with(NAME)));
    stream::iter(ours)
        .map(|object| {
            let neutron = neutron.clone();
            async move { neutron.delete::<T>(object.id()).await }
        })
        .buffer_unordered(8)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}
