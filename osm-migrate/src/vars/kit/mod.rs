//! The variables of the VMware migration kit (`os_migrate.vmware_migration_kit`): a `vars.yaml` of it works as it is.
//!
//! Most of them have two names, `import_workloads_NAME` and `NAME`; the long one counts more.

mod cloud;
mod plan;
pub(super) mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use osm_model::yaml::Node;
use osm_transfer::nbd::Fingerprint;
use secrecy::SecretString;

pub(super) use self::cloud::{cloud, host};
pub use self::plan::PlanVars;

use super::document::{Document, kind_of};
use crate::Result;

/// What the variables of the VMware migration kit say. `Debug` never shows secrets.
#[derive(Debug, Clone, Default)]
pub struct KitVars {
    /// The vCenter or ESXi host.
    pub server: Option<String>,
    /// Who logs in there.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<SecretString>,
    /// A file of authorities that may have signed its certificate.
    pub ca: Option<PathBuf>,
    /// The fingerprint of its certificate.
    pub thumbprint: Option<Fingerprint>,
    /// Where certificates are asked not to be verified, which is refused: file, line and name.
    pub insecure: Option<String>,
    /// Which machines, by name; none: all.
    pub machines: Option<Vec<String>>,
    /// Whether copies that are there are brought up to date.
    pub cbt_sync: bool,
    /// Whether machines are stopped and become servers.
    pub cutover: bool,
    /// Whether a cutover takes the copies as they are.
    pub no_final_sync: bool,
    /// Whether it may do so while the machine runs.
    pub accept_data_loss: bool,
    /// The entry of a clouds.yaml that is the destination, where no credentials are given.
    pub dst: Option<String>,
    /// The type of new volumes.
    pub volume_type: Option<String>,
    /// The type of volumes for disks of a datastore.
    pub volume_types: BTreeMap<String, String>,
    /// The availability zone of new volumes.
    pub zone: Option<String>,
    /// The folder of VDDK on the conversion host.
    pub library: Option<PathBuf>,
    /// Whether a cutover ends once the disks are complete.
    pub data_only: bool,
    /// Whether a flavor is made where none is large enough.
    pub create_flavor: bool,
    /// Further words for virt-v2v.
    pub words: Vec<String>,
    /// What goes into the plan where it says nothing.
    pub plan: PlanVars,
}

impl KitVars {
    pub(super) fn read(document: &Document) -> Result<Self> {
        let insecure = first(document, &["import_workloads_vmware_insecure", "vmware_insecure"]);
        let asked = insecure.map(|name| document.flag(name)).transpose()?.flatten() == Some(true);
        Ok(Self {
            server: given(document, &["vcenter_hostname"])?,
            user: given(document, &["vcenter_username"])?,
            password: document.text("vcenter_password")?.map(SecretString::from),
            ca: document.path("vcenter_ca_cert")?,
            thumbprint: thumbprint(document)?,
            insecure: insecure.filter(|_| asked).map(|name| document.place(name)),
            machines: match document.get("vm_name") {
                Some(_) => names(document, "vm_name")?,
                None => names(document, "vms_list")?,
            },
            cbt_sync: flag(document, &["import_workloads_cbt_sync", "cbt_sync"])?.unwrap_or(false),
            cutover: flag(document, &["import_workloads_cutover", "cutover"])?.unwrap_or(false),
            no_final_sync: document.flag("import_workloads_final_sync")? == Some(false),
            accept_data_loss: document.flag("import_workloads_accept_data_loss")?.unwrap_or(false),
            dst: cloud::entry(document),
            volume_type: given(document, &["import_workloads_cinder_volume_type", "cinder_volume_type"])?,
            volume_types: volume_types(document)?,
            zone: given(document, &["import_workloads_cinder_az", "availability_zone"])?,
            library: given(
                document,
                &["import_workloads_libdir", "libdir", "vddk_libdir", "conversion_host_vmware_lib_dir"],
            )?
            .map(PathBuf::from),
            data_only: flag(document, &["import_workloads_skip_conversion", "skip_conversion"])?
                .unwrap_or(false),
            create_flavor: document.flag("use_existing_flavor")? == Some(false),
            words: words(document)?,
            plan: PlanVars::read(document)?,
        })
    }
}

