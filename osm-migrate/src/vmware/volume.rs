//! The volumes of a machine: found by its instance UUID and the key of the disk, never by name; made when missing.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use osm_openstack::Method;
use osm_openstack::block_storage::{CreateVolume, Filter, Volume};
use osm_vmware::VirtualDisk;
use serde_json::json;

use super::job::MachineJob;
use super::record::{self, Record, State};
use crate::course::Done;
use crate::workload::side::{HostDevice, Side, named};
use crate::workload::tag::pairs;
use crate::{Error, ErrorKind, Result, Step};

/// On a volume that a cold migration made: another run of it may go on.
const COLD: &str = "osm_cold";

/// The volumes of a machine that say so.
pub(super) async fn records(dst: &Side, uuid: &str) -> Result<Vec<Record>> {
    let filter = Filter { metadata: record::of_machine(uuid), ..Filter::default() };
    let mut volumes = dst.storage.volumes(&filter).await?;
    volumes.retain(|volume| volume.status != "deleting");
    volumes.sort_by(|one, other| (&one.created_at, &one.id).cmp(&(&other.created_at, &other.id)));
    volumes.into_iter().map(Record::read).collect()
}

/// What there is of a machine's disks in the destination.
pub(super) struct Copies {
    /// In the order in which the guest sees the disks.
    disks: Vec<(VirtualDisk, Option<Record>)>,
}

impl Copies {
    pub(super) fn all(&self) -> impl Iterator<Item = &Record> {
        self.disks.iter().filter_map(|(_, record)| record.as_ref())
    }

    /// With the keys of their disks.
    pub(super) fn keyed(&self) -> impl Iterator<Item = (i32, &Record)> {
        self.disks.iter().filter_map(|(disk, record)| Some((disk.key, record.as_ref()?)))
    }

    pub(super) fn of(&self, key: i32) -> Option<&Record> {
        self.disks.iter().find(|(disk, _)| disk.key == key)?.1.as_ref()
    }

    pub(super) fn known(&self) -> usize {
        self.all().count()
    }

    /// Whether the machine's guest is converted: the kit says so on the disk it boots from alone.
    pub(super) fn is_converted(&self) -> bool {
        let complete = self.disks.iter().all(|(_, record)| record.is_some());
        complete && self.all().any(|record| record.converted)
    }

    /// Whether every disk has a complete copy.
    pub(super) fn are_synced(&self) -> bool {
        self.disks
            .iter()
            .all(|(_, record)| record.as_ref().is_some_and(|record| record.state == State::Synced))
    }

    /// A volume that no cold migration made.
    pub(super) fn of_another_run(&self) -> Option<&str> {
        self.all().find(|record| !record.volume.metadata.contains_key(COLD)).map(Record::id)
    }
}

