//! What a domain has in Keystone, listed once for a whole import.
//!
//! Names are unique in a domain only. So each domain is asked by itself, which is also the way to
//! see the users of a domain that a directory service keeps.

use std::collections::HashMap;

use tokio::sync::Mutex;

use crate::error::{ErrorKind, Result};
use crate::identity::{Identity, Project, User};

/// The projects or the users, by domain.
pub(super) struct Directory<T>(Mutex<HashMap<String, Listing<T>>>);

/// What is known of one domain.
enum Listing<T> {
    All(Vec<T>),
    /// The list is longer than Keystone gives out; what was made since.
    TooLong(Vec<T>),
}

/// What is found by name in a domain.
pub(super) trait Entry: Clone {
    fn id(&self) -> &str;
    fn name(&self) -> &str;
    async fn list(keystone: &Identity, domain: &str) -> Result<Vec<Self>>;
    async fn find(keystone: &Identity, name: &str, domain: &str) -> Result<Vec<Self>>;
}

impl Entry for Project {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    async fn list(keystone: &Identity, domain: &str) -> Result<Vec<Self>> {
        keystone.projects(Some(domain)).await
    }

    async fn find(keystone: &Identity, name: &str, domain: &str) -> Result<Vec<Self>> {
        keystone.projects_named(name, Some(domain)).await
    }
}

impl Entry for User {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    async fn list(keystone: &Identity, domain: &str) -> Result<Vec<Self>> {
        keystone.users(Some(domain)).await
    }

    async fn find(keystone: &Identity, name: &str, domain: &str) -> Result<Vec<Self>> {
        keystone.users_named(name, Some(domain)).await
    }
}

impl<T> Default for Directory<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Entry> Directory<T> {
    /// The one of this name in the domain; none when there is none.
    pub(super) async fn named(&self, keystone: &Identity, name: &str, domain: &str) -> Result<Option<T>> {
        let mut domains = self.0.lock().await;
        if !domains.contains_key(domain) {
            let listing = match T::list(keystone, domain).await {
                Ok(all) => Listing::All(all),
                // So is a list that was cut short. If it is something else, the next answer shows it.
                Err(error) if error.kind() == ErrorKind::BadResponse => Listing::TooLong(Vec::new()),
                Err(error) => return Err(error),
            };
            domains.insert(domain.to_owned(), listing);
        }
        let of_name = |known: &Vec<T>| known.iter().find(|entry| entry.name() == name).cloned();
        match domains.get(domain) {
            None => Ok(None),
            Some(Listing::All(all)) => Ok(of_name(all)),
            Some(Listing::TooLong(made)) => match of_name(made) {
                Some(entry) => Ok(Some(entry)),
                None => Ok(of_name(&T::find(keystone, name, domain).await?)),
            },
        }
    }

    /// What was made, from Keystone's answer; when that was lost, the one that is there since.
    pub(super) async fn made(
        &self,
        keystone: &Identity,
        name: &str,
        domain: &str,
        answer: Result<T>,
    ) -> Result<T> {
        let made = match answer {
            Err(error) if error.kind() == ErrorKind::Ambiguous => {
                self.0.lock().await.remove(domain);
                self.named(keystone, name, domain).await?.ok_or(error)?
            }
            answer => answer?,
        };
        self.put(&made, domain).await;
        Ok(made)
    }

    /// Puts in what was made or changed.
    pub(super) async fn put(&self, entry: &T, domain: &str) {
        if let Some(Listing::All(known) | Listing::TooLong(known)) = self.0.lock().await.get_mut(domain) {
            known.retain(|other| other.id() != entry.id());
            known.push(entry.clone());
        }
    }
}
