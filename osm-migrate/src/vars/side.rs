//! The variables of one cloud.

use std::path::{Path, PathBuf};

use osm_model::yaml::{Map, Node};
use osm_openstack::CloudConfig;

use super::document::{Document, kind_of};
use crate::Result;
use crate::conversion::HostPlan;
use crate::host::SshSpec;

/// The side that the VMware migration kit has, too.
const DST: &str = "dst";

/// What the variables say of one cloud. `Debug` never shows secrets.
#[derive(Debug, Clone)]
pub struct SideVars {
    /// How to reach it, when there is an `auth` dictionary.
    pub cloud: Option<CloudConfig>,
    /// Name or id of its conversion host, or what OS Migrate calls it.
    pub host: String,
    /// Where that host answers, when the variables say.
    pub address: Option<String>,
    /// Who logs in there.
    pub user: String,
    /// The private key, when it is named.
    pub key: Option<PathBuf>,
    /// What the conversion host is to be.
    pub plan: HostPlan,
    /// Whether `hosts deploy` is to make it.
    pub deploy: bool,
    /// Whether `hosts delete` is to delete it.
    pub delete: bool,
}

impl SideVars {
    pub(super) fn read(document: &Document, side: &str) -> Result<Self> {
        let name = |rest: &str| format!("os_migrate_{side}_{rest}");
        Ok(Self {
            cloud: match cloud(document, side)? {
                None if side == DST => super::kit::cloud(document)?,
                described => described,
            },
            host: match document.text(&name("conversion_host_name"))? {
                None if side == DST => super::kit::host(document)?,
                named => named,
            }
            .unwrap_or_else(|| format!("os_migrate_conv_{side}")),
            // Where none is named, Nova tells it.
            address: super::host::floating_ip(document, side)?,
            user: document
                .text("os_migrate_conversion_host_ssh_user")?
                .unwrap_or_else(|| SshSpec::USER.to_owned()),
            key: document.path("os_migrate_conversion_keypair_private_path")?,
            plan: super::host::plan(document, side)?,
            deploy: document.flag(&format!("os_migrate_deploy_{side}_conversion_host"))?.unwrap_or(true),
            delete: document.flag(&format!("os_migrate_delete_{side}_conversion_host"))?.unwrap_or(true),
        })
    }

    /// The conversion host, with what `hosts deploy` has put into the folder `conversion`.
    pub fn ssh(&self, conversion: &Path) -> SshSpec {
        let deployed = SshSpec::deployed(&self.host, conversion);
        SshSpec {
            address: self.address.clone(),
            user: Some(self.user.clone()),
            key: self.key.clone().or(deployed.key),
            ..deployed
        }
    }
}

/// The cloud that the variables describe, as clouds.yaml would.
fn cloud(document: &Document, side: &str) -> Result<Option<CloudConfig>> {
    let name = |rest: &str| format!("os_migrate_{side}_{rest}");
    let auth = name("auth");
    let Some(value) = document.get(&auth) else { return Ok(None) };
    let Some(credentials) = value.as_map() else {
        let fix = "indent auth_url, username, password and project_name under it";
        return Err(document.mistake(&auth, &format!("is {}, not a mapping", kind_of(value)), fix));
    };
    for (key, value) in credentials.iter() {
        let path = format!("{auth}.{}", key.scalar().unwrap_or_default());
        match value {
            Node::Text(_) => {}
            _ if value.is_null() => {}
            Node::Plain(_) => {
                return Err(document.mistake(
                    &auth,
                    &format!("has no text under `{path}`"),
                    "put quotes around the value",
                ));
            }
            other => {
                let problem = format!("has {} under `{path}`", kind_of(other));
                return Err(document.mistake(&auth, &problem, "write one value after the colon"));
            }
        }
    }
    let mut entry = Map::default();
    let mut set = |key: &str, value: Node| entry.insert(Node::text(key), value);
    set("auth", value.clone());
    for (key, rest) in [("auth_type", "auth_type"), ("region_name", "region_name")] {
        if let Some(text) = document.text(&name(rest))? {
            set(key, Node::text(text));
        }
    }
    for (key, rest) in [("cacert", "ca_cert"), ("cert", "client_cert"), ("key", "client_key")] {
        if let Some(path) = document.path(&name(rest))? {
            set(key, Node::text(path.to_string_lossy()));
        }
    }
    if document.flag(&name("validate_certs"))? == Some(false) {
        set("verify", Node::from(false));
    }
    if let Some(version) = document.get(&name("block_storage_api_version")) {
        match version.scalar().map(|text| text.trim_start_matches('v')) {
            // What OS Migrate writes for volume exports whatever is set.
            Some("3" | "3.0") => {}
            _ => {
                let fix = "write 3, the only version of Cinder's API that is spoken here, or remove it";
                return Err(document.mistake(&name("block_storage_api_version"), "is not 3", fix));
            }
        }
    }
    let text = osm_model::yaml::dump(&Node::Map(entry));
    CloudConfig::from_yaml(side, &text, &format!("os_migrate_{side}_*")).map(Some).map_err(|error| {
        crate::Error::new(
            crate::ErrorKind::Config,
            format!("the variables os_migrate_{side}_* describe no cloud"),
        )
        .with_source(error)
    })
}
