//! A disk of a machine, and what a snapshot froze of it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::tracking::Tracking;
use crate::disk;
use crate::vcenter::seed::{DiskKind, DiskSeed};

/// What stays the same when bytes change.
#[derive(Debug, Clone)]
pub(crate) struct DiskFacts {
    pub(crate) key: i32,
    pub(crate) uuid: String,
    pub(crate) capacity: u64,
    pub(crate) mode: String,
    pub(crate) sharing: Option<String>,
    pub(crate) kind: DiskKind,
    pub(crate) datastore: String,
    /// Its path within the datastore, without number and ending: `app/app_1`.
    pub(crate) path: String,
}

impl DiskFacts {
    pub(crate) fn new(seed: &DiskSeed, path: String) -> Self {
        let id = Uuid::new_v4().simple().to_string();
        // As vSphere writes it: the vendor's bits, then 12 + 8 + 12 digits.
        let uuid = format!("6000C29{}-{}-{}-{}-{}", &id[..1], &id[1..5], &id[5..9], &id[9..13], &id[13..25]);
        Self {
            key: seed.key,
            uuid,
            capacity: seed.capacity,
            mode: seed.mode.clone(),
            sharing: seed.sharing.clone(),
            kind: seed.kind,
            datastore: seed.datastore.clone(),
            path,
        }
    }

    /// Whether snapshots take it in; only then can its changes be tracked, too.
    pub(crate) fn is_covered(&self) -> bool {
        !self.mode.starts_with("independent")
            && self.sharing.as_deref() != Some("sharingMultiWriter")
            && self.kind != DiskKind::RdmPhysical
    }

    /// Whether its changes can be tracked.
    pub(crate) fn is_trackable(&self) -> bool {
        self.is_covered() && self.kind != DiskKind::FlatVer1
    }

    /// The name of the descriptor with this number: `[ds] app/app-000001.vmdk`.
    pub(crate) fn file_name(&self, number: u32) -> String {
        let Self { datastore, path, .. } = self;
        match number {
            0 => format!("[{datastore}] {path}.vmdk"),
            _ => format!("[{datastore}] {path}-{number:06}.vmdk"),
        }
    }
}

/// A disk as it is now.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) facts: DiskFacts,
    /// The file with the bytes that the guest sees.
    pub(crate) live: PathBuf,
    /// Present while changes are tracked.
    pub(crate) tracking: Option<Tracking>,
    /// The change id of the last snapshot.
    pub(crate) change_id: Option<String>,
    /// What the last snapshot froze.
    pub(crate) last_frozen: Option<PathBuf>,
}

/// A disk as a snapshot froze it.
#[derive(Debug)]
pub(crate) struct FrozenDisk {
    pub(crate) facts: DiskFacts,
    /// Absent for a disk that snapshots leave out.
    pub(crate) image: Option<PathBuf>,
    pub(crate) tracking: Option<Tracking>,
}

