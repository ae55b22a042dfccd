//! References: from an id to names, and from names to the id in another cloud.
//!
//! [`Resolver`] does both for one session and remembers what it saw, so that
//! many resources which refer to the same few things cost few requests. What
//! it remembers can grow old: it is made for one export or one import.

mod lookup;
mod place;
mod target;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use osm_model::{AUTH, Reference};
use tokio::sync::OnceCell;

use crate::error::{Error, ErrorKind, Result};
use crate::network::Object;
use crate::session::Session;

pub use place::Place;
pub use target::Target;

/// What a reference points at, as far as references need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referent {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The project that owns it, or the domain it is in, for those that have one.
    pub owner: Option<String>,
}

impl Referent {
    /// An object of the Network service.
    pub fn of(object: &impl Object) -> Self {
        Self {
            id: object.id().to_owned(),
            name: object.name().unwrap_or_default().to_owned(),
            owner: object.project_id().map(str::to_owned),
        }
    }
}

/// What was looked for: a type, a name, an owner.
type Sought = (Target, String, Option<String>);

/// Resolves references of one cloud, in both directions.
pub struct Resolver {
    session: Session,
    /// The project or user of the session and all that was seen, by type.
    seen: Mutex<HashMap<Target, HashMap<String, Referent>>>,
    /// Whether everything of the project was listed, by type.
    listed: Mutex<HashMap<Target, std::sync::Arc<OnceCell<()>>>>,
    /// What was looked for by name, and the id found.
    found: Mutex<HashMap<Sought, String>>,
}

impl Resolver {
    /// A resolver that has seen nothing yet.
    pub fn new(session: &Session) -> Self {
        Self {
            session: session.clone(),
            seen: Mutex::default(),
            listed: Mutex::default(),
            found: Mutex::default(),
        }
    }

    /// The session it asks.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The names that stand for an id; none for none.
    ///
    /// The owner's names are left out when this user may not read them.
    ///
    /// # Errors
    /// `NotFound` when there is no such object.
    pub async fn reference(&self, target: Target, id: Option<&str>) -> Result<Option<Reference>> {
        let Some(id) = id.filter(|id| !id.is_empty()) else { return Ok(None) };
        if target == Target::User && id == self.session.user_id() {
            return Ok(Some(Reference::auth_user()));
        }
        let Some(referent) = self.referent(target, id).await? else {
            let message = format!("there is no {target} {id}, though something refers to it");
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        self.describe(target, referent).await.map(Some)
    }

    /// As [`Self::reference`], with "there is no such object" as `None`.
    pub async fn reference_if_there(&self, target: Target, id: Option<&str>) -> Result<Option<Reference>> {
        match self.reference(target, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            other => other,
        }
    }

    async fn describe(&self, target: Target, referent: Referent) -> Result<Reference> {
        let Referent { name, owner, .. } = referent;
        if target.is_owned_by_project() {
            let Some(owner) = owner else { return Ok(Reference::named(name)) };
            if owner == self.session.project_id() {
                return Ok(Reference::auth(name));
            }
            let mut reference = Reference::named(name);
            if let Some(project) = self.readable(Target::Project, &owner).await? {
                reference.project_name = Some(project.name);
                if let Some(domain) = project.owner {
                    reference.domain_name =
                        self.readable(Target::Domain, &domain).await?.map(|domain| domain.name);
                }
            }
            return Ok(reference);
        }
        let mut reference = Reference::named(name);
        if target.is_in_domain()
            && let Some(domain) = owner
        {
            reference.domain_name = self.readable(Target::Domain, &domain).await?.map(|domain| domain.name);
        }
        Ok(reference)
    }

    /// An owner, if this user may read it and it is still there.
    async fn readable(&self, target: Target, id: &str) -> Result<Option<Referent>> {
        match self.referent(target, id).await {
            Err(error) if error.kind() == ErrorKind::Forbidden => Ok(None),
            other => other,
        }
    }

    /// The object of an id: remembered, or among all of the project, or asked for alone.
    async fn referent(&self, target: Target, id: &str) -> Result<Option<Referent>> {
        if let Some(known) = self.recall(target, id) {
            return Ok(Some(known));
        }
        if target.is_listed_at_once() {
            self.list_own(target).await?;
            if let Some(known) = self.recall(target, id) {
                return Ok(Some(known));
            }
        }
        let found = lookup::by_id(&self.session, target, id).await?;
        if let Some(referent) = &found {
            self.remember(target, referent.clone());
        }
        Ok(found)
    }

    /// Remembers an object: one just made, or one seen elsewhere.
    pub fn remember(&self, target: Target, referent: Referent) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.entry(target).or_default().insert(referent.id.clone(), referent);
    }

