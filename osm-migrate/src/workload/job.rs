//! The move of one workload: who works on it, what it has done so far, who hears of it.

use std::future::Future;

use osm_model::Server as Workload;
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use uuid::Uuid;

use super::clouds::Clouds;
use super::hook::When;
use super::lease::Lease;
use super::link::Link;
use super::preflight::Resolved;
use super::side::Side;
use super::slots::Slots;
use super::tag;
use super::{MigrationOptions, WorkloadMigration};
use crate::course::{Course, Done};
use crate::state::Claim;
use crate::{Result, Step};

/// The move of one workload, under a claim.
pub(super) struct Job<'a> {
    pub(super) migration: &'a WorkloadMigration,
    pub(super) src: &'a Side,
    pub(super) dst: &'a Side,
    /// Both, with what their jobs share.
    pub(super) clouds: &'a Clouds,
    pub(super) link: &'a Link,
    pub(super) slots: &'a Slots,
    /// The job's places on its hosts, from the first attachment until the job is over.
    places: Mutex<Vec<OwnedSemaphorePermit>>,
    pub(super) workload: &'a Workload,
    pub(super) resolved: &'a Resolved,
    /// The id of the source server, and of the job.
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) course: Course<'a>,
    /// The claim as the source cloud shows it; none where nothing is left to do.
    pub(super) lease: Option<Lease>,
    /// The point of a source whose story cannot be read: this run's own, so that no other run takes
    /// what it copied for the present.
    pub(super) unknown_point: String,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        migration: &'a WorkloadMigration,
        clouds: &'a Clouds,
        workload: &'a Workload,
        resolved: &'a Resolved,
        (id, name, log): (&'a str, &'a str, &str),
        (claim, lease): (Claim, Option<Lease>),
    ) -> Result<Self> {
        let told = (&migration.state, &migration.events, &migration.data_dir);
        let course = Course::new(told, (id, name, log), claim)?;
        let (src, dst) = (&clouds.src, &clouds.dst);
        let unknown_point = format!("{}-{}", tag::UNKNOWN, Uuid::new_v4());
        Ok(Self {
            migration,
            src,
            dst,
            clouds,
            link: &clouds.link,
            slots: &clouds.slots,
            places: Mutex::default(),
            workload,
            resolved,
            id,
            name,
            course,
            lease,
            unknown_point,
        })
    }

    pub(super) fn options(&self) -> &MigrationOptions {
        &self.migration.options
    }

    /// Waits for places on both hosts for so many disks, unless the job has them.
    pub(super) async fn take_places(&self, disks: usize) -> Result<()> {
        let mut places = self.places.lock().await;
        if places.is_empty() {
            *places = self.slots.attaching([&self.src.host_id, &self.dst.host_id], disks).await?;
        }
        Ok(())
    }

    /// Runs a step; it is recorded when its work is done.
    pub(super) async fn step<T>(
        &self,
        step: Step,
        work: impl Future<Output = Result<Done<T>>> + Send,
    ) -> Result<T> {
        self.course.begin(step).await;
        let named = |error| self.course.located(step, error);
        self.run_hooks(When::Before, step, None).await.map_err(named)?;
        let done = Box::pin(work).await.map_err(named)?;
        self.course.end(step, done.detail.as_deref()).await?;
        self.run_hooks(When::After, step, done.detail.as_deref()).await.map_err(named)?;
        Ok(done.value)
    }
}
