//! Volumes that are attached to nothing, moved with the same promise as a workload's disks.
//!
//! ```text
//! preflight -> claim -> attach to source host -> create volume -> attach to destination host
//!    -> copy -> verify -> detach -> release
//! ```
//!
//! The job is the volume's id: a volume that carries it as `osm_job` is its copy, so a second run
//! makes no second one. While it is copied, the conversion host holds the source volume, so nobody
//! else can write to it.

use osm_model::{Kind, NameFilter, Resource, Server as Workload, ServerInfo, ServerParams};
use osm_openstack::block_storage::Volume;

use super::WorkloadMigration;
use super::clouds::Clouds;
use super::copies::Copy;
use super::disk::{Disk, Origin};
use super::errand::ERRAND;
use super::images::Way;
use super::job::Job;
use super::lease::Subject;
use super::preflight::{Preflight, Resolved, Standing, check_quota};
use super::slots::assign;
use super::tag;
use crate::course::Done;
use crate::state::JobStatus;
use crate::{Error, ErrorKind, Event, Item, Moved, Outcome, Result, Step, Summary};

/// What a run is for, as it is recorded.
const DETACHED: &str = "detached volume";

/// How the point of a copy begins that names a state of its source volume.
const UPDATED: &str = "updated-";

/// A volume that can be moved.
struct Planned<'v> {
    volume: &'v osm_model::Volume,
    id: &'v str,
    /// Its name, or its id when it has none.
    name: &'v str,
    /// Whether there is a copy to be made or finished.
    needed: bool,
}

impl Planned<'_> {
    fn item(&self, outcome: Outcome) -> Item {
        let (name, source_id) = (Some(self.name.to_owned()), Some(self.id.to_owned()));
        Item { name, source_id, ..Item::new(Kind::DetachedVolume, outcome) }
    }

    fn moved(&self, copy: &str) -> Moved {
        Moved {
            kind: Kind::DetachedVolume.word().to_owned(),
            name: Some(self.name.to_owned()),
            source_id: Some(self.id.to_owned()),
            destination_id: copy.to_owned(),
        }
    }
}

impl WorkloadMigration {
    /// Moves the volumes of `detached_volumes.yml` that pass the filter.
    ///
    /// One that fails does not stop the others; what was copied stays for the next run. A volume whose
    /// copy is complete is left alone.
    ///
    /// # Errors
    /// Nothing could be started: no such file, bad credentials, unusable conversion hosts.
    ///
    /// # Cancel safety
    /// Do not drop the future: ask [`Cancel`](crate::Cancel) for the end, which gives the volumes back.
    /// Dropped, it leaves what a crash leaves, and the next run continues.
    pub async fn run_detached(&self, filter: &NameFilter) -> Result<Summary> {
        let wanted = self.chosen(Kind::DetachedVolume, filter, |resource| match resource {
            Resource::Volume(volume) => Some(volume),
            _ => None,
        })?;
        let mut summary = Summary::default();
        if wanted.is_empty() {
            return Ok(summary);
        }
        let pairs = self.open_clouds(self.options.via == Way::Hosts).await?;
        let plan = self.plan_volumes(&pairs[0], &wanted, &mut summary).await?;
        if self.options.check {
            for planned in &plan {
                self.only_checked(planned.name, planned.needed, &mut summary);
            }
            return Ok(summary);
        }
        let sizes: Vec<u64> =
            plan.iter().map(|planned| planned.volume.info.size.unwrap_or_default()).collect();
        let assigned = assign(&sizes, pairs.len());
        let moves = plan.iter().zip(assigned);
        let moves = moves.map(|(planned, pair)| self.move_volume_named(&pairs[pair], planned)).collect();
        self.tally(moves, &mut summary).await;
        Ok(summary)
    }

