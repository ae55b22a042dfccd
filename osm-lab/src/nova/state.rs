//! Servers, flavors, keypairs.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::clock::{new_id, now};
use crate::table::{Row, Table};

#[derive(Debug, Clone)]
pub(crate) struct Flavor {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) ram: u64,
    pub(crate) disk: u64,
    pub(crate) vcpus: u64,
    pub(crate) swap: u64,
    pub(crate) ephemeral: u64,
    pub(crate) rxtx: f64,
    pub(crate) public: bool,
    pub(crate) description: Option<String>,
    pub(crate) specs: BTreeMap<String, String>,
    /// The projects that may use it though it is private.
    pub(crate) access: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Keypair {
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) user_id: String,
    pub(crate) kind: String,
    pub(crate) public_key: String,
    pub(crate) fingerprint: String,
    pub(crate) created: Timestamp,
}

/// A volume of a server.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(crate) id: String,
    pub(crate) volume_id: String,
    pub(crate) attachment_id: String,
    pub(crate) device: String,
    pub(crate) root: bool,
    pub(crate) delete_on_termination: bool,
    pub(crate) tag: Option<String>,
}

impl Disk {
    pub(crate) fn new(volume_id: &str, device: &str) -> Self {
        Self {
            id: new_id(),
            volume_id: volume_id.to_owned(),
            attachment_id: new_id(),
            device: device.to_owned(),
            root: false,
            delete_on_termination: false,
            tag: None,
        }
    }
}

/// Why a server is in `ERROR`.
#[derive(Debug, Clone)]
pub(crate) struct ServerFault {
    pub(crate) message: String,
    pub(crate) created: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) project_id: String,
    pub(crate) user_id: String,
    pub(crate) status: String,
    pub(crate) task: Option<String>,
    pub(crate) flavor: Flavor,
    /// The image it was booted from; none when it boots from a volume.
    pub(crate) image_id: Option<String>,
    pub(crate) disks: Vec<Disk>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tags: Vec<String>,
    pub(crate) description: Option<String>,
    pub(crate) key_name: Option<String>,
    pub(crate) zone: String,
    pub(crate) config_drive: bool,
    pub(crate) manual_disk: bool,
    pub(crate) user_data: Option<String>,
    pub(crate) locked: bool,
    pub(crate) fault: Option<ServerFault>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) launched: Option<Timestamp>,
    pub(crate) history: Vec<super::history::Action>,
}

impl Server {
    /// A server that is just being built.
    pub(crate) fn new(name: &str, project_id: &str, user_id: &str, flavor: Flavor) -> Self {
        let created = now();
        Self {
            id: new_id(),
            name: name.to_owned(),
            project_id: project_id.to_owned(),
            user_id: user_id.to_owned(),
            status: "BUILD".to_owned(),
            task: Some("scheduling".to_owned()),
            flavor,
            image_id: None,
            disks: Vec::new(),
            metadata: BTreeMap::new(),
            tags: Vec::new(),
            description: None,
            key_name: None,
            zone: "nova".to_owned(),
            config_drive: false,
            manual_disk: false,
            user_data: None,
            locked: false,
            fault: None,
            created,
            updated: created,
            launched: None,
            history: Vec::new(),
        }
    }

    pub(crate) fn set(&mut self, status: &str) {
        status.clone_into(&mut self.status);
        self.task = None;
        self.updated = now();
    }

    pub(crate) fn fail(&mut self, message: &str) {
        self.set("ERROR");
        self.fault = Some(ServerFault { message: message.to_owned(), created: now() });
    }

    /// What Nova calls the state behind the status.
    pub(crate) fn vm_state(&self) -> &'static str {
        match self.status.as_str() {
            "ACTIVE" | "REBOOT" => "active",
            "SHUTOFF" => "stopped",
            "BUILD" => "building",
            _ => "error",
        }
    }

    /// The first device name no disk has; the root disk has the first of all.
    pub(crate) fn free_device(&self) -> String {
        let taken = |device: &String| self.disks.iter().any(|disk| disk.device == *device);
        let mut names = ('b'..='z').map(|letter| format!("/dev/vd{letter}"));
        names.find(|device| !taken(device)).unwrap_or_else(|| "/dev/vdaa".to_owned())
    }
}

impl Row for Flavor {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Row for Server {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Row for Keypair {
    fn id(&self) -> &str {
        &self.name
    }
}

/// What Nova knows.
#[derive(Debug, Default)]
pub(crate) struct Compute {
    pub(crate) servers: Table<Server>,
    pub(crate) flavors: Table<Flavor>,
    pub(crate) keypairs: Vec<Keypair>,
    /// The SSH host key that consoles show.
    pub(crate) host_key: Option<String>,
}
