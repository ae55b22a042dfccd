//! The requests behind references: by id, by name, and everything of the project.

use super::{Referent, Target};
use crate::compute::Flavor;
use crate::error::{ErrorKind, Result};
use crate::identity::{Domain, Project, Role, User};
use crate::image::{ImageFilter, ImageObject};
use crate::network::{
    NetworkFlavor, NetworkObject, Object, QosPolicy, Router, SecurityGroup, Segment, Subnet, SubnetPool,
};
use crate::session::Session;

/// The object of an id; none when there is none.
pub(super) async fn by_id(session: &Session, target: Target, id: &str) -> Result<Option<Referent>> {
    let found = match target {
        Target::Network => one::<NetworkObject>(session, id).await,
        Target::Subnet => one::<Subnet>(session, id).await,
        Target::Router => one::<Router>(session, id).await,
        Target::SecurityGroup => one::<SecurityGroup>(session, id).await,
        Target::QosPolicy => one::<QosPolicy>(session, id).await,
        Target::NetworkFlavor => one::<NetworkFlavor>(session, id).await,
        Target::Segment => one::<Segment>(session, id).await,
        Target::SubnetPool => one::<SubnetPool>(session, id).await,
        Target::Image => session.image().await?.get(id).await.map(|image| image.map(Referent::from)),
        Target::Flavor => session.compute().await?.flavor(id).await.map(|flavor| flavor.map(Referent::from)),
        Target::Project => session.identity().await?.project(id).await.map(|it| it.map(Referent::from)),
        Target::Domain => session.identity().await?.domain(id).await.map(|it| it.map(Referent::from)),
        Target::User => session.identity().await?.user(id).await.map(|it| it.map(Referent::from)),
        Target::Role => session.identity().await?.role(id).await.map(|it| it.map(Referent::from)),
    };
    match (found, target) {
        // Glance answers 403 for an image of others that is no longer shared.
        (Err(error), Target::Image) if error.kind() == ErrorKind::Forbidden => Ok(None),
        (found, _) => found,
    }
}

/// The objects of a name, of one owner or of all.
pub(super) async fn by_name(
    session: &Session,
    target: Target,
    name: &str,
    owner: Option<&str>,
) -> Result<Vec<Referent>> {
    let mut found = match target {
        Target::Network => named::<NetworkObject>(session, name, owner).await?,
        Target::Subnet => named::<Subnet>(session, name, owner).await?,
        Target::Router => named::<Router>(session, name, owner).await?,
        Target::SecurityGroup => named::<SecurityGroup>(session, name, owner).await?,
        Target::QosPolicy => named::<QosPolicy>(session, name, owner).await?,
        Target::NetworkFlavor => named::<NetworkFlavor>(session, name, owner).await?,
        Target::Segment => named::<Segment>(session, name, owner).await?,
        Target::SubnetPool => named::<SubnetPool>(session, name, owner).await?,
        Target::Image => images(session, Some(name), owner).await?,
        Target::Flavor => own(session, target).await?,
        Target::Project => referents(session.identity().await?.projects_named(name, owner).await?),
        Target::Domain => referents(session.identity().await?.domains_named(name).await?),
        Target::User => referents(session.identity().await?.users_named(name, owner).await?),
        Target::Role => referents(session.identity().await?.roles_named(name, owner).await?),
    };
    // A filter that a service does not know, it ignores.
    found.retain(|referent| referent.name == name);
    if let Some(owner) = owner {
        found.retain(|referent| referent.owner.as_deref().is_none_or(|of| of == owner));
    }
    Ok(found)
}

/// Everything of the session's project.
pub(super) async fn own(session: &Session, target: Target) -> Result<Vec<Referent>> {
    Ok(match target {
        Target::Network => referents_of::<NetworkObject>(session).await?,
        Target::Subnet => referents_of::<Subnet>(session).await?,
        Target::Router => referents_of::<Router>(session).await?,
        Target::SecurityGroup => referents_of::<SecurityGroup>(session).await?,
        Target::Image => images(session, None, Some(&session.project_id())).await?,
        Target::Flavor => referents(session.compute().await?.flavors().await?),
        _ => Vec::new(),
    })
}

async fn one<T: Object>(session: &Session, id: &str) -> Result<Option<Referent>> {
    Ok(session.network().await?.get::<T>(id).await?.as_ref().map(referent_of))
}

async fn named<T: Object>(session: &Session, name: &str, owner: Option<&str>) -> Result<Vec<Referent>> {
    let owner = owner.map(|owner| ("project_id", owner));
    let query: Vec<_> = std::iter::once(("name", name)).chain(owner).collect();
    Ok(session.network().await?.list::<T>(&query).await?.iter().map(referent_of).collect())
}

async fn referents_of<T: Object>(session: &Session) -> Result<Vec<Referent>> {
    Ok(session.network().await?.list_own::<T>().await?.iter().map(referent_of).collect())
}

/// Images, the hidden ones when there are no others.
async fn images(session: &Session, name: Option<&str>, owner: Option<&str>) -> Result<Vec<Referent>> {
    let glance = session.image().await?;
    let mut filter = ImageFilter {
        name: name.map(str::to_owned),
        owner: owner.map(str::to_owned),
        ..ImageFilter::default()
    };
    let mut found = glance.list(&filter).await?;
    if found.is_empty() && name.is_some() {
        filter.hidden = true;
        found = glance.list(&filter).await?;
    }
    Ok(referents(found))
}

fn referent_of<T: Object>(object: &T) -> Referent {
    Referent {
        id: object.id().to_owned(),
        name: object.name().unwrap_or_default().to_owned(),
        owner: object.project_id().map(str::to_owned),
    }
}

fn referents<T: Into<Referent>>(objects: Vec<T>) -> Vec<Referent> {
    objects.into_iter().map(T::into).collect()
}

impl From<ImageObject> for Referent {
    fn from(image: ImageObject) -> Self {
        Self { id: image.id, name: image.name.unwrap_or_default(), owner: image.owner }
    }
}

impl From<Flavor> for Referent {
    fn from(flavor: Flavor) -> Self {
        Self { id: flavor.id, name: flavor.name, owner: None }
    }
}

impl From<Project> for Referent {
    fn from(project: Project) -> Self {
        Self { id: project.id, name: project.name, owner: project.domain_id }
    }
}

impl From<Domain> for Referent {
    fn from(domain: Domain) -> Self {
        Self { id: domain.id, name: domain.name, owner: None }
    }
}

impl From<User> for Referent {
    fn from(user: User) -> Self {
        Self { id: user.id, name: user.name, owner: user.domain_id }
    }
}

impl From<Role> for Referent {
    fn from(role: Role) -> Self {
        Self { id: role.id, name: role.name, owner: role.domain_id }
    }
}
