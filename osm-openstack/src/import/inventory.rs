//! What the project has in Neutron, listed once for a whole import.

use tokio::sync::Mutex;

use super::compare::several;
use crate::error::{ErrorKind, Result};
use crate::network::{Network, Object};
use crate::reference::Referent;
use crate::session::Session;

/// The objects of one type.
pub(super) struct Inventory<T>(Mutex<Option<Vec<T>>>);

impl<T> Default for Inventory<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Object + Clone> Inventory<T> {
    /// The object of this name; none when there is none.
    ///
    /// # Errors
    /// `Conflict` when there are several.
    pub(super) async fn named(&self, session: &Session, what: &str, name: &str) -> Result<Option<T>> {
        let mut listed = self.0.lock().await;
        let objects = all(&mut listed, session).await?;
        let found: Vec<&T> = objects.iter().filter(|object| object.name() == Some(name)).collect();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some((*one).clone())),
            many => {
                let ids: Vec<&str> = many.iter().map(|object| object.id()).collect();
                Err(several(what, session.cloud_name(), &ids))
            }
        }
    }

    /// The object of this id, of whatever project.
    pub(super) async fn of_id(&self, session: &Session, id: &str) -> Result<Option<T>> {
        let mut listed = self.0.lock().await;
        let objects = all(&mut listed, session).await?;
        match objects.iter().find(|object| object.id() == id) {
            Some(object) => Ok(Some(object.clone())),
            None => session.network().await?.get(id).await,
        }
    }

    /// All of them, as far as references need it.
    pub(super) async fn referents(&self, session: &Session) -> Result<Vec<Referent>> {
        let mut listed = self.0.lock().await;
        Ok(all(&mut listed, session).await?.iter().map(Referent::of).collect())
    }

    /// Puts in an object that was made or changed.
    pub(super) async fn put(&self, object: &T) {
        if let Some(objects) = &mut *self.0.lock().await {
            objects.retain(|known| known.id() != object.id());
            objects.push(object.clone());
        }
    }
}

async fn all<'a, T: Object>(listed: &'a mut Option<Vec<T>>, session: &Session) -> Result<&'a mut Vec<T>> {
    match listed {
        Some(objects) => Ok(objects),
        empty => Ok(empty.insert(session.network().await?.list_own::<T>().await?)),
    }
}

/// Makes an object; when the answer was lost, takes the one that is there since.
///
/// The caller has seen that there was none of this name before.
pub(super) async fn create<T: Object>(
    neutron: &Network,
    name: &str,
    body: &impl serde::Serialize,
) -> Result<T> {
    let error = match neutron.create::<T>(body).await {
        Err(error) if error.kind() == ErrorKind::Ambiguous => error,
        other => return other,
    };
    let project = neutron.service().session().project_id();
    let mut found = neutron.list::<T>(&[("name", name), ("project_id", &project)]).await?;
    found.retain(|object| object.name() == Some(name));
    match found.pop() {
        Some(object) if found.is_empty() => Ok(object),
        _ => Err(error),
    }
}
