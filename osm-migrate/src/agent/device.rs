//! Which device is a volume's: by the serial number that Nova gives it, never by its letter.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::Device;
use crate::{Error, ErrorKind, Result};

/// virtio-blk serials end here; what follows of the volume's id is cut off.
const SERIAL_LENGTH: usize = 20;

/// How often to look.
const POLL: Duration = Duration::from_millis(200);

/// Where to look for devices.
#[derive(Debug, Clone)]
pub struct DeviceSearch {
    by_id: PathBuf,
    sys_block: PathBuf,
    dev: PathBuf,
}

impl DeviceSearch {
    /// Looks in `devices` for names by id; without it where udev puts them, and in sysfs, which
    /// systems without udev have too.
    pub fn new(devices: Option<PathBuf>) -> Self {
        let dev = PathBuf::from("/dev");
        match devices {
            // A folder that was named is the whole truth: this machine's own disks are not it.
            Some(by_id) => Self { by_id, sys_block: PathBuf::new(), dev },
            None => Self { by_id: "/dev/disk/by-id".into(), sys_block: "/sys/block".into(), dev },
        }
    }

    /// The device of `volume`, as soon as it is there.
    ///
    /// # Errors
    /// It is not there after `wait`, or several devices bear its serial number.
    pub async fn wait(&self, volume: &str, wait: Duration) -> Result<Device> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(path) = self.find(volume)? {
                match size(&path) {
                    Ok(size) if size > 0 => return Ok(Device { path, size }),
                    // Just plugged in: the node is there before the disk answers.
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        return Err(Error::from(error).with_object(path.display().to_string()));
                    }
                }
            }
            if Instant::now() >= deadline {
                let message = format!("no device of the volume appeared within {} s", wait.as_secs());
                return Err(Error::new(ErrorKind::Host, message)
                    .with_object(format!("volume {volume}"))
                    .with_hint("see whether the volume is attached to this server and the kernel saw it"));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Refuses a device that is not `volume`'s now.
    pub(super) fn check(&self, volume: &str, path: &Path) -> Result<()> {
        let real = fs::canonicalize(path)?;
        match self.find(volume)? {
            Some(found) if fs::canonicalize(&found)? == real => Ok(()),
            found => {
                let now = found.map_or_else(|| "nothing".to_owned(), |found| found.display().to_string());
                let message =
                    format!("{} is not the volume's device any more; now it is {now}", real.display());
                Err(Error::new(ErrorKind::Host, message)
                    .with_object(format!("volume {volume}"))
                    .with_hint("run again: the device is looked for anew"))
            }
        }
    }

    /// The device of `volume`, if it is there now.
    fn find(&self, volume: &str) -> Result<Option<PathBuf>> {
        if volume.len() < SERIAL_LENGTH
            || !volume.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(Error::new(ErrorKind::Config, "this is no volume id").with_object(volume.to_owned()));
        }
        let mut found = self.by_id(volume);
        if found.is_empty() {
            found = self.by_serial(volume);
        }
        let mut paths = found.into_iter();
        match (paths.next(), paths.next()) {
            (None, _) => Ok(None),
            (Some(path), None) => Ok(Some(path)),
            (Some(one), Some(other)) => {
                let message =
                    format!("both {} and {} bear the volume's serial number", one.display(), other.display());
                Err(Error::new(ErrorKind::Host, message).with_object(format!("volume {volume}")))
            }
        }
    }

    /// Several names may lead to one device.
    fn by_id(&self, volume: &str) -> BTreeSet<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.by_id) else { return BTreeSet::new() };
        entries
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| names(name, volume)))
            .filter_map(|entry| fs::canonicalize(entry.path()).ok())
            .filter(|path| !self.is_another(path, volume))
            .collect()
    }

    /// Whether the kernel knows another serial number than the name says: udev may lag behind, and
    /// the letter of a disk that was just unplugged is used again.
    fn is_another(&self, path: &Path, volume: &str) -> bool {
        let known = path.file_name().and_then(|name| serial(&self.sys_block.join(name)));
        known.is_some_and(|known| !known.trim().is_empty() && !is_serial(known.trim(), volume))
    }

    fn by_serial(&self, volume: &str) -> BTreeSet<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.sys_block) else { return BTreeSet::new() };
        entries
            .flatten()
            .filter(|entry| serial(&entry.path()).is_some_and(|serial| is_serial(serial.trim(), volume)))
            .map(|entry| self.dev.join(entry.file_name()))
            .filter(|path| path.exists())
            .collect()
    }
}

/// Whether a name by id, such as `virtio-SERIAL`, is that of the whole disk of `volume`.
fn names(name: &str, volume: &str) -> bool {
    let Some(at) = name.find(&volume[..SERIAL_LENGTH]) else { return false };
    is_serial(&name[at..], volume)
}