    /// Remembers all objects of the session's project, listed elsewhere: they are not listed again.
    pub fn remember_all(&self, target: Target, referents: impl IntoIterator<Item = Referent>) {
        for referent in referents {
            self.remember(target, referent);
        }
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        // When somebody lists them at this very moment, they are listed twice, and that is all.
        let _ = listed.entry(target).or_default().set(());
    }

    fn recall(&self, target: Target, id: &str) -> Option<Referent> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&target)?.get(id).cloned()
    }

    /// Lists everything of the session's project, once.
    async fn list_own(&self, target: Target) -> Result<()> {
        let cell = {
            let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
            std::sync::Arc::clone(listed.entry(target).or_default())
        };
        cell.get_or_try_init(|| async {
            for referent in lookup::own(&self.session, target).await? {
                self.remember(target, referent);
            }
            Ok(())
        })
        .await
        .copied()
    }

    /// The id that names stand for in this cloud; none for none.
    ///
    /// # Errors
    /// `NotFound` or `Conflict` with the place of the reference and what to do, when it points at
    /// nothing or at several things.
    pub async fn resolve(
        &self,
        target: Target,
        place: Place<'_>,
        reference: Option<&Reference>,
    ) -> Result<Option<String>> {
        let Some(reference) = reference else { return Ok(None) };
        let Some(name) = reference.name.as_deref().filter(|name| !name.is_empty()) else {
            return Err(
                place.error(ErrorKind::Config, "has no name: give it one, or make it null".to_owned())
            );
        };
        match (target, name) {
            (Target::User, AUTH) => return Ok(Some(self.session.user_id())),
            (Target::Project, AUTH) => return Ok(Some(self.session.project_id())),
            (Target::Domain, AUTH) => return Ok(Some(self.session.project_domain_id())),
            _ => {}
        }
        let owner = self.owner(target, place, reference).await?;
        let own = owner.as_deref() == Some(&self.session.project_id());
        if target == Target::Flavor || own && target.is_listed_at_once() {
            self.list_own(target).await?;
        }
        let own = self.remembered(target, name, owner.as_deref());
        if let [id] = own.as_slice() {
            return Ok(Some(id.clone()));
        }
        match self.only(target, place, reference, name, owner.as_deref()).await {
            // An id in the place of a name: somebody wanted to be exact.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match lookup::by_id(&self.session, target, name).await {
                    Ok(Some(referent)) => Ok(Some(referent.id)),
                    _ => Err(error),
                }
            }
            found => found.map(Some),
        }
    }

    /// The id of the only thing of a name and owner.
    async fn only(
        &self,
        target: Target,
        place: Place<'_>,
        reference: &Reference,
        name: &str,
        owner: Option<&str>,
    ) -> Result<String> {
        let key = (target, name.to_owned(), owner.map(str::to_owned));
        if let Some(id) = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(id.clone());
        }
        let candidates = lookup::by_name(&self.session, target, name, owner).await?;
        match candidates.as_slice() {
            [one] => {
                self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(key, one.id.clone());
                Ok(one.id.clone())
            }
            [] => Err(place.none(target, reference, self.session.cloud_name())),
            several => {
                let ids: Vec<&str> = several.iter().map(|referent| referent.id.as_str()).collect();
                Err(place.several(target, reference, self.session.cloud_name(), &ids))
            }
        }
    }

    fn remembered(&self, target: Target, name: &str, owner: Option<&str>) -> Vec<String> {
        // Without an owner the whole cloud counts, of which only a part was seen, but for flavors.
        if owner.is_none() && target != Target::Flavor {
            return Vec::new();
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let of_name = |referent: &&Referent| referent.name == name && referent.owner.as_deref() == owner;
        let all = seen.get(&target).map(HashMap::values).into_iter().flatten();
        all.filter(of_name).map(|referent| referent.id.clone()).collect()
    }

    /// The id of the project or domain that narrows the search, if any does.
    async fn owner(&self, target: Target, place: Place<'_>, reference: &Reference) -> Result<Option<String>> {
        if target.is_owned_by_project() && reference.is_auth_project() {
            return Ok(Some(self.session.project_id()));
        }
        let domain = match reference.domain_name.as_deref() {
            None => None,
            Some(AUTH) => Some(self.session.project_domain_id()),
            Some(name) => self.named(Target::Domain, place, name, None).await?,
        };
        if target.is_in_domain() {
            return Ok(domain);
        }
        match reference.project_name.as_deref().filter(|_| target.is_owned_by_project()) {
            None => Ok(None),
            Some(name) => self.named(Target::Project, place, name, domain.as_deref()).await,
        }
    }

    /// The id of an owner by name; none when this user may not read it.
    async fn named(
        &self,
        target: Target,
        place: Place<'_>,
        name: &str,
        domain: Option<&str>,
    ) -> Result<Option<String>> {
        match self.only(target, place, &Reference::named(name), name, domain).await {
            Err(error) if error.kind() == ErrorKind::Forbidden => Ok(None),
            found => found.map(Some),
        }
    }
}
