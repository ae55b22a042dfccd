//! `dst_cloud`: the destination, as an entry of a clouds.yaml would describe it, or the name of one.

use osm_model::yaml::{Map, Node};
use osm_openstack::CloudConfig;

use super::{flag, kind_of};
use crate::vars::document::Document;
use crate::{Error, ErrorKind, Result};

const NAME: &str = "dst_cloud";

/// The name of an entry, where one stands instead of credentials.
pub(super) fn entry(document: &Document) -> Option<String> {
    document.get(NAME)?.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The cloud that the variable describes; that none is verified, another says.
pub(in crate::vars) fn cloud(document: &Document) -> Result<Option<CloudConfig>> {
    let value = match document.get(NAME) {
        None | Some(Node::Text(_)) => return Ok(None),
        Some(value) => value,
    };
    let Some(given) = value.as_map() else {
        let fix = "indent auth and region_name under it, or write the name of an entry of clouds.yaml";
        return Err(document.mistake(NAME, &format!("is {}, not a mapping", kind_of(value)), fix));
    };
    let mut entry = Map::default();
    for (key, value) in given.iter() {
        let value = match key.as_str() {
            Some("auth") => auth(document, value)?,
            // Of the kit, not of clouds.yaml.
            Some("openstack_insecure") => continue,
            _ => value.clone(),
        };
        entry.insert(key.clone(), value);
    }
    let within = given.get("openstack_insecure").and_then(|value| match value.to_json() {
        serde_json::Value::Bool(insecure) => Some(insecure),
        _ => None,
    });
    let insecure = flag(document, &["import_workloads_openstack_insecure", "openstack_insecure"])?.or(within);
    if insecure == Some(true) {
        entry.insert(Node::text("verify"), Node::from(false));
    }
    let text = osm_model::yaml::dump(&Node::Map(entry));
    CloudConfig::from_yaml("dst", &text, NAME).map(Some).map_err(|error| {
        Error::new(ErrorKind::Config, format!("{}: `{NAME}` describes no cloud", document.place(NAME)))
            .with_source(error)
    })
}

/// The credentials. The kit knows one domain, for the user and its project.
fn auth(document: &Document, value: &Node) -> Result<Node> {
    let fix = "indent auth_url, username, password and project_name under it";
    let Some(given) = value.as_map() else {
        return Err(document.mistake(NAME, &format!("has {} under `auth`", kind_of(value)), fix));
    };
    let mut auth = Map::default();
    for (key, value) in given.iter() {
        let word = key.scalar().unwrap_or_default();
        match value {
            Node::Text(_) => {}
            _ if value.is_null() => {}
            _ => {
                let problem = format!("has no text under `auth.{word}`");
                return Err(document.mistake(NAME, &problem, "put quotes around the value"));
            }
        }
        auth.insert(key.clone(), value.clone());
    }
    let says = |key: &str| auth.get(key).is_some_and(|value| !value.is_null());
    let alone = !says("project_id") && !says("project_domain_name") && !says("project_domain_id");
    for (of_user, of_project) in
        [("user_domain_name", "project_domain_name"), ("user_domain_id", "project_domain_id")]
    {
        if let Some(domain) = auth.get(of_user).filter(|_| alone).cloned() {
            auth.insert(Node::text(of_project), domain);
        }
    }
    Ok(Node::Map(auth))
}

/// The server that is the conversion host.
pub(in crate::vars) fn host(document: &Document) -> Result<Option<String>> {
    Ok(document.text("import_workloads_instance_uuid")?.filter(|id| !id.is_empty()))
}
