//! One resource, and what became of it.

use std::fmt;

use osm_model::{Kind, Resource};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::label::label;

/// How the work on one item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was made.
    Created,
    /// It was added to its file.
    Written,
    /// It was there and has been changed.
    Updated,
    /// Its disks were copied while it ran.
    Seeded,
    /// A clone of its copies came up.
    Rehearsed,
    /// What an unfinished move had made of it is gone.
    Removed,
    /// It was there, as it should be.
    Unchanged,
    /// Something of its name is there that is not ours; it was left alone.
    Exists,
    /// It is not to be worked on.
    Skipped,
    /// It could not be done.
    Failed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Written => "written",
            Self::Updated => "updated",
            Self::Seeded => "seeded",
            Self::Rehearsed => "rehearsed",
            Self::Removed => "removed",
            Self::Unchanged => "unchanged",
            Self::Exists => "exists",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        })
    }
}

/// What an outcome means to automation, in the words of Ansible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemResult {
    /// It was made or changed.
    Changed,
    /// It was as it should be.
    Ok,
    /// It was left alone.
    Skipped,
    /// It could not be done.
    Failed,
}

impl From<Outcome> for ItemResult {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Created | Outcome::Written | Outcome::Updated | Outcome::Seeded | Outcome::Removed => {
                Self::Changed
            }
            Outcome::Unchanged | Outcome::Rehearsed => Self::Ok,
            Outcome::Exists | Outcome::Skipped => Self::Skipped,
            Outcome::Failed => Self::Failed,
        }
    }
}

/// What became of one resource. docs/output.md promises its members to programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The plural word of its kind: `networks`.
    pub kind: String,
    /// Its name, or what tells it apart when it has none; none when the whole kind failed.
    pub name: Option<String>,
    /// Its id in the source cloud.
    pub source_id: Option<String>,
    /// Its id in the destination cloud, when it is there.
    pub destination_id: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// What that means: changed, ok, skipped or failed.
    pub result: ItemResult,
    /// Why, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Item {
    /// A resource of `kind`, about which nothing else is known.
    pub(crate) fn new(kind: Kind, outcome: Outcome) -> Self {
        Self {
            kind: kind.word().to_owned(),
            name: None,
            source_id: None,
            destination_id: None,
            outcome,
            result: outcome.into(),
            error: None,
        }
    }

    /// This resource.
    pub(crate) fn of(kind: Kind, resource: &Resource, outcome: Outcome) -> Self {
        let source_id = resource.id().map(str::to_owned);
        Self { name: label(resource), source_id, ..Self::new(kind, outcome) }
    }

    /// The same item, which has this id in the destination cloud.
    pub(crate) fn at_destination(self, id: String) -> Self {
        Self { destination_id: Some(id).filter(|id| !id.is_empty()), ..self }
    }

    /// The same item, which could not be done.
    pub(crate) fn failed(self, error: &Error) -> Self {
        let outcome = Outcome::Failed;
        Self { outcome, result: outcome.into(), error: Some(error.chain()), ..self }
    }

    /// The same item, which ended so after all.
    pub(crate) fn ended(self, outcome: Outcome) -> Self {
        Self { outcome, result: outcome.into(), ..self }
    }

    /// What it is called among the failures of a summary: `networks net1`.
    pub(crate) fn title(&self) -> String {
        match self.name.as_deref().or(self.source_id.as_deref()) {
            Some(name) => format!("{} {name}", self.kind),
            None => self.kind.clone(),
        }
    }
}
