//! What can be chosen when a lab is started.

use std::path::PathBuf;
use std::time::Duration;

/// How a lab behaves; start from [`LabOptions::new`].
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// Where volumes, snapshots, images and device folders live. Created; not removed.
    pub dir: PathBuf,
    /// How long one state change takes: `creating` to `available`, `BUILD` to `ACTIVE`, and so on.
    pub delay: Duration,
    /// The most items a listing answers at once.
    pub page_size: usize,
    /// How long a token is good for.
    pub token_lifetime: Duration,
}

impl LabOptions {
    /// The usual lab, with its files below `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            delay: Duration::from_millis(10),
            page_size: 10,
            token_lifetime: Duration::from_secs(4 * 3600),
        }
    }
}

impl Default for LabOptions {
    fn default() -> Self {
        Self::new(std::env::temp_dir().join(format!("osm-lab-{}", std::process::id())))
    }
}
