//! A move, step by step: cold, or the cutover of what was seeded.

use std::collections::BTreeMap;
use std::future::Future;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use osm_openstack::compute::Server;

use super::boot::is_rejected;
use super::copies::Copy;
use super::disk::{Disk, Origin, check_set, disks};
use super::images::Way;
use super::job::Job;
use super::preflight::{Preflight, check_quota};
use super::server::Present;
use super::side::{HostDevice, Side};
use super::tag;
use super::transfer::{Copied, Pair};
use crate::course::Done;
use crate::{Error, ErrorKind, Outcome, Result, Step};

impl Job<'_> {
    /// Moves the workload, `seeded` only if its disks have been seeded; gives the id of its server in the
    /// destination.
    pub(super) async fn migrate(&self, seeded: bool) -> Result<(Option<String>, Outcome)> {
        let server = match self.present().await? {
            Present::Foreign(id) => return Ok(self.left_alone(id).await),
            Present::Ours(server)
                if server.metadata.get(tag::STATE).is_some_and(|state| state == tag::COMPLETE) =>
            {
                return Ok((Some(server.id), Outcome::Unchanged));
            }
            Present::Ours(server) if is_rejected(&server) => {
                self.reject(&server.id).await?;
                Box::pin(self.cut_over(seeded)).await?
            }
            Present::Ours(server) if server.status == "ERROR" && server.launched_at.is_none() => {
                self.drop_server(&server.id).await?;
                Box::pin(self.cut_over(seeded)).await?
            }
            Present::Ours(server) => {
                self.check_age(&server).await?;
                let running = self.step(Step::CreateServer, self.wait_active(&server.id)).await?;
                running.id
            }
            Present::Nothing => Box::pin(self.cut_over(seeded)).await?,
        };
        self.port_settings(&server).await?;
        self.check_boot(&server).await?;
        self.step(Step::FloatingIps, self.floating_ips(&server)).await?;
        if self.workload.migration_params.data_copy {
            self.step(Step::RestoreSource, self.restore_source()).await?;
        }
        self.step(Step::Release, self.release(&server)).await?;
        Ok((Some(server), Outcome::Created))
    }

    /// Everything up to the running destination server.
    async fn cut_over(&self, seeded: bool) -> Result<String> {
        if !self.workload.migration_params.data_copy {
            self.dress_named().await?;
            let networks = self.step(Step::CreatePorts, self.create_ports()).await?;
            let server =
                self.step(Step::CreateServer, Box::pin(self.create_server(networks, &[], None))).await?;
            return Ok(server.id);
        }
        let live = self.live_volumes().await?;
        check_set(self.workload, &live)?;
        let mut all = disks(self.workload, &self.source_server().await?, &live)?;
        if seeded {
            self.check_seeded(&all).await?;
        }
        self.check_shared(&all).await?;
        if let Some(window) = &self.options().window {
            window.check().map_err(|error| error.with_workload(self.name))?;
        }
        let point = self.step(Step::StopSource, self.stop_source()).await?;
        let shared = self.shared_copies(&all).await?;
        self.copy_all(&mut all, &point).await?;
        self.step(Step::DetachDestination, self.let_go()).await?;
        let copies = self.copies(Some(&point)).await?;
        let mut finished = Vec::new();
        for disk in &all {
            if let Some(copy) = shared.get(&disk.key) {
                finished.push((disk, copy.volume.clone()));
                continue;
            }
            match copies.get(&disk.key) {
                Some(copy) if copy.complete => {
                    self.dress_again(disk, &copy.volume).await?;
                    finished.push((disk, copy.volume.clone()));
                }
                _ => {
                    let message = "a copy is not complete, so no server is made of it";
                    return Err(Error::new(ErrorKind::Blocked, message).with_object(disk.label.clone()));
                }
            }
        }
        self.step(Step::Recheck, self.recheck()).await?;
        self.still_stopped(&point).await?;
        self.still_shared(&all, &shared).await?;
        let networks = self.step(Step::CreatePorts, self.create_ports()).await?;
        let server = self
            .step(Step::CreateServer, Box::pin(self.create_server(networks, &finished, Some(&point))))
            .await?;
        Ok(server.id)
    }

    /// Copies and verifies the disks that have no complete copy yet.
    async fn copy_all(&self, all: &mut [Disk], point: &str) -> Result<()> {
        let copies = self.copies(Some(point)).await?;
        let complete = |disk: &Disk| copies.get(&disk.key).is_some_and(|copy| copy.complete);
        let own = |disk: &Disk| disk.origin != Origin::Shared;
        let mut pending: Vec<&mut Disk> =
            all.iter_mut().filter(|disk| own(disk) && !complete(disk)).collect();
        if pending.is_empty() {
            return Ok(());
        }
        // The boot disk cannot be detached.
        let mut boot: Vec<&mut Disk> =
            pending.iter_mut().map(|disk| &mut **disk).filter(|disk| disk.boots()).collect();
        let boot = self.step(Step::Snapshot, self.snapshot_disks(&mut boot, point)).await?;
        let pending: Vec<&Disk> = pending.into_iter().map(|disk| &*disk).collect();
        self.step(Step::DetachVolumes, self.detach_volumes(&pending)).await?;
        let readable: Vec<&str> = pending
            .iter()
            .map(|disk| boot.first().filter(|_| disk.boots()).unwrap_or(&disk.key).as_str())
            .collect();
        self.make_copies(&pending, &readable, &copies, point).await
    }

    /// Makes or finishes the copy of each disk, from what can be read of it, and proves it equal.
    pub(super) async fn make_copies(
        &self,
        disks: &[&Disk],
        readable: &[&str],
        copies: &BTreeMap<String, Copy>,
        point: &str,
    ) -> Result<()> {
        if self.options().via == Way::Images {
            return self.bring_images(disks, readable, point).await;
        }
        let (pairs, copied) = self.bring_over(disks, readable, copies, point).await?;
        self.step(Step::VerifyDisks, self.verify_disks(&pairs, copied, point)).await
    }

    /// Copies what can be read of each disk to its copy, which is made where there is none.
    pub(super) async fn bring_over<'d>(
        &self,
        disks: &[&'d Disk],
        readable: &[&str],
        copies: &BTreeMap<String, Copy>,
        point: &str,
    ) -> Result<(Vec<Pair<'d>>, Vec<Copied>)> {
        self.take_places(disks.len()).await?;
        let sources = self.step(Step::AttachSource, self.attach_sources(readable)).await?;
        let volumes = self.step(Step::CreateVolumes, self.create_copies(disks, readable, copies)).await?;
        let targets = self.step(Step::AttachDestination, self.attach_copies(&volumes)).await?;
        let was_there =
            |disk: &Disk, volume: &String| copies.get(&disk.key).is_some_and(|copy| copy.volume == *volume);
        let pairs: Vec<Pair<'d>> = disks
            .iter()
            .zip(sources)
            .zip(volumes.into_iter().zip(targets))
            .map(|((disk, from), (volume, to))| {
                let seeded = was_there(disk, &volume);
                Pair { disk, from, to, volume, seeded }
            })
            .collect();
        let copied = self.step(Step::CopyDisks, self.copy_disks(&pairs, point)).await?;
        Ok((pairs, copied))
    }

    async fn attach_sources(&self, volumes: &[&str]) -> Result<Done<Vec<HostDevice>>> {
        let volumes: Vec<String> = volumes.iter().map(|&volume| volume.to_owned()).collect();
        self.at_once(&volumes, |volume| self.src.attach_to_host(volume)).await?;
        self.found(Step::AttachSource, self.src, &volumes).await
    }

    /// The devices of volumes that a step has attached.
    async fn found(&self, step: Step, side: &Side, volumes: &[String]) -> Result<Done<Vec<HostDevice>>> {
        let devices = side.devices(volumes).await?;
        for (volume, device) in volumes.iter().zip(&devices) {
            self.course.record(step, volume, device.path.to_str()).await?;
        }
        Ok(Done::new(devices, format!("{} volumes", volumes.len())))
    }

    /// Does the same with several volumes, as many at once as disks are copied.
    async fn at_once<'v, F>(&self, volumes: &'v [String], work: impl Fn(&'v str) -> F) -> Result<()>
    where
        F: Future<Output = Result<()>> + Send,
    {
        let mut works = Vec::new();
        for volume in volumes {
            works.push(work(volume));
        }
        stream::iter(works).buffered(self.options().disks.max(1)).try_collect().await
    }

    async fn create_copies(
        &self,
        disks: &[&Disk],
        readable: &[&str],
        copies: &BTreeMap<String, Copy>,
    ) -> Result<Done<Vec<String>>> {
        let mut volumes = Vec::new();
        for (disk, readable) in disks.iter().zip(readable) {
            volumes.push(self.create_copy(disk, copies.get(&disk.key), readable).await?);
        }
        let detail = format!("{} volumes", volumes.len());
        Ok(Done::new(volumes, detail))
    }

    async fn attach_copies(&self, volumes: &[String]) -> Result<Done<Vec<HostDevice>>> {
        self.at_once(volumes, |volume| self.attach_copy(volume)).await?;
        self.found(Step::AttachDestination, self.dst, volumes).await
    }

    pub(super) async fn let_go(&self) -> Result<Done<()>> {
        let count = self.detach_copies().await?;
        Ok(Done::new((), format!("{count} volumes")))
    }

    /// The clouds have lived on while the disks were copied: what preflight saw may be gone.
    async fn recheck(&self) -> Result<Done<()>> {
        let supplement = self.migration.data_dir.read_supplement()?;
        let preflight = Preflight::new(self.src, self.dst, self.options(), supplement).await?;
        let now = preflight.resolve(self.workload).await?;
        if !now.leads_where(self.resolved) {
            let message = "what the workload refers to was replaced in the destination while it was copied";
            return Err(self.course.blocked(message, "run again"));
        }
        if let Some(demand) = preflight.demand(self.workload, &now).await? {
            preflight.check_addresses(self.workload, &now).await?;
            check_quota(self.src, self.dst, &[demand.of_destination()], 1).await?;
        }
        Ok(Done::silent(()))
    }

    /// A server that an earlier run asked for is only worth finishing while its disks are those of the
    /// source: the source may have been started since.
    async fn check_age(&self, server: &Server) -> Result<()> {
        let Some(point) = server.metadata.get(tag::POINT) else { return Ok(()) };
        if self.src.compute.server(self.id).await?.is_none() {
            return Ok(());
        }
        let now = self.stop_source_seen().await?;
        let untold = |point: &str| point.starts_with(tag::UNKNOWN);
        if now == *point || untold(&now) && untold(point) {
            return Ok(());
        }
        Err(self.course.blocked(
            format!("the source server was started after the server {} was made of it", server.id),
            "delete the destination's server to copy the disks anew, or the source's to keep the other",
        ))
    }

    /// The last look at the source before its copy comes to life.
    async fn still_stopped(&self, point: &str) -> Result<()> {
        let now = self.stop_source_seen().await?;
        if now == point {
            return Ok(());
        }
        Err(self.course.blocked(
            "the source server was started while it was copied, so the copy is stale",
            "run again; the disks are copied anew",
        ))
    }
}
