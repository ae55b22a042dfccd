//! What came of a flow, counted.

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Outcome};

/// How many items ended how, and why some failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Items that were made.
    pub created: usize,
    /// Items that were added to a file.
    #[serde(default)]
    pub written: usize,
    /// Items that were changed.
    pub updated: usize,
    /// Workloads whose disks were copied while they ran.
    #[serde(default)]
    pub seeded: usize,
    /// Workloads of which a clone came up.
    #[serde(default)]
    pub rehearsed: usize,
    /// Workloads whose unfinished move was given up.
    #[serde(default)]
    pub removed: usize,
    /// Items that were as they should be.
    pub unchanged: usize,
    /// Items that were left alone: of another owner, or not to be worked on.
    pub skipped: usize,
    /// Items that could not be done.
    pub failed: usize,
    /// Why, one entry for each failed item.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

/// Why an item failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Which item: `networks net1`, `workload web`.
    pub item: String,
    /// What kind of error it was.
    pub kind: ErrorKind,
    /// What failed, with its causes.
    pub error: String,
    /// What the operator can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Summary {
    /// Counts an item that did not fail.
    pub fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Created => self.created += 1,
            Outcome::Written => self.written += 1,
            Outcome::Updated => self.updated += 1,
            Outcome::Seeded => self.seeded += 1,
            Outcome::Rehearsed => self.rehearsed += 1,
            Outcome::Removed => self.removed += 1,
            Outcome::Unchanged => self.unchanged += 1,
            Outcome::Exists | Outcome::Skipped => self.skipped += 1,
            Outcome::Failed => self.failed += 1,
        }
    }

    /// Counts an item that failed, and keeps why.
    pub fn fail(&mut self, item: impl Into<String>, error: &Error) {
        self.failed += 1;
        self.failures.push(Failure {
            item: item.into(),
            kind: error.kind(),
            error: error.chain(),
            hint: error.context().hint.clone(),
        });
    }

    /// Adds the counts of another summary.
    pub fn add(&mut self, other: Self) {
        self.created += other.created;
        self.written += other.written;
        self.updated += other.updated;
        self.seeded += other.seeded;
        self.rehearsed += other.rehearsed;
        self.removed += other.removed;
        self.unchanged += other.unchanged;
        self.skipped += other.skipped;
        self.failed += other.failed;
        self.failures.extend(other.failures);
    }

    /// How many items there were.
    pub fn total(&self) -> usize {
        self.changed() + self.rehearsed + self.unchanged + self.skipped + self.failed
    }

    /// Whether anything is another than it was before.
    pub fn has_changed(&self) -> bool {
        self.changed() > 0
    }

    fn changed(&self) -> usize {
        self.created + self.written + self.updated + self.seeded + self.removed
    }

    /// Whether nothing failed.
    pub fn is_success(&self) -> bool {
        self.failed == 0
    }

    /// Whether an item failed with an error of `kind`.
    pub fn has(&self, kind: ErrorKind) -> bool {
        self.failures.iter().any(|failure| failure.kind == kind)
    }
}
