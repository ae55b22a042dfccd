//! What can be chosen when a vCenter is started.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// How a vCenter behaves; start from [`VCenterOptions::new`].
#[derive(Debug, Clone)]
pub struct VCenterOptions {
    /// Where disks and what snapshots froze live. Created; not removed.
    pub dir: PathBuf,
    /// The address that it listens on: loopback, unless a conversion host elsewhere must reach it.
    pub address: IpAddr,
    /// How long a task takes, and a guest to shut down.
    pub task_time: Duration,
    /// The most areas that one answer of `QueryChangedDiskAreas` has.
    pub page_areas: usize,
    /// Whether a stretch of at least one GiB without changes is answered as a page of its own, without areas.
    pub empty_pages: bool,
    /// How long every answer takes, be it of a method or of `/folder`.
    pub latency: Duration,
    /// How long a session lives that nobody uses.
    pub session_lifetime: Duration,
    /// Whether it hands out tickets for NFC; older servers do not know the methods.
    pub nfc: bool,
}

impl VCenterOptions {
    /// The usual vCenter, with its files below `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            task_time: Duration::from_millis(10),
            page_areas: 2000,
            empty_pages: false,
            latency: Duration::ZERO,
            session_lifetime: Duration::from_secs(30 * 60),
            nfc: true,
        }
    }
}
