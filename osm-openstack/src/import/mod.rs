//! Import: resources of files, made or brought up to date in a cloud.
//!
//! Each import first looks at what is there. What is equal is left alone, so
//! a second import writes nothing; what differs is changed where the service
//! allows it, and is a `Conflict` where it does not. A member that is null in
//! the file is neither sent nor compared.

mod batch;
mod compare;
mod default_group;
mod directory;
mod group;
mod identity;
mod image;
mod interface;
mod inventory;
mod nova;
mod planned;
mod room;
mod route;
mod rule;
mod topology;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use osm_model::{Addition, Resource, Supplement};

use crate::error::{Error, ErrorKind, Result};
use crate::network::{NetworkObject, Router, SecurityGroup, Subnet};
use crate::reference::{Place, Referent, Resolver, Target};
use crate::session::Session;

use inventory::Inventory;

/// Where an import finds what is not in the resource itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportOptions {
    /// The folder with the data of images.
    pub image_blobs: PathBuf,
    /// What the files have no place for.
    pub supplement: Supplement,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The object was not there and was made.
    Created,
    /// The object was there and was changed.
    Updated,
    /// The object was there as wanted.
    Unchanged,
}

/// What became of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// What was done.
    pub outcome: Outcome,
    /// The object's id in this cloud; empty where a check would have made or changed it.
    pub id: String,
}

/// Imports one resource. For many, an [`Importer`] needs fewer requests.
///
/// # Errors
/// As [`Importer::import`].
pub async fn import(session: &Session, resource: &Resource, options: &ImportOptions) -> Result<Imported> {
    Importer::new(session, options).import(resource).await
}

/// Imports resource after resource, or several at once, and remembers what is there.
///
/// It lists what is there once, so it is made anew for each run.
pub struct Importer {
    session: Session,
    options: ImportOptions,
    resolver: Resolver,
    networks: Inventory<NetworkObject>,
    subnets: Inventory<Subnet>,
    routers: Inventory<Router>,
    groups: Inventory<SecurityGroup>,
    rules: rule::RuleBook,
    /// The ids of what batches made and no import has reported yet.
    fresh: Mutex<HashSet<String>>,
    people: identity::People,
    assets: nova::Assets,
    planned: planned::Planned,
}

impl Importer {
    /// An importer that has seen nothing yet.
    pub fn new(session: &Session, options: &ImportOptions) -> Self {
        Self {
            session: session.clone(),
            options: options.clone(),
            resolver: Resolver::new(session),
            networks: Inventory::default(),
            subnets: Inventory::default(),
            routers: Inventory::default(),
            groups: Inventory::default(),
            rules: rule::RuleBook::default(),
            fresh: Mutex::default(),
            people: identity::People::default(),
            assets: nova::Assets::default(),
            planned: planned::Planned::default(),
        }
    }

    /// Imports one resource. Safe to repeat after a failure at any point.
    ///
    /// With a [`Session::read_only`] session it is a check: nothing is written, the outcome is what
    /// would come of it, and later resources may refer to what would be made.
    ///
    /// # Errors
    /// `NotFound` or `Conflict` when a reference points at nothing or at several things;
    /// `Conflict` when several objects have the resource's name, or one has it with other values
    /// that cannot be changed; `Config` for a resource that cannot be imported this way, or lacks
    /// what it needs; else the request that failed.
    pub async fn import(&self, resource: &Resource) -> Result<Imported> {
        match self.write(resource).await {
            Err(error) if error.kind() == ErrorKind::ReadOnly => self.plan(resource, &error).await,
            done => done,
        }
    }

    async fn write(&self, resource: &Resource) -> Result<Imported> {
        match resource {
            Resource::Network(network) => self.network(network).await,
            Resource::Subnet(subnet) => self.subnet(subnet).await,
            Resource::Router(router) => self.router(router).await,
            Resource::RouterInterface(interface) => self.router_interface(interface).await,
            Resource::SecurityGroup(group) => self.security_group(group).await,
            Resource::SecurityGroupRule(rule) => self.security_group_rule(rule).await,
            Resource::Image(image) => self.image(image).await,
            Resource::Keypair(keypair) => self.keypair(keypair).await,
            Resource::Flavor(flavor) => self.flavor(flavor).await,
            Resource::Project(project) => self.project(project).await,
            Resource::User(user) => self.user(user).await,
            Resource::RoleAssignment(assignment) => self.role_assignment(assignment).await,
            Resource::Server(_) | Resource::Volume(_) => {
                let message =
                    format!("a resource of type {} cannot be imported this way", resource.type_name());
                Err(Error::new(ErrorKind::Config, message))
            }
        }
    }

    /// The id that a reference of `resource` stands for.
    async fn resolve(
        &self,
        target: Target,
        resource: &str,
        field: &str,
        reference: Option<&osm_model::Reference>,
    ) -> Result<Option<String>> {
        self.resolver.resolve(target, Place { resource, field }, reference).await
    }

    /// As [`Self::resolve`], for a reference that must be there.
    async fn required(
        &self,
        target: Target,
        resource: &str,
        field: &str,
        reference: Option<&osm_model::Reference>,
    ) -> Result<String> {
        self.resolve(target, resource, field, reference).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                format!("{resource}: {field} is null: name the {target} it belongs to"),
            )
        })
    }

    /// What is known of a resource beyond its file.
    fn addition(&self, id: Option<&str>) -> Option<&Addition> {
        self.options.supplement.get(id?)
    }

    /// Has the import of an object that was just made say so.
    fn fresh(&self, id: &str) {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
    }

    /// What is said of an object that is there.
    fn found(&self, changed: bool, id: impl Into<String>) -> Imported {
        let id = id.into();
        match self.fresh.lock().unwrap_or_else(PoisonError::into_inner).remove(&id) {
            true => Imported::created(id),
            false => Imported::updated_if(changed, id),
        }
    }

    /// Lets later references find an object just made.
    fn learn(&self, target: Target, id: &str, name: &str) {
        let owner = Some(self.session.project_id());
        self.resolver.remember(target, Referent { id: id.to_owned(), name: name.to_owned(), owner });
    }
}

/// The name by which a resource is found again.
fn named<'a>(word: &str, name: Option<&'a str>) -> Result<&'a str> {
    name.filter(|name| !name.is_empty()).ok_or_else(|| {
        let message = format!("a {word} without a name cannot be imported: give it one in params.name");
        Error::new(ErrorKind::Config, message)
    })
}

impl Imported {
    fn created(id: impl Into<String>) -> Self {
        Self { outcome: Outcome::Created, id: id.into() }
    }

    fn updated_if(changed: bool, id: impl Into<String>) -> Self {
        let outcome = if changed { Outcome::Updated } else { Outcome::Unchanged };
        Self { outcome, id: id.into() }
    }
}
