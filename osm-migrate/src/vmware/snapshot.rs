//! The snapshot that a pass reads, and what earlier runs have left of theirs. Those of other people are not touched.

use osm_transfer::hash::Digest;
use osm_vmware::{Snapshot, SnapshotInfo};
use tokio::time::timeout;

use super::job::MachineJob;
use crate::course::Done;
use crate::{Result, Step};

/// The name of ours; its description tells whose it is.
const NAME: &str = "osm";

impl MachineJob<'_> {
    fn mark(&self) -> String {
        format!("osm copies the machine {}; this snapshot is removed when that is done", self.course.id)
    }

    pub(super) async fn take_snapshot(&self) -> Result<Done<Snapshot>> {
        // A guest at rest has nothing to be brought to rest.
        let quiesce = self.machine.tools.as_deref() == Some("guestToolsRunning") && !self.phase.moves();
        let (wait, mark) = (self.options().snapshot_wait, self.mark());
        let taken = timeout(wait, self.vsphere().take_snapshot(&self.moref, NAME, &mark, quiesce)).await;
        let snapshot = taken.map_err(|_| {
            let message = format!("vSphere has not made a snapshot within {} s", wait.as_secs());
            let hint = "look at the machine's recent tasks in vSphere; a snapshot that is made yet, the next run removes";
            self.course.blocked(message, hint)
        })??;
        if quiesce && !snapshot.quiesced {
            self.course
                .warn("its guest could not be quiesced, so the copy is what a power loss would leave")
                .await;
        }
        self.course.record(Step::Snapshot, "", Some(&snapshot.moref.value)).await?;
        let detail = format!("{} with {} disks", snapshot.moref.value, snapshot.disks.len());
        Ok(Done::new(snapshot, detail))
    }

    pub(super) async fn remove_snapshot(&self, snapshot: &Snapshot) -> Result<Done<()>> {
        self.vsphere().remove_snapshot(&snapshot.moref).await?;
        Ok(Done::new((), snapshot.moref.value.clone()))
    }

    fn is_ours(&self, snapshot: &SnapshotInfo) -> bool {
        snapshot.name == NAME && snapshot.description == self.mark()
    }

    /// Our snapshots that the machine has.
    async fn ours(&self) -> Result<Vec<SnapshotInfo>> {
        let mut snapshots = self.vsphere().snapshots(&self.moref).await?;
        snapshots.retain(|snapshot| self.is_ours(snapshot));
        Ok(snapshots)
    }

    /// Removes what earlier runs left of their snapshots.
    pub(super) async fn remove_leftovers(&self) -> Result<()> {
        for SnapshotInfo { moref, .. } in self.ours().await? {
            self.course
                .warn(format!("the snapshot {} of a run that has ended is removed", moref.value))
                .await;
            self.vsphere().remove_snapshot(&moref).await?;
        }
        Ok(())
    }

    /// Removes our snapshots, if there are any.
    pub(super) async fn remove_ours(&self) -> Result<()> {
        for SnapshotInfo { moref, .. } in self.ours().await? {
            self.vsphere().remove_snapshot(&moref).await?;
        }
        Ok(())
    }

    /// A hash of the snapshots of other people; none when there are none. A machine can only be reverted to one that
    /// it has.
    pub(super) async fn foreign_snapshots(&self) -> Result<Option<String>> {
        let snapshots = self.vsphere().snapshots(&self.moref).await?;
        let foreign: Vec<&str> = snapshots
            .iter()
            .filter(|snapshot| !self.is_ours(snapshot))
            .map(|snapshot| snapshot.moref.value.as_str())
            .collect();
        let hash = |text: String| Digest::of(text.as_bytes()).to_string()[..16].to_owned();
        Ok((!foreign.is_empty()).then(|| hash(foreign.join(" "))))
    }

    pub(super) async fn begin_tracking(&self) -> Result<Done<()>> {
        self.vsphere().enable_tracking(&self.moref, NAME, &self.mark()).await?;
        Ok(Done::new((), "its changes are recorded from now on"))
    }
}