impl MachineJob<'_> {
    /// What there is. Nothing is changed.
    pub(super) async fn copies(&self) -> Result<Copies> {
        let mut found: BTreeMap<i32, Record> = BTreeMap::new();
        for record in records(self.dst, self.course.id).await? {
            let key = record.volume.metadata.get(record::KEY).and_then(|key| key.parse().ok());
            let Some(key) = key else {
                let message = format!("its metadata `{}` names no disk", record::KEY);
                return Err(named(Error::new(ErrorKind::Data, message), record.id()));
            };
            if let Some(other) = found.get(&key) {
                let message =
                    format!("more than one volumes found of disk {key}: {} and {}", other.id(), record.id());
                return Err(self.course.blocked(message, "delete the one that is not wanted"));
            }
            if !self.machine.disks.iter().any(|disk| disk.key == key) {
                let message =
                    format!("the machine has no disk {key} any more, whose copy is volume {}", record.id());
                return Err(self
                    .course
                    .blocked(message, "delete the volume, or give the machine its disk back"));
            }
            found.insert(key, record);
        }
        let mut disks = Vec::new();
        for disk in &self.machine.disks {
            let record = match found.remove(&disk.key) {
                Some(record) => Some(record),
                None => self.unclaimed(disk).await?,
            };
            if let Some(record) = &record
                && record.capacity.is_some_and(|was| was > disk.capacity)
            {
                let message = format!("{} ({}) has become smaller than its copy", disk.label, disk.key);
                return Err(self
                    .course
                    .blocked(message, format!("delete volume {} to copy it anew", record.id())));
            }
            disks.push((disk.clone(), record));
        }
        Ok(Copies { disks })
    }

    /// A volume of the kit by the name that it gave; any other of this name is in the way.
    async fn unclaimed(&self, disk: &VirtualDisk) -> Result<Option<Record>> {
        let name = self.volume_name(disk.key);
        let volumes = self.dst.storage.volumes(&Filter::named(&name)).await?;
        let others: Vec<&Volume> = volumes
            .iter()
            .filter(|volume| volume.status != "deleting" && !volume.metadata.contains_key(record::MACHINE))
            .collect();
        let Some(volume) = others.first() else { return Ok(None) };
        if volume.metadata.get(record::OSM).map(String::as_str) != Some("true") {
            let message =
                format!("there is a volume `{name}` that nobody here has made, which is left alone");
            return Err(self
                .course
                .blocked(message, "rename it")
                .with_object(format!("volume {}", volume.id)));
        }
        if others.len() > 1 {
            let message = format!("more than one volumes found with the name `{name}`");
            return Err(self.course.blocked(message, "delete the one that is not wanted"));
        }
        let same_name = |other: &&osm_model::machine::Machine| {
            safe_name(&other.info.name) == safe_name(&self.machine.name)
                && other.info.instance_uuid != self.plan.info.instance_uuid
        };
        if let Some(other) = self.plans.machines.iter().find(same_name) {
            let message = format!(
                "the volume `{name}` of the migration kit may be of this machine or of {} ({})",
                other.info.name, other.info.moref
            );
            let hint = format!("set its metadata {} to the instance UUID of the right one", record::MACHINE);
            return Err(self.course.blocked(message, hint));
        }
        Ok(Some(Record::read((*volume).clone())?))
    }

    fn volume_name(&self, key: i32) -> String {
        format!("{}-{key}", safe_name(&self.machine.name))
    }

    /// Makes the volumes that are missing, and gives those of the kit their owner.
    pub(super) async fn create(&self, copies: Copies) -> Result<Done<Copies>> {
        let mut disks = Vec::new();
        for (disk, known) in copies.disks {
            let record = match known {
                Some(record) => self.adopt(&disk, record).await?,
                None => self.make(&disk).await?,
            };
            self.course.record(Step::CreateVolumes, &disk.key.to_string(), Some(record.id())).await?;
            disks.push((disk, Some(record)));
        }
        let detail = format!("{} volumes", disks.len());
        Ok(Done::new(Copies { disks }, detail))
    }

    async fn make(&self, disk: &VirtualDisk) -> Result<Record> {
        let key = disk.key.to_string();
        let mut metadata = record::of_machine(self.course.id);
        metadata.extend(pairs([
            (record::SCHEMA, record::VERSION),
            (record::CONVERTED, "false"),
            (record::STATE, State::Seeding.word()),
            (record::KEY, &key),
        ]));
        if !self.phase.syncs() {
            metadata.insert(COLD.to_owned(), "true".to_owned());
        }
        let wish = CreateVolume {
            name: Some(self.volume_name(disk.key)),
            size: disk.volume_size(),
            volume_type: self.volume_type(disk),
            availability_zone: self.options().zone.clone(),
            metadata,
            ..CreateVolume::default()
        };
        let id = self.dst.storage.create_volume(&wish).await?.id;
        Record::read(self.dst.storage.wait_volume(&id, &["available"], self.dst.limit).await?)
    }

    /// The plan's type for the disk, that of its datastore, or that of all.
    fn volume_type(&self, disk: &VirtualDisk) -> Option<String> {
        let planned = self.plan.params.disks.iter().find(|known| known.key == i64::from(disk.key));
        let datastore = disk.file.as_deref().and_then(|file| file.strip_prefix('[')?.split_once(']'));
        let mapped = datastore.and_then(|(name, _)| self.options().volume_types.get(name)).cloned();
        planned
            .and_then(|planned| planned.volume_type.clone())
            .or(mapped)
            .or_else(|| self.options().volume_type.clone())
            .filter(|name| !name.is_empty())
    }

    /// A volume that is there: large enough, and marked as this machine's.
    async fn adopt(&self, disk: &VirtualDisk, record: Record) -> Result<Record> {
        let volume = self.dst.settled(record.id()).await?;
        if volume.status.starts_with("error") {
            let message = format!("the volume is in status {}", volume.status);
            return Err(named(Error::new(ErrorKind::Cloud, message), &volume.id)
                .with_hint("have it repaired, or delete it to copy the disk anew"));
        }
        let size = disk.volume_size();
        if volume.size < size {
            self.dst.detach_from_hosts(&volume.id).await?;
            self.extend(&volume.id, size).await?;
        }
        let key = disk.key.to_string();
        let mut mark = record::of_machine(self.course.id);
        mark.insert(record::KEY.to_owned(), key);
        if mark.iter().any(|(key, value)| volume.metadata.get(key) != Some(value)) {
            self.dst.tag_volume(&volume.id, mark).await?;
        }
        Record::read(self.dst.volume(&volume.id).await?)
    }

    async fn extend(&self, id: &str, size: u64) -> Result<()> {
        let path = format!("volumes/{id}/action");
        let request = self.dst.storage.service().request("extend volume", Method::POST, path);
        let asked = request.json(&json!({"os-extend": {"new_size": size}})).empty().await;
        asked.map_err(|error| {
            named(error.into(), id).with_hint("the machine's disk has grown: its volume must, too")
        })?;
        let volume = self.dst.storage.wait_volume(id, &["available"], self.dst.limit).await?;
        match volume.size >= size {
            true => Ok(()),
            false => {
                let message = format!("the volume has {} GiB, the disk needs {size}", volume.size);
                Err(named(Error::new(ErrorKind::Cloud, message), id))
            }
        }
    }

    /// Attaches the volumes to the conversion host. One that another server has is refused.
    pub(super) async fn attach(&self, copies: &Copies) -> Result<Done<Vec<HostDevice>>> {
        let volumes: Vec<String> = copies.all().map(|record| record.id().to_owned()).collect();
        let mut attachments = Vec::new();
        for id in &volumes {
            attachments.push(self.dst.attach_to_host(id));
        }
        stream::iter(attachments).buffered(self.options().disks.max(1)).try_collect::<Vec<()>>().await?;
        let devices = self.dst.devices(&volumes).await?;
        let detail = format!("{} volumes", volumes.len());
        Ok(Done::new(devices, detail))
    }

    /// Takes the machine's volumes off the conversion host.
    pub(super) async fn detach(&self) -> Result<Done<()>> {
        let records = records(self.dst, self.course.id).await?;
        for record in &records {
            self.dst.detach_from_hosts(record.id()).await?;
        }
        Ok(Done::new((), format!("{} volumes", records.len())))
    }
}

