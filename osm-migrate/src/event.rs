//! What happens, as it happens: one [`Event`] a line for programs, a sentence for people.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ErrorKind, Item, Outcome, Step, Summary};

/// One property that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What has the property: `flavor m1.small`, `image debian-12`, `volume db-boot`.
    pub subject: String,
    /// Its name: `vcpus`, `extra_specs.hw:cpu_policy`, `hw_machine_type`.
    pub property: String,
    /// What the source has; nothing when it has no such property.
    pub source: Option<String>,
    /// What the destination would give.
    pub destination: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let (source, destination) = (shown(&self.source), shown(&self.destination));
        write!(f, "{}: {} is {source} here, {destination} there", self.subject, self.property)
    }
}

/// A disk of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedDisk {
    /// The name of the volume, or its id when it has none.
    pub volume: String,
    /// How large it was when it was exported.
    pub size_gib: u64,
    /// Which limits it falls under.
    pub labels: Vec<String>,
}

/// One thing that happened. Serialises to an object whose `event` says which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A resource was written to its file, or could not be.
    Exported(Item),
    /// A resource was imported, or could not be.
    Imported(Item),
    /// The destination would give a workload something else than it has now.
    Drift {
        /// The workload's name.
        workload: String,
        /// What differs.
        #[serde(flatten)]
        difference: Difference,
    },
    /// What the move of a workload would be.
    Planned {
        /// Its name.
        workload: String,
        /// The source's conversion host that would read its disks.
        src_host: String,
        /// The destination's that would write them.
        dst_host: String,
        /// Its disks.
        disks: Vec<PlannedDisk>,
    },
    /// Work on a workload begins.
    WorkloadStarted {
        /// Its name.
        workload: String,
    },
    /// A step of a workload begins.
    StepStarted {
        /// The workload's name.
        workload: String,
        /// Which step.
        step: Step,
    },
    /// A step of a workload is done.
    StepDone {
        /// The workload's name.
        workload: String,
        /// Which step.
        step: Step,
        /// What was found or done.
        detail: Option<String>,
    },
    /// A disk is being copied.
    DiskProgress {
        /// The workload's name.
        workload: String,
        /// The name of the volume, or its id when it has none.
        volume: String,
        /// Bytes that travelled.
        copied: u64,
        /// Bytes known to be zero, or to be in the copy already.
        zeroed: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The copies of a workload are what its disks were when the pass began.
    PassDone {
        /// The workload's name.
        workload: String,
        /// The number of the pass, the first is 1.
        pass: u32,
        /// Bytes of all its disks.
        size: u64,
        /// Bytes that travelled.
        copied: u64,
        /// How long the pass took, in milliseconds.
        took_ms: u64,
        /// How long a cutover would take now, in milliseconds; the first pass cannot tell.
        downtime_ms: Option<u64>,
    },
    /// Both ends of a copy were hashed and are equal.
    DiskVerified {
        /// The workload's name.
        workload: String,
        /// The name of the volume, or its id when it has none.
        volume: String,
        /// The root of the hash, in hex.
        digest: String,
    },
    /// The volumes that a machine's disks are copied to.
    MachineVolumes {
        /// The machine's name.
        workload: String,
        /// Their ids, in the order in which the guest sees the disks.
        volumes: Vec<String>,
    },
    /// A workload is done.
    WorkloadDone {
        /// Its name.
        workload: String,
        /// The id of its server in the destination cloud.
        server_id: Option<String>,
        /// How it ended.
        outcome: Outcome,
    },
    /// A workload could not be moved; its source has been put back as far as possible.
    WorkloadFailed {
        /// Its name.
        workload: String,
        /// The step that failed.
        step: Step,
        /// What failed, with its causes.
        error: String,
        /// What kind of error it is.
        kind: ErrorKind,
        /// What the operator can do.
        hint: Option<String>,
    },
    /// A part of a conversion host was made, found or removed.
    HostPart {
        /// The name of its server.
        host: String,
        /// What: `security group os_migrate_conv`.
        part: String,
        /// What became of it.
        outcome: Outcome,
    },
    /// A conversion host answers and has the agent.
    HostReady {
        /// The name of its server.
        host: String,
        /// How it is reached, as `--src-host` and `--dst-host` take it.
        spec: String,
    },
    /// Agents of the destination's conversion host have tried to reach those of the source's.
    HostsLinked {
        /// Whether disks will travel from host to host.
        direct: bool,
    },
    /// Something the operator should know that stops nothing.
    Warning {
        /// The workload's name, when it concerns one.
        workload: Option<String>,
        /// What.
        message: String,
    },
    /// All items have been worked on.
    Summary(Summary),
}

/// Takes events as they happen; must not block for long.
pub trait EventSink: Send + Sync {
    /// Takes one event.
    fn emit(&self, event: &Event);
}

/// Forgets every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullSink;

impl EventSink for NullSink {
    fn emit(&self, _event: &Event) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_object_with_its_name() {
        let event = Event::StepStarted { workload: "web".into(), step: Step::CopyDisks };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(line, r#"{"event":"step_started","workload":"web","step":"copy_disks"}"#);
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }

    #[test]
    fn a_summary_keeps_its_counts_beside_the_name() {
        let summary = Summary { created: 2, ..Summary::default() };
        let value = serde_json::to_value(Event::Summary(summary)).unwrap();
        assert_eq!(value["event"], "summary");
        assert_eq!(value["created"], 2);
    }
}
