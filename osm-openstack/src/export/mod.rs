//! Export: what a cloud has, as resources of files.
//!
//! Only what the session's project owns is exported, but for what belongs to no project; nothing is
//! changed.
//! References are given as names, so that another cloud can find its own.

mod asset;
mod group;
mod identity;
mod image;
mod topology;
mod volume;
mod workload;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use osm_model::{Addition, FilterSet, Kind, NameFilter, Resource, Supplement};

use crate::error::{Error, ErrorKind, Result};
use crate::network::Object;
use crate::reference::{Referent, Resolver, Target};
use crate::session::Session;

/// How many requests are under way at once.
const AT_ONCE: usize = 8;

/// All resources of a kind that the filter lets pass, in the order of the file.
///
/// Rules are chosen by the name of their group, router interfaces by the name of their router, role
/// assignments and keypairs of other users by the name of the user.
///
/// # Errors
/// The first request that fails; nothing is exported of a kind then.
pub async fn export(session: &Session, kind: Kind, filter: &NameFilter) -> Result<Vec<Resource>> {
    Exporter::new(session).export(kind, filter).await
}

/// Writes the data of an image to a file, unless it is there already. An image without data has
/// none to write. Returns whether data was written.
///
/// # Errors
/// `NotFound` when there is no such image; `BadResponse` when the data came broken.
pub async fn export_image_data(session: &Session, id: &str, path: &Path) -> Result<bool> {
    let glance = session.image().await?;
    let Some(image) = glance.get(id).await? else {
        return Err(Error::new(ErrorKind::NotFound, format!("there is no image {id}")));
    };
    if image::has_data(&image) { glance.download_to(&image, path).await } else { Ok(false) }
}

/// Exports kind after kind and remembers what references pointed at.
pub struct Exporter {
    session: Session,
    resolver: Resolver,
    supplement: Mutex<Supplement>,
}

impl Exporter {
    /// An exporter that has seen nothing yet.
    pub fn new(session: &Session) -> Self {
        Self { session: session.clone(), resolver: Resolver::new(session), supplement: Mutex::default() }
    }

    /// What the files have no place for, of everything exported so far.
    pub fn supplement(&self) -> Supplement {
        self.supplement.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what a file has no place for.
    fn note(&self, id: &str, addition: Addition) {
        self.supplement.lock().unwrap_or_else(PoisonError::into_inner).set(id, addition);
    }

    /// As [`export`].
    ///
    /// # Errors
    /// As [`export`].
    pub async fn export(&self, kind: Kind, filter: &NameFilter) -> Result<Vec<Resource>> {
        match kind {
            Kind::Project => self.projects(filter).await,
            Kind::User => self.users(filter).await,
            Kind::RoleAssignment => self.role_assignments(filter).await,
            Kind::UserKeypair => self.user_keypairs(filter, &NameFilter::all()).await,
            Kind::Network => self.networks(filter).await,
            Kind::Subnet => self.subnets(filter).await,
            Kind::Router => self.routers(filter).await,
            Kind::RouterInterface => self.router_interfaces(filter).await,
            Kind::SecurityGroup => self.security_groups(filter).await,
            Kind::SecurityGroupRule => self.security_group_rules(filter).await,
            Kind::Image => self.images(filter).await,
            Kind::Keypair => self.keypairs(filter).await,
            Kind::Flavor => self.flavors(filter).await,
            Kind::Workload => self.workloads(filter).await,
            Kind::DetachedVolume => self.detached_volumes(filter).await,
        }
    }

    /// As [`export`], with the filter or filters that the set has for the kind.
    ///
    /// # Errors
    /// As [`export`].
    pub async fn export_filtered(&self, kind: Kind, filters: &FilterSet) -> Result<Vec<Resource>> {
        match kind {
            Kind::UserKeypair => self.user_keypairs(filters.get(kind), filters.get(Kind::Keypair)).await,
            _ => self.export(kind, filters.get(kind)).await,
        }
    }
}

impl Exporter {
    /// What the project has of a type; references to it need no other request.
    async fn own<T: Object>(&self, target: Target) -> Result<Vec<T>> {
        let objects = self.session.network().await?.list_own::<T>().await?;
        self.resolver.remember_all(target, objects.iter().map(Referent::of));
        Ok(objects)
    }
}

/// Does the same to every item, several at once, in the order of the items.
async fn each<I, T, F, Fut>(items: I, work: F) -> Result<Vec<T>>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> Fut,
    Fut: Future<Output = Result<T>>,
{
    stream::iter(items.into_iter().map(work)).buffered(AT_ONCE).try_collect().await
}

fn sorted<T, K: Ord>(mut items: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    items.sort_by_key(key);
    items
}
