//! Images.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::clock::{new_id, now};
use crate::table::{Row, Table};

#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) owner: String,
    pub(crate) status: String,
    pub(crate) visibility: String,
    pub(crate) size: Option<u64>,
    pub(crate) virtual_size: Option<u64>,
    pub(crate) checksum: Option<String>,
    pub(crate) hash: Option<String>,
    pub(crate) disk_format: Option<String>,
    pub(crate) container_format: Option<String>,
    pub(crate) min_disk: u64,
    pub(crate) min_ram: u64,
    pub(crate) protected: bool,
    pub(crate) hidden: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) members: Vec<String>,
    /// Everything that is none of the above.
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

impl Image {
    /// An image without data.
    pub(crate) fn new(owner: &str, name: Option<&str>) -> Self {
        let created = now();
        Self {
            id: new_id(),
            name: name.map(str::to_owned),
            owner: owner.to_owned(),
            status: "queued".to_owned(),
            visibility: "shared".to_owned(),
            size: None,
            virtual_size: None,
            checksum: None,
            hash: None,
            disk_format: None,
            container_format: None,
            min_disk: 0,
            min_ram: 0,
            protected: false,
            hidden: false,
            tags: Vec::new(),
            members: Vec::new(),
            properties: BTreeMap::new(),
            created,
            updated: created,
        }
    }

    pub(crate) fn set(&mut self, status: &str) {
        status.clone_into(&mut self.status);
        self.updated = now();
    }
}

impl Row for Image {
    fn id(&self) -> &str {
        &self.id
    }
}

/// What Glance knows.
#[derive(Debug, Default)]
pub(crate) struct Images {
    pub(crate) images: Table<Image>,
}
