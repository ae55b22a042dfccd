//! The property collector: what objects say of themselves, page by page.

use std::collections::BTreeMap;

use crate::session::{Session, reference};
use crate::soap::{Element, Request};
use crate::{Error, ErrorKind, Moref, Result};

/// How many objects a page has. A machine with its devices has some 50 KiB.
const PAGE: &str = "100";

/// An object, and the properties that it has of those asked for.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) object: Moref,
    properties: BTreeMap<String, Element>,
}

impl Found {
    pub(crate) fn get(&self, path: &str) -> Option<&Element> {
        self.properties.get(path)
    }

    /// The text of a property; none when it is empty or not set.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.get(path).map(|value| value.text.as_str()).filter(|text| !text.is_empty())
    }
}

impl Session {
    /// These properties of all objects of a type below a folder; what an object does not have is left out.
    ///
    /// # Errors
    /// The server refuses, or answers with what is no list of objects.
    pub(crate) async fn all_below(&self, folder: &Moref, kind: &str, paths: &[&str]) -> Result<Vec<Found>> {
        let create = Request::new("CreateContainerView", &self.content().view_manager)
            .reference("container", folder)
            .text("type", kind)
            .text("recursive", "true");
        let answer = self.call(&create).await?;
        let view = reference(&answer, "returnval")
            .ok_or_else(|| Error::new(ErrorKind::BadResponse, "no view of the inventory was made"))?;
        let found = self.collect(&view, kind, paths).await;
        // Views pile up until the session ends.
        let gone = self.call(&Request::new("DestroyView", &view)).await;
        if let Err(error) = gone {
            tracing::debug!(%error, "a view of the inventory is left to the end of the session");
        }
        found
    }

    /// These properties of one object.
    ///
    /// # Errors
    /// `NotFound`: it is gone. The server refuses, or answers with something else.
    pub(crate) async fn properties(&self, object: &Moref, paths: &[&str]) -> Result<Found> {
        let found = self.retrieve(&object.kind, paths, |set| set.reference("obj", object)).await?;
        let gone = || Error::new(ErrorKind::NotFound, "it is not there").with_object(object.to_string());
        found.into_iter().next().ok_or_else(gone)
    }

    async fn collect(&self, view: &Moref, kind: &str, paths: &[&str]) -> Result<Vec<Found>> {
        self.retrieve(kind, paths, |set| {
            set.reference("obj", view).text("skip", "true").typed("selectSet", "TraversalSpec", |way| {
                way.text("name", "view")
                    .text("type", "ContainerView")
                    .text("path", "view")
                    .text("skip", "false")
            })
        })
        .await
    }

    async fn retrieve(
        &self,
        kind: &str,
        paths: &[&str],
        objects: impl FnOnce(Request) -> Request,
    ) -> Result<Vec<Found>> {
        let collector = &self.content().property_collector;
        let first = Request::new("RetrievePropertiesEx", collector)
            .nested("specSet", |spec| {
                let spec = spec.nested("propSet", |set| {
                    let set = set.text("type", kind).text("all", "false");
                    paths.iter().fold(set, |set, path| set.text("pathSet", path))
                });
                spec.nested("objectSet", objects)
            })
            .nested("options", |options| options.text("maxObjects", PAGE));
        let mut answer = self.call(&first).await?;
        let mut found = Vec::new();
        // No answer at all: nothing is there.
        while let Some(page) = answer.child("returnval") {
            for object in page.all("objects") {
                found.push(read(object)?);
            }
            let Some(token) = page.text_at(&["token"]) else { break };
            answer = self
                .call(&Request::new("ContinueRetrievePropertiesEx", collector).text("token", token))
                .await?;
        }
        Ok(found)
    }
}

pub(crate) fn read(content: &Element) -> Result<Found> {
    let object = reference(content, "obj");
    let object = object.ok_or_else(|| Error::new(ErrorKind::BadResponse, "an object without a reference"))?;
    let property = |set: &Element| Some((set.text_at(&["name"])?.to_owned(), set.child("val")?.clone()));
    Ok(Found { object, properties: content.all("propSet").filter_map(property).collect() })
}