/// The first of these names under which anything stands.
fn first<'n>(document: &Document, names: &[&'n str]) -> Option<&'n str> {
    names.iter().find(|name| document.get(name).is_some()).copied()
}

/// The text under the first of these names; an empty one is none.
fn given(document: &Document, names: &[&str]) -> Result<Option<String>> {
    let text = first(document, names).map(|name| document.text(name)).transpose()?.flatten();
    Ok(text.filter(|text| !text.is_empty()))
}

fn flag(document: &Document, names: &[&str]) -> Result<Option<bool>> {
    Ok(first(document, names).map(|name| document.flag(name)).transpose()?.flatten())
}

/// One text, or a list of them.
fn names(document: &Document, name: &str) -> Result<Option<Vec<String>>> {
    let items = match document.get(name) {
        None => return Ok(None),
        Some(Node::List(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
    let texts: Option<Vec<String>> = texts.collect();
    texts.map(Some).ok_or_else(|| {
        document.mistake(
            name,
            "holds something else than text",
            "write names, in quotes where they are numbers",
        )
    })
}

fn thumbprint(document: &Document) -> Result<Option<Fingerprint>> {
    let name = "vcenter_thumbprint";
    let parse = |text: String| {
        let fix = "write the SHA-256 fingerprint of the certificate, 32 pairs of hex digits: AA:BB:..";
        text.parse().map_err(|_| document.mistake(name, "is no fingerprint", fix))
    };
    document.text(name)?.filter(|text| !text.is_empty()).map(parse).transpose()
}

fn volume_types(document: &Document) -> Result<BTreeMap<String, String>> {
    let mut types = BTreeMap::new();
    let aliases = ["import_workloads_volume_type_mapping", "volume_type_mapping"];
    let Some(name) = first(document, &aliases) else { return Ok(types) };
    let fix = "write a list of `{vmware_datastore: NAME, openstack_type: NAME}`";
    let Some(Node::List(items)) = document.get(name) else {
        return Err(document.mistake(name, "is not a list", fix));
    };
    for (index, item) in items.iter().enumerate() {
        let part = |key: &str| item.as_map()?.get(key)?.as_str().map(str::to_owned);
        let Some((datastore, kind)) = part("vmware_datastore").zip(part("openstack_type")) else {
            let problem =
                format!("has no `vmware_datastore` and `openstack_type` in its entry {}", index + 1);
            return Err(document.mistake(name, &problem, fix));
        };
        types.insert(datastore, kind);
    }
    Ok(types)
}

/// What virt-v2v is told beyond the usual.
fn words(document: &Document) -> Result<Vec<String>> {
    let mut words = Vec::new();
    if let Some(script) = given(document, &["import_workloads_boot_script_path", "boot_script_path"])? {
        words.extend(["--firstboot".to_owned(), script]);
    }
    let aliases = ["import_workloads_extra_opts", "extra_opts"];
    if let Some(name) = first(document, &aliases)
        && let Some(text) = document.text(name)?
    {
        if text.contains(['"', '\'', '\\', '$', '`']) {
            let fix = "write words with spaces between them, or give each by --virt-v2v-word";
            return Err(document.mistake(name, "has quotes of a shell in it, and no shell reads it", fix));
        }
        words.extend(text.split_whitespace().map(str::to_owned));
    }
    Ok(words)
}

/// A mapping, of which the values are texts.
fn texts(document: &Document, name: &str) -> Result<BTreeMap<String, String>> {
    let Some(value) = document.get(name) else { return Ok(BTreeMap::new()) };
    let fix = "write one `NAME: VALUE` a line, indented under it";
    let Some(map) = value.as_map() else {
        return Err(document.mistake(name, &format!("is {}, not a mapping", kind_of(value)), fix));
    };
    let text = |(key, value): &(Node, Node)| Some((key.scalar()?.to_owned(), value.as_str()?.to_owned()));
    map.iter()
        .map(text)
        .collect::<Option<_>>()
        .ok_or_else(|| document.mistake(name, "holds something else than text", fix))
}