/// The serial number of the disk with this folder in sysfs, if the kernel tells it.
fn serial(folder: &Path) -> Option<String> {
    ["serial", "device/serial"].iter().find_map(|file| fs::read_to_string(folder.join(file)).ok())
}

fn is_serial(serial: &str, volume: &str) -> bool {
    serial == &volume[..SERIAL_LENGTH] || serial == volume
}

/// Works for files as for block devices, whose metadata says nothing.
pub(super) fn size(path: &Path) -> io::Result<u64> {
    File::open(path)?.seek(SeekFrom::End(0))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const VOLUME: &str = "0e9ff1ab-fb8d-4c12-81c4-29d519d09cb9";

    struct Host {
        dir: tempfile::TempDir,
        search: DeviceSearch,
    }

    fn host() -> Host {
        let dir = tempfile::tempdir().unwrap();
        let part = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let search = DeviceSearch { by_id: part("by-id"), sys_block: part("block"), dev: part("dev") };
        Host { dir, search }
    }

    impl Host {
        fn disk(&self, name: &str) -> PathBuf {
            let path = self.dir.path().join("dev").join(name);
            fs::write(&path, [0; 512]).unwrap();
            path
        }
        fn link(&self, name: &str, disk: &Path) {
            symlink(disk, self.search.by_id.join(name)).unwrap();
        }
        fn serial(&self, disk: &str, serial: &str) {
            let folder = self.search.sys_block.join(disk);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("serial"), serial).unwrap();
        }
    }

    #[test]
    fn the_whole_disk_is_found_under_any_of_its_names() {
        let host = host();
        let disk = host.disk("vdq");
        host.link("virtio-0e9ff1ab-fb8d-4c12-8", &disk);
        host.link(&format!("scsi-0QEMU_QEMU_HARDDISK_{VOLUME}"), &disk);
        host.link("virtio-0e9ff1ab-fb8d-4c12-8-part1", &host.disk("vdq1"));
        host.link("virtio-1111111a-fb8d-4c12-8", &host.disk("vdb"));
        assert_eq!(host.search.find(VOLUME).unwrap().unwrap(), disk.canonicalize().unwrap());
    }

    #[test]
    fn a_volume_that_only_begins_alike_is_not_taken() {
        let host = host();
        host.link("scsi-0QEMU_QEMU_HARDDISK_0e9ff1ab-fb8d-4c12-81c4-000000000000", &host.disk("sdb"));
        assert_eq!(host.search.find(VOLUME).unwrap(), None);
    }

    #[test]
    fn without_names_the_serial_in_sysfs_decides() {
        let host = host();
        let disk = host.disk("vdc");
        host.serial("vdb", "1111111a-fb8d-4c12-8\n");
        host.serial("vdc", "0e9ff1ab-fb8d-4c12-8\n");
        assert_eq!(host.search.find(VOLUME).unwrap(), Some(disk));
    }

    #[test]
    fn two_disks_of_one_serial_are_refused() {
        let host = host();
        host.link("virtio-0e9ff1ab-fb8d-4c12-8", &host.disk("vdb"));
        host.link(&format!("scsi-0QEMU_QEMU_HARDDISK_{VOLUME}"), &host.disk("sdb"));
        assert_eq!(host.search.find(VOLUME).unwrap_err().kind(), ErrorKind::Host);
    }

    #[test]
    fn a_name_that_lags_behind_the_kernel_is_not_believed() {
        let host = host();
        host.link("virtio-0e9ff1ab-fb8d-4c12-8", &host.disk("vdb"));
        host.serial("vdb", "1111111a-fb8d-4c12-8");
        assert_eq!(host.search.find(VOLUME).unwrap(), None);
    }

    #[test]
    fn a_device_that_became_another_volumes_is_refused() {
        let host = host();
        let (vdb, vdc) = (host.disk("vdb"), host.disk("vdc"));
        host.link("virtio-0e9ff1ab-fb8d-4c12-8", &vdb);
        host.search.check(VOLUME, &vdb).unwrap();
        fs::remove_file(host.search.by_id.join("virtio-0e9ff1ab-fb8d-4c12-8")).unwrap();
        assert_eq!(host.search.check(VOLUME, &vdb).unwrap_err().kind(), ErrorKind::Host);
        host.link("virtio-0e9ff1ab-fb8d-4c12-8", &vdc);
        let error = host.search.check(VOLUME, &vdb).unwrap_err();
        assert!(error.to_string().contains("vdc"), "{error}");
    }

    #[tokio::test]
    async fn a_device_that_does_not_appear_is_an_error_in_time() {
        let host = host();
        let error = host.search.wait(VOLUME, Duration::from_millis(1)).await.unwrap_err();
        assert!(error.to_string().contains(VOLUME), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_id_never_matches_anything() {
        let host = host();
        host.link("virtio-", &host.disk("vdb"));
        for text in ["", "short", "../../../etc/passwd-and-more"] {
            assert!(host.search.wait(text, Duration::ZERO).await.is_err());
        }
    }
}
