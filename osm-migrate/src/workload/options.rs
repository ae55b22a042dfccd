//! How to migrate workloads.

use std::time::Duration;

/// How to migrate workloads; the defaults are what most want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationOptions {
    /// Stop source servers that run; otherwise they are refused.
    pub stop: bool,
    /// How many workloads move at once.
    pub workloads: usize,
    /// How many disks of a workload are copied at once.
    pub disks: usize,
    /// After a failure, delete the unfinished copies instead of keeping them for the next run.
    /// Finished copies are never deleted.
    pub cleanup: bool,
    /// How long a cloud may take for one thing: a volume to attach, a server to start.
    pub timeout: Duration,
    /// A machine type for boot disks of which neither files nor images tell one.
    pub default_machine_type: Option<String>,
}

impl Default for MigrationOptions {
    fn default() -> Self {
        Self {
            stop: true,
            workloads: 2,
            disks: 2,
            cleanup: false,
            timeout: Duration::from_secs(600),
            default_machine_type: None,
        }
    }
}
