//! Seeding: the disks are copied while their server runs, from snapshots, again and again. A pass after the
//! first moves only what differs, and so does the cutover, whose downtime a pass foretells.
//!
//! ```text
//! preflight -> claim -> [ snapshot all disks -> volumes of them -> attach to source host
//!    -> create volumes -> attach to destination host -> copy what differs -> detach -> delete snapshots ]*
//! ```
//!
//! The source is not stopped, and none of its volumes is detached. A copy is only `seeding` until it was
//! brought up to date from a server at rest.

use std::time::{Duration, Instant};

use osm_model::NameFilter;
use uuid::Uuid;

use super::WorkloadMigration;
use super::disk::{Disk, Origin, check_set, disks};
use super::errand::Errand;
use super::job::Job;
use super::tag;
use crate::{Event, Outcome, Result, Step, Summary};

/// What a server may be doing while its disks are seeded.
const SEEDABLE: [&str; 4] = ["ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"];

/// How often the disks of a workload are seeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedOptions {
    /// So many passes; with `max_downtime` at most so many.
    pub passes: u32,
    /// Pass after pass, until a cutover would take no longer than this.
    pub max_downtime: Option<Duration>,
}

impl SeedOptions {
    /// How many passes are made at most when only a downtime is wished for.
    pub const MANY_PASSES: u32 = 10;
}

impl Default for SeedOptions {
    fn default() -> Self {
        Self { passes: 1, max_downtime: None }
    }
}

impl WorkloadMigration {
    /// Copies the disks of the workloads that pass the filter while their servers run.
    ///
    /// What was copied before is brought up to date. Nothing is stopped, and no server is made.
    ///
    /// # Errors
    /// Nothing could be started: no such file, bad credentials, unusable conversion hosts.
    ///
    /// # Cancel safety
    /// Do not drop the future: ask [`Cancel`](crate::Cancel) for the end, which deletes the snapshots.
    /// Dropped, it leaves what a crash leaves, and the next run continues.
    pub async fn seed(&self, filter: &NameFilter, options: &SeedOptions) -> Result<Summary> {
        self.work(filter, &Errand::Seed(options.clone())).await
    }
}

/// What a pass took.
struct Pass {
    /// The number of the pass among all of the workload.
    number: u32,
    size: u64,
    moved: u64,
    took: Duration,
    /// How long a cutover would take now; the first pass cannot tell.
    estimate: Option<Duration>,
}

impl Job<'_> {
    /// Seeds the disks of the workload.
    pub(super) async fn seed(&self, options: &SeedOptions) -> Result<(Option<String>, Outcome)> {
        if let Some(ended) = self.there_already().await? {
            return Ok(ended);
        }
        if !self.workload.migration_params.data_copy {
            return Err(self
                .course
                .blocked("there is nothing to seed: data_copy is false", "move it with migrate"));
        }
        for made in 1.. {
            let pass = Box::pin(self.pass()).await?;
            self.tell(&pass).await;
            let is_short =
                options.max_downtime.is_some_and(|most| pass.estimate.is_some_and(|it| it <= most));
            if is_short {
                break;
            }
            if made >= options.passes {
                if let (Some(most), Some(estimate)) = (options.max_downtime, pass.estimate) {
                    let message = format!(
                        "after {made} passes a cutover would still take about {} s, not {} s: the disks change too \
                         fast, or take that long to be read",
                        estimate.as_secs(),
                        most.as_secs()
                    );
                    self.course.warn(message).await;
                }
                break;
            }
        }
        Ok((None, Outcome::Seeded))
    }

    /// Brings the copies to what the source has now.
    async fn pass(&self) -> Result<Pass> {
        let begun = Instant::now();
        let server = self.source_server().await?;
        if !SEEDABLE.contains(&server.status.as_str()) {
            let message = format!("the source server is {}", server.status);
            return Err(self.course.blocked(message, "bring it to ACTIVE or SHUTOFF"));
        }
        if !self.src.lent_volumes(self.id).await?.is_empty() {
            return Err(self.course.blocked(
                "a move of it was interrupted, and its volumes are not back at the server",
                "run migrate again to finish the move, or seed again: they are put back now",
            ));
        }
        let live = self.live_volumes().await?;
        check_set(self.workload, &live)?;
        let mut all = disks(self.workload, &server, &live)?;
        // They are copied when all their servers are stopped.
        all.retain(|disk| disk.origin != Origin::Shared);
        let copies = self.copies(None).await?;
        let point = format!("pass-{}", Uuid::new_v4());
        let mut frozen: Vec<&mut Disk> = all.iter_mut().collect();
        let readable = self.step(Step::Snapshot, self.snapshot_disks(&mut frozen, &point)).await?;
        let (all, readable): (Vec<&Disk>, Vec<&str>) =
            (all.iter().collect(), readable.iter().map(String::as_str).collect());
        let (pairs, copied) = self.bring_over(&all, &readable, &copies, &point).await?;
        for (pair, copied) in pairs.iter().zip(&copied) {
            self.check_roots(pair, copied).await?;
        }
        // Only now: what a pass left unfinished is no pass.
        let before = all.iter().map(|disk| copies.get(&disk.key).map_or(0, |copy| copy.passes)).min();
        let number = before.unwrap_or(0) + 1;
        for pair in &pairs {
            self.dst.tag_volume(&pair.volume, tag::pairs([(tag::PASSES, &number.to_string())])).await?;
        }
        self.step(Step::DetachDestination, self.let_go()).await?;
        self.step(Step::RestoreSource, self.restore_source()).await?;
        let took = begun.elapsed();
        Ok(Pass {
            number,
            size: pairs.iter().map(|pair| pair.from.size).sum(),
            moved: copied.iter().map(|copied| copied.moved).sum(),
            took,
            // It reads the same disks and asks the clouds for about the same things.
            estimate: pairs.iter().all(|pair| pair.seeded).then_some(took),
        })
    }

    /// Whether every disk of a workload to be cut over has been seeded.
    pub(super) async fn check_seeded(&self, all: &[Disk]) -> Result<()> {
        let copies = self.copies(None).await?;
        let unseeded = |disk: &&Disk| {
            disk.origin != Origin::Shared && copies.get(&disk.key).is_none_or(|copy| copy.passes == 0)
        };
        match all.iter().find(unseeded) {
            None => Ok(()),
            Some(disk) => {
                let message = format!("volume {} has not been seeded", disk.label);
                Err(self.course.blocked(message, "run seed first, or migrate, which needs no seed"))
            }
        }
    }

    async fn tell(&self, pass: &Pass) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.course
            .emit(Event::PassDone {
                workload: self.name.to_owned(),
                pass: pass.number,
                size: pass.size,
                copied: pass.moved,
                took_ms: millis(pass.took),
                downtime_ms: pass.estimate.map(millis),
            })
            .await;
    }
}