impl Disk {
    /// Makes the file of a disk, with what is on it.
    pub(crate) fn create(facts: DiskFacts, live: PathBuf, seed: &DiskSeed) -> io::Result<Self> {
        match &seed.file {
            None => disk::create(&live, facts.capacity)?,
            Some(file) if fs::metadata(file)?.len() > facts.capacity => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the file is longer than the disk"));
            }
            Some(file) => disk::copy(file, &live, facts.capacity)?,
        }
        let mut made = Self { facts, live, tracking: None, change_id: None, last_frozen: None };
        for (offset, bytes) in &seed.bytes {
            made.write(*offset, bytes, false)?;
        }
        Ok(made)
    }

    /// Writes; tracked, when it shall be and is.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8], tracked: bool) -> io::Result<()> {
        let length = bytes.len() as u64;
        if offset.checked_add(length).is_none_or(|end| end > self.facts.capacity) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the write ends beyond the disk"));
        }
        File::options().write(true).open(&self.live)?.write_all_at(bytes, offset)?;
        if let Some(tracking) = self.tracking.as_mut().filter(|_| tracked) {
            tracking.stamp(offset, length);
        }
        Ok(())
    }

    /// Brings tracking in line with what the machine's configuration says.
    pub(crate) fn track(&mut self, on: bool) -> io::Result<()> {
        if !on || !self.facts.is_trackable() {
            (self.tracking, self.change_id) = (None, None);
        } else if self.tracking.is_none() {
            self.tracking = Some(Tracking::begin(&self.live, self.facts.capacity)?);
        }
        Ok(())
    }

    /// Tracking begins anew, if there is any.
    pub(crate) fn restart_tracking(&mut self) -> io::Result<()> {
        let on = self.tracking.is_some();
        self.track(false)?;
        self.track(on)
    }

    /// Freezes what is on the disk into `image`.
    pub(crate) fn freeze(&mut self, image: PathBuf) -> io::Result<FrozenDisk> {
        if !self.facts.is_covered() {
            return Ok(FrozenDisk { facts: self.facts.clone(), image: None, tracking: None });
        }
        disk::copy(&self.live, &image, self.facts.capacity)?;
        let tracking = self.tracking.as_mut().map(Tracking::freeze);
        self.change_id = tracking.as_ref().map(Tracking::change_id);
        self.last_frozen = Some(image.clone());
        Ok(FrozenDisk { facts: self.facts.clone(), image: Some(image), tracking })
    }

    /// Goes back to what a snapshot froze.
    pub(crate) fn revert(&mut self, frozen: &FrozenDisk) -> io::Result<()> {
        let Some(image) = &frozen.image else { return Ok(()) };
        disk::copy(image, &self.live, frozen.facts.capacity)?;
        File::options().write(true).open(&self.live)?.set_len(frozen.facts.capacity)?;
        self.facts.capacity = frozen.facts.capacity;
        if let (Some(live), Some(then)) = (&mut self.tracking, &frozen.tracking) {
            live.revert(then);
            live.resize(frozen.facts.capacity);
        }
        self.change_id = self.tracking.is_some().then(|| frozen.change_id()).flatten();
        Ok(())
    }

    /// Grows, or shrinks.
    pub(crate) fn resize(&mut self, capacity: u64) -> io::Result<()> {
        File::options().write(true).open(&self.live)?.set_len(capacity)?;
        self.facts.capacity = capacity;
        if let Some(tracking) = &mut self.tracking {
            tracking.resize(capacity);
        }
        Ok(())
    }
}

impl FrozenDisk {
    /// The id of this moment; none when changes were not tracked.
    pub(crate) fn change_id(&self) -> Option<String> {
        self.tracking.as_ref().map(Tracking::change_id)
    }
}

/// Removes a file; one that is gone already is as good.
pub(crate) fn forget(file: &Path) {
    let _ = fs::remove_file(file);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vcenter::world::tracking::Since;

    #[test]
    fn a_disk_begins_as_a_copy_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let (file, live) = (dir.path().join("file"), dir.path().join("live"));
        disk::create(&file, 1 << 20).unwrap();
        File::options().write(true).open(&file).unwrap().write_all_at(b"a guest", 300_000).unwrap();
        let make = |capacity| {
            let seed = DiskSeed::new(2000, capacity).from_file(&file).with(0, *b"more");
            Disk::create(DiskFacts::new(&seed, "app/app".to_owned()), live.clone(), &seed)
        };
        let mut made = make(2 << 20).unwrap();
        made.track(true).unwrap();
        let bytes = fs::read(&live).unwrap();
        assert_eq!((bytes.len(), &bytes[..4]), (2 << 20, &b"more"[..]));
        assert_eq!(&bytes[300_000..300_007], b"a guest");
        let tracking = made.tracking.unwrap();
        assert_eq!(tracking.next(Since::Ever, 1, 2 << 20), Some((1, 64 << 10)));
        assert_eq!(tracking.next(Since::Ever, 64 << 10, 2 << 20), Some((256 << 10, 320 << 10)));
        assert_eq!(make(1 << 19).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
