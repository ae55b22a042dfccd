//! One machine among others: by its instance UUID, which vCenter keeps unique, by its reference or by its path.

use super::{Machine, PATHS};
use crate::session::{Session, reference};
use crate::soap::Request;
use crate::{Error, ErrorKind, Moref, Result};

/// How deep folders may be nested before something is wrong.
const DEEPEST: usize = 64;

impl Session {
    /// A machine as it is now.
    ///
    /// # Errors
    /// `NotFound`: it is gone. The server refuses.
    pub async fn machine(&self, machine: &Moref) -> Result<Machine> {
        Ok(Machine::read(&self.properties(machine, &PATHS).await?))
    }

    /// The machine with this instance UUID; none when there is none.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn find_by_uuid(&self, instance_uuid: &str) -> Result<Option<Moref>> {
        let request = Request::new("FindByUuid", &self.content().search_index)
            .text("uuid", instance_uuid)
            .text("vmSearch", "true")
            .text("instanceUuid", "true");
        Ok(reference(&self.call(&request).await?, "returnval"))
    }

    /// The machine at an inventory path: `DC0/vm/folder/name`; none when there is none.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn find_by_path(&self, path: &str) -> Result<Option<Moref>> {
        let request =
            Request::new("FindByInventoryPath", &self.content().search_index).text("inventoryPath", path);
        let found = reference(&self.call(&request).await?, "returnval");
        Ok(found.filter(|found| found.kind == "VirtualMachine"))
    }

    /// The inventory path of the datacenter that an object is in: `DC0`.
    ///
    /// # Errors
    /// `NotFound`: the object is gone, or in no datacenter. The server refuses.
    pub(crate) async fn datacenter_of(&self, object: &Moref) -> Result<String> {
        let mut names: Vec<String> = Vec::new();
        let mut at = object.clone();
        for _ in 0..DEEPEST {
            let found = self.properties(&at, &["name", "parent"]).await?;
            let parent = found.get("parent").map(|parent| Moref::new(&parent.reference, &parent.text));
            let inside = at.kind == "Datacenter" || !names.is_empty();
            // The root folder is no part of the path.
            if let Some(name) = found.text("name").filter(|_| inside && parent.is_some()) {
                names.push(name.to_owned());
            }
            match parent {
                Some(parent) if !parent.value.is_empty() => at = parent,
                _ => break,
            }
        }
        names.reverse();
        match names.is_empty() {
            false => Ok(names.join("/")),
            true => {
                Err(Error::new(ErrorKind::NotFound, "it is in no datacenter").with_object(object.to_string()))
            }
        }
    }
}