    /// Checks every volume before the first is touched.
    async fn plan_volumes<'v>(
        &self,
        clouds: &Clouds,
        wanted: &'v [osm_model::Volume],
        summary: &mut Summary,
    ) -> Result<Vec<Planned<'v>>> {
        let supplement = self.data_dir.read_supplement()?;
        let preflight = Preflight::new(&clouds.src, &clouds.dst, &self.options, supplement).await?;
        let (mut plan, mut demands) = (Vec::new(), Vec::new());
        for volume in wanted {
            let Some(id) = volume.info.id.as_deref() else {
                let error = Error::new(ErrorKind::Data, "a detached volume has no _info.id");
                summary.fail("detached_volumes without id", &error);
                continue;
            };
            let name = volume.params.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(id);
            let planned = |needed| Planned { volume, id, name, needed };
            match preflight.check_volume(id, volume).await {
                Ok(Standing::Moved) => plan.push(planned(false)),
                Ok(Standing::Taken) => {
                    summary.count(Outcome::Exists);
                    self.tell(planned(false).item(Outcome::Exists));
                }
                Ok(Standing::Open(demand)) => {
                    demands.push(demand);
                    plan.push(planned(true));
                }
                Err(error) if error.kind() == ErrorKind::Auth => return Err(error),
                Err(error) => self.refuse(&planned(true), &error, summary),
            }
        }
        match check_quota(&clouds.src, &clouds.dst, &demands, self.options.workloads).await {
            Ok(()) => Ok(plan),
            Err(error) if error.kind() == ErrorKind::Blocked => {
                plan.iter().for_each(|planned| self.refuse(planned, &error, summary));
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    fn refuse(&self, planned: &Planned<'_>, error: &Error, summary: &mut Summary) {
        self.tell(planned.item(Outcome::Failed).failed(error));
        summary.fail(label(planned.name), error);
    }

    fn tell(&self, item: Item) {
        self.events.emit(&Event::Imported(item));
    }

    async fn move_volume_named(&self, clouds: &Clouds, planned: &Planned<'_>) -> (String, Result<Outcome>) {
        let result = Box::pin(self.move_volume(clouds, planned)).await;
        match &result {
            Ok((id, outcome)) => self.tell(planned.item(*outcome).at_destination(id.clone())),
            Err(error) => self.tell(planned.item(Outcome::Failed).failed(error)),
        }
        (label(planned.name), result.map(|(_, outcome)| outcome))
    }

    /// Moves a volume, or lets go of it.
    async fn move_volume(&self, clouds: &Clouds, planned: &Planned<'_>) -> Result<(String, Outcome)> {
        let Planned { volume, id, name, .. } = planned;
        let subject = planned.needed.then(|| Subject::Volume((*id).to_owned()));
        let (claim, lease) = self.claim(&clouds.src, (id, name), subject).await?;
        // The disk of a job without a server: nothing refers to it, nothing overrides it.
        let alone = Workload::new(ServerParams::default(), ServerInfo::default());
        let resolved = Resolved::nothing();
        let log = format!("volume-{id}");
        let job = Job::new(self, clouds, &alone, &resolved, (id, name, &log), (claim.clone(), lease))?;
        let ended = Box::pin(self.attend(&job, job.migrate_volume(volume), job.give_up_volume())).await;
        match &ended {
            Ok((copy, _)) => {
                self.note_moved(Ok(vec![planned.moved(copy)]));
                self.state.complete(&claim, JobStatus::Done, Some(copy)).await?;
            }
            Err(error) => self.end_failed(&claim, error).await,
        }
        ended
    }
}

impl Job<'_> {
    /// Moves the volume of this job; gives the id of its copy.
    async fn migrate_volume(&self, exported: &osm_model::Volume) -> Result<(String, Outcome)> {
        self.step(Step::Claim, async { Ok(Done::new((), format!("epoch {}", self.course.claim.epoch))) })
            .await?;
        self.course.record(Step::Claim, ERRAND, Some(DETACHED)).await?;
        let copies = self.copies(None).await?;
        if let Some(copy) = copies.get(self.id).filter(|copy| copy.complete) {
            self.finish_volume(&copy.volume).await?;
            return Ok((copy.volume.clone(), Outcome::Unchanged));
        }
        let source = self.src.volume(self.id).await?;
        let disk = Disk {
            key: self.id.to_owned(),
            origin: Origin::Data,
            device: self.id.to_owned(),
            label: self.name.to_owned(),
            size_gib: source.size,
            bootable: source.bootable,
            exported: Some(exported.clone()),
        };
        // Nobody tells what was written to a volume between two runs, so this run's bytes are its own.
        let point = self.unknown_point.as_str();
        self.make_copies(&[&disk], &[self.id], &copies, point).await?;
        let copies = self.copies(Some(point)).await?;
        let Some(Copy { volume, .. }) = copies.get(self.id).filter(|copy| copy.complete) else {
            return Err(Error::new(ErrorKind::Cloud, "the copy is gone").with_object(disk.label));
        };
        self.finish_volume(volume).await?;
        Ok((volume.clone(), Outcome::Created))
    }

    /// Takes both volumes off the conversion hosts, and notes which state of the source the copy shows.
    async fn finish_volume(&self, copy: &str) -> Result<()> {
        self.step(Step::DetachDestination, self.let_go()).await?;
        self.step(Step::RestoreSource, self.let_go_of_source()).await?;
        self.step(Step::Release, self.note_state(copy)).await
    }

    async fn let_go_of_source(&self) -> Result<Done<()>> {
        self.delete_images(self.src).await?;
        self.delete_images(self.dst).await?;
        if self.src.storage.volume(self.id).await?.is_some() {
            self.src.detach_from_hosts(self.id).await?;
        }
        Ok(Done::silent(()))
    }

    async fn note_state(&self, copy: &str) -> Result<Done<()>> {
        let Some(now) = self.src.storage.volume(self.id).await?.and_then(|volume| volume.updated_at) else {
            return Ok(Done::silent(()));
        };
        let copy = self.dst.volume(copy).await?;
        let known = copy.metadata.get(tag::POINT).map(String::as_str).unwrap_or_default();
        match known.strip_prefix(UPDATED) {
            Some(then) if then == now => {}
            Some(then) => {
                self.course.warn(format!(
                    "the source volume has changed since it was copied (at {now}; the copy shows it as of {then}); \
                     the copy {} is left alone: delete it to have it copied anew",
                    copy.id
                ))
                .await;
            }
            None => {
                let mark = tag::pairs([(tag::POINT, &format!("{UPDATED}{now}"))]);
                self.dst.tag_volume(&copy.id, mark).await?;
            }
        }
        Ok(Done::silent(()))
    }

    /// After a failure: the source volume is attached to nothing again, the copy is kept or deleted.
    async fn give_up_volume(&self) {
        let (source, copies) = tokio::join!(self.let_go_of_source(), self.let_go_of_copies());
        self.course
            .tolerate("the source volume is still attached to the conversion host", source.map(drop))
            .await;
        self.course.tolerate("the copy is still attached to the conversion host", copies).await;
    }
}

/// Whether a volume was made by a move, of whatever.
pub(super) fn is_a_copy(volume: &Volume) -> bool {
    volume.metadata.contains_key(tag::JOB)
}

fn label(name: &str) -> String {
    format!("{} {name}", Kind::DetachedVolume.word())
}
