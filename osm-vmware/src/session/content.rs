//! What a server has: where its objects are, and what it is.

use crate::soap::Element;
use crate::{Error, ErrorKind, Moref, Result};

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// `VMware vCenter Server 8.0.3 build-...`.
    pub full_name: String,
    /// The version of its API: `8.0.3.0`.
    pub api_version: String,
    /// `VirtualCenter`, or `HostAgent` for an ESXi host by itself.
    pub api_type: String,
    /// Its own id; ESXi hosts have none.
    pub instance_uuid: Option<String>,
}

/// Where a server's objects are.
#[derive(Debug, Clone)]
pub(crate) struct ServiceContent {
    pub(crate) about: About,
    pub(crate) root_folder: Moref,
    pub(crate) property_collector: Moref,
    pub(crate) session_manager: Moref,
    pub(crate) view_manager: Moref,
    pub(crate) search_index: Moref,
}

impl ServiceContent {
    pub(super) fn read(answer: &Element) -> Result<Self> {
        let content = answer.child("returnval").ok_or_else(|| lacks("returnval"))?;
        let object = |name: &'static str| reference(content, name).ok_or_else(|| lacks(name));
        let about = |name: &str| content.text_at(&["about", name]).unwrap_or_default().to_owned();
        Ok(Self {
            about: About {
                full_name: about("fullName"),
                api_version: about("apiVersion"),
                api_type: about("apiType"),
                instance_uuid: content.text_at(&["about", "instanceUuid"]).map(str::to_owned),
            },
            root_folder: object("rootFolder")?,
            property_collector: object("propertyCollector")?,
            session_manager: object("sessionManager")?,
            view_manager: object("viewManager")?,
            search_index: object("searchIndex")?,
        })
    }
}

fn lacks(name: &str) -> Error {
    Error::new(ErrorKind::BadResponse, format!("the server tells no {name}"))
}

/// What a child of this name leads to.
pub(crate) fn reference(element: &Element, name: &str) -> Option<Moref> {
    let child = element.child(name).filter(|child| !child.text.is_empty())?;
    Some(Moref::new(&child.reference, &child.text))
}
