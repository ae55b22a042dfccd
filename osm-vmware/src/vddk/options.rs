//! How VDDK is to be used, and where its library is.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::{Error, ErrorKind, Result};

/// The names that the library goes by, the newest first.
const NAMES: [&str; 4] =
    ["libvixDiskLib.so.8", "libvixDiskLib.so.7", "libvixDiskLib.so.6", "libvixDiskLib.so"];

/// Where the library is, which vSphere it talks to, and whose disks it reads. `Debug` shows no password.
#[derive(Debug, Clone)]
pub struct VddkOptions {
    /// The root of VMware's distribution: `lib64/libvixDiskLib.so.8` is in it.
    pub libdir: PathBuf,
    /// The vCenter or ESXi host: its name or address.
    pub server: String,
    /// The port of its API; 443 when none is given.
    pub port: Option<u16>,
    /// The port of NFC on the hosts; 902 when none is given.
    pub nfc_port: Option<u16>,
    /// The SHA-1 fingerprint of the server's certificate: `AA:BB:...`.
    pub thumbprint: String,
    /// The user: `administrator@vsphere.local`.
    pub user: String,
    /// Its password.
    pub password: SecretString,
    /// The machine: the value of its managed object reference, `vm-42`.
    pub machine: String,
    /// The snapshot that is read: the value of its reference, `snapshot-7`.
    pub snapshot: String,
    /// The ways to read that are allowed, the best first: `file:nbdssl:nbd`. VDDK's own choice when none are given.
    pub transports: Option<String>,
    /// How the bytes are compressed on their way; only `nbd` and `nbdssl` do that.
    pub compression: VddkCompression,
}

/// How an ESXi host compresses what it sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VddkCompression {
    /// Not at all.
    #[default]
    None,
    /// Small, and slow.
    Zlib,
    /// Quick.
    FastLz,
    /// Quicker still.
    SkipZ,
}

/// The library that would be loaded from this distribution: the newest of those in `lib64`, or else in the folder
/// itself.
///
/// # Errors
/// `Config`: there is none.
pub fn library_path(libdir: &Path) -> Result<PathBuf> {
    let folders = [libdir.join("lib64"), libdir.to_path_buf()];
    NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            let message = format!(
                "there is no VDDK: neither {} is in {} or {}",
                NAMES.join(" nor "),
                folders[0].display(),
                folders[1].display()
            );
            Error::new(ErrorKind::Config, message).with_hint(
                "unpack VMware's VDDK for Linux and name its folder vmware-vix-disklib-distrib; it may not be \
                 handed on with this program",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_library_is_taken_and_lib64_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let lib64 = dir.path().join("lib64");
        std::fs::create_dir(&lib64).unwrap();
        let plain = dir.path().join("libvixDiskLib.so");
        std::fs::write(&plain, "").unwrap();
        assert_eq!(library_path(dir.path()).unwrap(), plain);
        for name in ["libvixDiskLib.so.7", "libvixDiskLib.so.8"] {
            std::fs::write(dir.path().join(name), "").unwrap();
            assert_eq!(library_path(dir.path()).unwrap(), dir.path().join(name));
            std::fs::write(lib64.join(name), "").unwrap();
            assert_eq!(library_path(dir.path()).unwrap(), lib64.join(name));
        }
    }

    #[test]
    fn a_missing_library_is_told_with_what_was_looked_for() {
        let error = library_path(Path::new("/nowhere")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.hint().is_some());
        let text = error.to_string();
        for part in ["libvixDiskLib.so.8", "libvixDiskLib.so.6", "/nowhere/lib64"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