/// A machine's name as the kit writes it: letters, digits, `_` and `-`, at most 64 of them.
fn safe_name(name: &str) -> String {
    let mut safe = String::new();
    for letter in name.chars().map(plain) {
        let repeats = (letter == '_' || letter == '-') && safe.ends_with(letter);
        if !repeats {
            safe.push(letter);
        }
    }
    safe.chars().take(64).collect::<String>().trim_end_matches(['_', '-']).to_owned()
}

/// A Latin letter without its accent; `_` for what no name has.
fn plain(letter: char) -> char {
    const ACCENTED: [(char, &str); 14] = [
        ('A', "ÀÁÂÃÄÅ"),
        ('C', "Ç"),
        ('E', "ÈÉÊË"),
        ('I', "ÌÍÎÏ"),
        ('N', "Ñ"),
        ('O', "ÒÓÔÕÖ"),
        ('U', "ÙÚÛÜ"),
        ('a', "àáâãäå"),
        ('c', "ç"),
        ('e', "èéêë"),
        ('i', "ìíîï"),
        ('n', "ñ"),
        ('o', "òóôõö"),
        ('u', "ùúûü"),
    ];
    match letter {
        'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '-' => letter,
        _ => ACCENTED.iter().find(|(_, all)| all.contains(letter)).map_or('_', |(plain, _)| *plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kit() {
        assert_eq!(safe_name("app01"), "app01");
        assert_eq!(safe_name("Ma Machine (é) // 2"), "Ma_Machine_e_2");
        assert_eq!(safe_name("a--b_"), "a-b");
        assert_eq!(safe_name(&"x".repeat(80)).len(), 64);
    }
}
