//! The bytes: fetched by an agent on the conversion host, one disk each, several at once.

use std::future::Future;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use osm_transfer::block::ByteRange;
use osm_vmware::{ErrorKind as VsphereError, FrozenDisk, Since, Snapshot};
use tokio::io::AsyncWriteExt as _;

use super::Way;
use super::job::MachineJob;
use super::pass::{Pass, decide};
use super::record::{self, Record, State};
use super::volume::Copies;
use crate::agent::{AgentCommand, FetchArgs, FetchOrder, GO_ON, RemoteDisk, Report};
use crate::course::Done;
use crate::workload::side::HostDevice;
use crate::workload::tag::pairs;
use crate::{Error, ErrorKind, Result, Step};

/// What a pass took on one disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copied {
    /// The number of the pass.
    pub(super) pass: u32,
    /// Bytes that were read from vSphere.
    pub(super) read: u64,
}

/// Areas of a disk, as offset and length.
type Areas = Vec<(u64, u64)>;

impl MachineJob<'_> {
    pub(super) async fn copy_disks(
        &self,
        copies: &Copies,
        devices: Vec<HostDevice>,
        snapshot: &Snapshot,
    ) -> Result<Done<Vec<Copied>>> {
        let foreign = self.foreign_snapshots().await?;
        let mut works = Vec::new();
        for ((key, record), device) in copies.keyed().zip(devices) {
            let frozen = snapshot.disks.iter().find(|frozen| frozen.disk.key == key);
            let frozen = frozen.ok_or_else(|| {
                let message = format!("the snapshot lacks the disk of volume {}", record.id());
                self.course
                    .blocked(message, "it is independent, or was removed just now: take the inventory again")
            })?;
            works.push(self.copy_disk(record, device, frozen, snapshot, foreign.as_deref()));
        }
        let copied: Vec<Copied> =
            stream::iter(works).buffered(self.options().disks.max(1)).try_collect().await?;
        let read: u64 = copied.iter().map(|copied| copied.read).sum();
        let detail = format!("{} disks, {} MiB read", copied.len(), read.div_ceil(1 << 20));
        Ok(Done::new(copied, detail))
    }

    async fn copy_disk(
        &self,
        known: &Record,
        device: HostDevice,
        frozen: &FrozenDisk,
        snapshot: &Snapshot,
        foreign: Option<&str>,
    ) -> Result<Copied> {
        let named = |error: Error| match error.context().object {
            Some(_) => error,
            None => error.with_object(format!("{} ({})", frozen.disk.label, frozen.disk.key)),
        };
        let (pass, changed, allocated) =
            self.plan_pass(known, frozen, snapshot, foreign).await.map_err(named)?;
        if pass == Pass::Nothing {
            self.conclude(known, frozen, 0, foreign).await?;
            return Ok(Copied { pass: known.passes + 1, read: 0 });
        }
        let size = frozen.disk.capacity;
        let from = match pass {
            Pass::First => 0,
            Pass::Rest { from, .. } => from.min(size),
            Pass::Areas { .. } | Pass::Nothing | Pass::Compare(_) => size,
        };
        let order = FetchOrder {
            ways: self.ways(frozen, snapshot),
            size,
            changed,
            from,
            allocated,
            compare: matches!(pass, Pass::Compare(_)),
            dense: known.volume.encrypted,
            prove: self.options().prove,
            segment: self.options().segment,
        };
        let _place = self.limits.place(self.machine.host.as_deref()).await?;
        let read = match order.is_empty() {
            true => 0,
            false => {
                let announce = || self.announce(known, frozen, &pass, foreign);
                self.fetch(known, device, frozen, &order, announce).await.map_err(named)?
            }
        };
        self.conclude(known, frozen, read, foreign).await?;
        Ok(Copied { pass: known.passes + 1, read })
    }

    /// What is to be copied, with what vSphere tells of the areas. What it cannot tell is compared, or read.
    async fn plan_pass(
        &self,
        known: &Record,
        frozen: &FrozenDisk,
        snapshot: &Snapshot,
        foreign: Option<&str>,
    ) -> Result<(Pass, Areas, Option<Areas>)> {
        let mut pass = decide(known, frozen, foreign, self.options().trust_kit);
        if self.options().compare_all && pass != Pass::First {
            pass = Pass::Compare("that was asked for".to_owned());
        }
        let (changed, allocated) = match &pass {
            Pass::Nothing | Pass::Compare(_) => (Ok(Areas::new()), None),
            Pass::First => (Ok(Areas::new()), self.allocated(frozen, snapshot).await?),
            Pass::Areas { since } => {
                (self.areas(frozen, snapshot, &Since::Change(since.clone())).await, None)
            }
            Pass::Rest { since, from } => {
                let before = ByteRange::new(0, *from);
                let changed = self.areas(frozen, snapshot, &Since::Change(since.clone())).await;
                let changed = changed.map(|areas| {
                    let within = areas
                        .into_iter()
                        .filter_map(|(offset, len)| ByteRange::new(offset, len).intersect(before));
                    within.map(|area| (area.offset, area.len)).collect()
                });
                (changed, self.allocated(frozen, snapshot).await?)
            }
        };
        match changed {
            Ok(changed) => Ok((pass, changed, allocated)),
            Err(error) if is_without_record(&error) => {
                Ok((Pass::Compare(error.to_string()), Areas::new(), None))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The areas of a disk that were written since.
    async fn areas(
        &self,
        frozen: &FrozenDisk,
        snapshot: &Snapshot,
        since: &Since,
    ) -> osm_vmware::Result<Areas> {
        let (vsphere, capacity) = (self.vsphere(), frozen.disk.capacity);
        let areas =
            vsphere.changed_areas(&self.moref, &snapshot.moref, frozen.key(), since, capacity).await?;
        Ok(areas.into_iter().map(|area| (area.offset, area.len)).collect())
    }

    /// Where a disk was ever written; none when vSphere cannot tell: then all of it is read.
    async fn allocated(&self, frozen: &FrozenDisk, snapshot: &Snapshot) -> Result<Option<Areas>> {
        if frozen.change_id.is_none() {
            return Ok(None);
        }
        match self.areas(frozen, snapshot, &Since::Ever).await {
            Ok(areas) => Ok(Some(areas)),
            Err(error) if is_without_record(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Says on the volume what it may lack from now on, before the first byte.
    async fn announce(
        &self,
        known: &Record,
        frozen: &FrozenDisk,
        pass: &Pass,
        foreign: Option<&str>,
    ) -> Result<()> {
        let capacity = frozen.disk.capacity.to_string();
        let mut words = pairs([(record::CAPACITY, capacity.as_str())]);
        words.extend(frozen.disk.uuid.clone().map(|uuid| (record::BACKING.to_owned(), uuid)));
        match pass {
            Pass::Compare(why) => {
                let label = &frozen.disk.label;
                self.course.warn(format!("every block of {label} is compared: {why}")).await;
                // First what is no longer true, then what is.
                self.dst
                    .untag_volume(known.id(), &[record::CHANGE_ID, record::SEED_ID, record::WATERMARK])
                    .await?;
                let passes = known.passes.max(1).to_string();
                words.extend(pairs([
                    (record::SCHEMA, record::VERSION),
                    (record::STATE, State::Seeding.word()),
                    (record::PASSES, passes.as_str()),
                ]));
            }
            Pass::First => {
                self.dst
                    .untag_volume(known.id(), &[record::CHANGE_ID, record::SEED_ID, record::WATERMARK])
                    .await?;
                words.extend(pairs([
                    (record::SCHEMA, record::VERSION),
                    (record::STATE, State::Seeding.word()),
                ]));
                if let Some(id) = &frozen.change_id {
                    let id = id.to_string();
                    words.extend(pairs([(record::SEED_ID, id.as_str()), (record::WATERMARK, "0")]));
                }
                words.extend(foreign.map(|hash| (record::SNAPSHOTS.to_owned(), hash.to_owned())));
            }
            // Applied twice, the same areas are the same bytes: what the volume says stays true enough.
            Pass::Rest { .. } | Pass::Areas { .. } | Pass::Nothing => return Ok(()),
        }
        self.dst.tag_volume(known.id(), words).await
    }

    /// Says on the volume what it contains now: the pass is complete and flushed.
    async fn conclude(
        &self,
        known: &Record,
        frozen: &FrozenDisk,
        read: u64,
        foreign: Option<&str>,
    ) -> Result<()> {
        let (capacity, passes) = (frozen.disk.capacity.to_string(), (known.passes + 1).to_string());
        let read = read.to_string();
        let mut words = pairs([
            (record::SCHEMA, record::VERSION),
            (record::STATE, State::Synced.word()),
            (record::CAPACITY, capacity.as_str()),
            (record::PASSES, passes.as_str()),
            (record::LAST_BYTES, read.as_str()),
        ]);
        words.extend(frozen.disk.uuid.clone().map(|uuid| (record::BACKING.to_owned(), uuid)));
        words.extend(foreign.map(|hash| (record::SNAPSHOTS.to_owned(), hash.to_owned())));
        words.extend(frozen.change_id.as_ref().map(|id| (record::CHANGE_ID.to_owned(), id.to_string())));
        if !known.volume.metadata.contains_key(record::CONVERTED) {
            words.insert(record::CONVERTED.to_owned(), "false".to_owned());
        }
        self.dst.tag_volume(known.id(), words).await?;
        let mut past = vec![record::SEED_ID, record::WATERMARK];
        past.extend(foreign.is_none().then_some(record::SNAPSHOTS));
        past.extend(frozen.change_id.is_none().then_some(record::CHANGE_ID));
        past.retain(|key| {
            known.seed.is_some() || known.state == State::Seeding || known.volume.metadata.contains_key(*key)
        });
        self.dst.untag_volume(known.id(), &past).await?;
        self.course.record(Step::CopyDisks, &frozen.disk.key.to_string(), Some(known.id())).await
    }

    fn ways(&self, frozen: &FrozenDisk, snapshot: &Snapshot) -> Vec<RemoteDisk> {
        let way = |way: &Way| match way {
            Way::Datastore => RemoteDisk::Datastore {
                vsphere: self.migration.reach.clone(),
                machine: self.moref.value.clone(),
                disk: Box::new(frozen.disk.clone()),
            },
            Way::Vddk(libdir) => RemoteDisk::Vddk {
                libdir: libdir.clone(),
                vsphere: self.migration.reach.clone(),
                machine: self.moref.value.clone(),
                snapshot: snapshot.moref.value.clone(),
                file: frozen.disk.file.clone().unwrap_or_default(),
            },
            Way::Nfc => RemoteDisk::Nfc {
                vsphere: self.migration.reach.clone(),
                machine: self.moref.value.clone(),
                disk: Box::new(frozen.disk.clone()),
            },
            Way::Nbd(uri) => RemoteDisk::Nbd {
                uri: uri
                    .replace("{moref}", &self.moref.value)
                    .replace("{key}", &frozen.disk.key.to_string())
                    .replace("{snapshot}", &snapshot.moref.value),
            },
        };
        self.options().ways.iter().map(way).collect()
    }

    /// Has a disk fetched; gives how many bytes were read. Once the disk can be read and the volume written, and before
    /// it is, `announce` is called.
    async fn fetch<F: Future<Output = Result<()>> + Send>(
        &self,
        known: &Record,
        device: HostDevice,
        frozen: &FrozenDisk,
        order: &FetchOrder,
        announce: impl Fn() -> F + Send,
    ) -> Result<u64> {
        let args = FetchArgs { device: device.path, identity: Some(device.identity) };
        let (mut agent, mut near) = self.order(AgentCommand::Fetch(args), order).await?;
        let (label, place) = (frozen.disk.label.clone(), frozen.disk.key.to_string());
        let mut fetched = None;
        while let Some(report) = agent.next().await? {
            match report {
                Report::Progress { copied, zeroed, total } => {
                    self.course.progress(&place, &label, copied, zeroed, total);
                }
                Report::Reached { offset } if offset < order.size => {
                    self.reached(known, frozen, offset).await?
                }
                Report::Opened { by, instead_of } => {
                    for instead in instead_of {
                        self.course
                            .warn(format!("{label} is read by {by}, as it could not be by {instead}"))
                            .await;
                    }
                    announce().await?;
                    near.write_all(&[GO_ON]).await?;
                }
                Report::Fetched { size, read, .. } if size == order.size => fetched = Some(read),
                _ => {}
            }
        }
        fetched.ok_or_else(|| Error::new(ErrorKind::Agent, "the copy ended without a result"))
    }

    /// Notes how far a first copy is safe: the next run goes on there, in another window if need be.
    async fn reached(&self, known: &Record, frozen: &FrozenDisk, offset: u64) -> Result<()> {
        let Some(id) = &frozen.change_id else { return Ok(()) };
        let (id, offset) = (id.to_string(), offset.to_string());
        self.dst
            .tag_volume(
                known.id(),
                pairs([(record::SEED_ID, id.as_str()), (record::WATERMARK, offset.as_str())]),
            )
            .await
    }
}

/// Whether vSphere cannot say what changed.
fn is_without_record(error: &osm_vmware::Error) -> bool {
    matches!(error.kind(), VsphereError::CbtReset | VsphereError::CbtUnavailable)
}
