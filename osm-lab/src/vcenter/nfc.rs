//! Port 902 of the host: which bytes a disk has there.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use tokio::runtime::Handle;

use super::VCenter;
use super::core::Core;
use super::seed::{DiskKind, Power};
use super::world::{Disk, Machine, World};
use crate::nfc::{NfcRefusal, NfcServer};

impl VCenter {
    /// The host that serves disks over NFC; none when [`VCenterOptions::nfc`] is off.
    ///
    /// [`VCenterOptions::nfc`]: super::VCenterOptions::nfc
    pub fn nfc(&self) -> Option<&NfcServer> {
        self.core.nfc.get()
    }

    /// How many bytes of disks its host served over NFC since it began, or since [`VCenter::clear_calls`].
    pub fn nfc_bytes(&self) -> u64 {
        self.nfc().map_or(0, NfcServer::bytes)
    }
}

/// Opens port 902, where there is one.
pub(super) fn serve(core: &Arc<Core>, handle: &Handle) -> io::Result<()> {
    if !core.options.nfc {
        return Ok(());
    }
    // The vCenter holds the host, and not the other way round.
    let known: Weak<Core> = Arc::downgrade(core);
    let server = NfcServer::serve(handle, move |path| match known.upgrade() {
        Some(core) => core.look(|world| file(world, path)),
        None => Err(NfcRefusal::not_found(path)),
    })?;
    // It is set here alone.
    let _ = core.nfc.set(server);
    Ok(())
}

/// The file with what a disk's descriptor stands for, its parents included: what a snapshot froze, or what the machine
/// writes to while it is off.
fn file(world: &World, path: &str) -> Result<PathBuf, NfcRefusal> {
    let frozen = world.machines.iter().find_map(|machine| frozen(machine, path));
    if let Some(image) = frozen {
        return Ok(image);
    }
    let disks = world.machines.iter().flat_map(|it| it.disks.iter().map(move |disk| (it, disk)));
    let live = |(machine, disk): &(&Machine, &Disk)| {
        let top = machine.chain(disk.facts.key, None).first().copied().unwrap_or(0);
        disk.facts.file_name(top) == path
    };
    let found = disks.into_iter().find(live);
    let (machine, disk) = found.ok_or_else(|| NfcRefusal::not_found(path))?;
    match (machine.power, disk.facts.kind) {
        (_, DiskKind::RdmPhysical) => Err(NfcRefusal::unsupported(path)),
        (Power::On, _) => Err(NfcRefusal::locked(path)),
        (Power::Off, _) => Ok(disk.live.clone()),
    }
}

/// What a snapshot of the machine froze under this name.
fn frozen(machine: &Machine, path: &str) -> Option<PathBuf> {
    machine.snapshots.iter().find_map(|snapshot| {
        snapshot.disks.iter().find_map(|disk| {
            let chain = machine.chain(disk.facts.key, Some(&snapshot.id));
            let is_it = disk.facts.file_name(chain.first().copied().unwrap_or(0)) == path;
            disk.image.clone().filter(|_| is_it)
        })
    })
}
