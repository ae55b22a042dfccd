//! What happens on the disks: by the guest, and by others.

use std::io;
use std::path::PathBuf;

use super::VCenter;
use super::seed::Power;
use super::world::Machine;

impl VCenter {
    /// The bytes of a disk as the guest sees them now.
    pub fn live_file(&self, vm: &str, key: i32) -> PathBuf {
        let live = self
            .core
            .look(|world| world.machine(vm).and_then(|it| it.disk(key)).map(|disk| disk.live.clone()));
        live.unwrap_or_else(|| self.core.options.dir.join("disks").join(format!("{vm}-{key}.img")))
    }

    /// The bytes of a disk as the last snapshot of anybody froze them. The file stays when the snapshot is removed,
    /// until the next one is taken.
    pub fn last_frozen(&self, vm: &str, key: i32) -> Option<PathBuf> {
        self.core.look(|world| world.machine(vm)?.disk(key)?.last_frozen.clone())
    }

    /// The change id that the last snapshot gave a disk.
    pub fn change_id(&self, vm: &str, key: i32) -> Option<String> {
        self.core.look(|world| world.machine(vm)?.disk(key)?.change_id.clone())
    }

    /// Writes to a disk as the guest would: only while the machine runs. Returns whether it did.
    ///
    /// # Errors
    /// There is no such disk, it ends before, or its file cannot be written.
    pub fn guest_write(&self, vm: &str, key: i32, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        self.on_machine(vm, |machine| {
            let runs = machine.power == Power::On;
            if runs {
                write(machine, key, offset, bytes, true)?;
            }
            Ok(runs)
        })
    }

    /// Writes to a disk that no guest has in use, as a tool would that tells the tracking.
    ///
    /// # Errors
    /// There is no such disk, it ends before, or its file cannot be written.
    pub fn write_off(&self, vm: &str, key: i32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.on_machine(vm, |machine| write(machine, key, offset, bytes, true))
    }

    /// Writes to a disk without its tracking noticing.
    pub fn write_untracked(&self, vm: &str, key: i32, offset: u64, bytes: &[u8]) {
        self.with(vm, |machine| write(machine, key, offset, bytes, false));
    }

    /// What the guest writes while it shuts down, the next time that it does: key, offset, bytes.
    pub fn on_shutdown(&self, vm: &str, bytes: Vec<(i32, u64, Vec<u8>)>) {
        self.with(vm, |machine| {
            machine.on_shutdown = bytes;
            Ok(())
        });
    }

    /// Whether the guest does nothing when it is asked to shut down.
    pub fn ignore_shutdown(&self, vm: &str, yes: bool) {
        self.with(vm, |machine| {
            machine.ignores_shutdown = yes;
            Ok(())
        });
    }

    /// Whether VMware Tools run while the machine does.
    pub fn set_tools(&self, vm: &str, running: bool) {
        self.with(vm, |machine| {
            machine.tools_running = running;
            Ok(())
        });
    }

    /// Changes a machine, if it is there. A file of the lab that cannot be written shows in what the test compares.
    pub(super) fn with(&self, vm: &str, change: impl FnOnce(&mut Machine) -> io::Result<()>) {
        let _ = self.on_machine(vm, change);
    }

    /// Changes a machine.
    pub(super) fn on_machine<T>(
        &self,
        vm: &str,
        change: impl FnOnce(&mut Machine) -> io::Result<T>,
    ) -> io::Result<T> {
        self.core.change(|world| match world.machine_mut(vm) {
            Some(machine) => change(machine),
            None => Err(absent(&format!("machine {vm}"))),
        })
    }
}

fn write(machine: &mut Machine, key: i32, offset: u64, bytes: &[u8], tracked: bool) -> io::Result<()> {
    let disk = machine.disk_mut(key).ok_or_else(|| absent(&format!("disk {key}")))?;
    disk.write(offset, bytes, tracked)
}

pub(super) fn absent(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no {what}"))
}
