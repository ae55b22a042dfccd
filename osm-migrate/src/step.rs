//! The steps of a migration, in the order they are taken.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// One step of moving a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// Everything the workload needs is there.
    Preflight,
    /// No other process works on the job.
    Claim,
    /// The source server is stopped.
    StopSource,
    /// What cannot be attached elsewhere itself has a volume with its bytes at one point.
    Snapshot,
    /// The data volumes are attached to nothing.
    DetachVolumes,
    /// All source volumes are attached to the source conversion host.
    AttachSource,
    /// There is a destination volume for each source volume.
    CreateVolumes,
    /// The destination volumes are attached to the destination conversion host.
    AttachDestination,
    /// The bytes have been copied and flushed.
    CopyDisks,
    /// Both ends hash the same.
    VerifyDisks,
    /// The destination volumes are attached to nothing.
    DetachDestination,
    /// What was written to the machine since its snapshot is merged again.
    RemoveSnapshot,
    /// The guest has the drivers of the destination.
    ConvertGuest,
    /// What the workload needs is still there, and there is still room for it.
    Recheck,
    /// The ports of the destination server are there.
    CreatePorts,
    /// The destination server is there and ACTIVE.
    CreateServer,
    /// The destination server has come up, as far as it is asked.
    CheckBoot,
    /// The floating IPs are associated.
    FloatingIps,
    /// The source server has its volumes back, and temporary things are gone.
    RestoreSource,
    /// The job is done.
    Release,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Self; 20] = [
        Self::Preflight,
        Self::Claim,
        Self::StopSource,
        Self::Snapshot,
        Self::DetachVolumes,
        Self::AttachSource,
        Self::CreateVolumes,
        Self::AttachDestination,
        Self::CopyDisks,
        Self::VerifyDisks,
        Self::DetachDestination,
        Self::RemoveSnapshot,
        Self::ConvertGuest,
        Self::Recheck,
        Self::CreatePorts,
        Self::CreateServer,
        Self::CheckBoot,
        Self::FloatingIps,
        Self::RestoreSource,
        Self::Release,
    ];

    /// Whether workloads take it; the others are for machines of a vSphere alone.
    pub fn is_of_workloads(self) -> bool {
        !matches!(self, Self::RemoveSnapshot | Self::ConvertGuest)
    }

    /// The step's word, as in events and metadata.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Claim => "claim",
            Self::StopSource => "stop_source",
            Self::Snapshot => "snapshot",
            Self::DetachVolumes => "detach_volumes",
            Self::AttachSource => "attach_source",
            Self::CreateVolumes => "create_volumes",
            Self::AttachDestination => "attach_destination",
            Self::CopyDisks => "copy_disks",
            Self::VerifyDisks => "verify_disks",
            Self::DetachDestination => "detach_destination",
            Self::RemoveSnapshot => "remove_snapshot",
            Self::ConvertGuest => "convert_guest",
            Self::Recheck => "recheck",
            Self::CreatePorts => "create_ports",
            Self::CreateServer => "create_server",
            Self::CheckBoot => "check_boot",
            Self::FloatingIps => "floating_ips",
            Self::RestoreSource => "restore_source",
            Self::Release => "release",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Step {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|step| step.as_str() == word)
            .ok_or_else(|| Error::new(ErrorKind::State, format!("there is no step `{word}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_serialised_names() {
        for step in Step::ALL {
            assert_eq!(serde_json::to_value(step).unwrap(), step.as_str());
            assert_eq!(step.as_str().parse::<Step>().unwrap(), step);
        }
    }
}
