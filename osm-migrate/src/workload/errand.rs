//! What a run is for, and what that means for one workload.

use super::job::Job;
use super::rehearse::RehearsalOptions;
use super::seed::SeedOptions;
use crate::course::Done;
use crate::{Outcome, Result, Step};

/// What is to be done with the workloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Errand {
    /// Move them.
    Move,
    /// Copy their disks while they run.
    Seed(SeedOptions),
    /// Boot clones of what has been copied, and throw them away.
    Rehearse(RehearsalOptions),
    /// Move those whose disks have been copied while they ran.
    CutOver,
    /// Remove what an unfinished move has made.
    CleanUp,
}

impl Errand {
    /// Its verb, as it is typed and recorded.
    fn verb(&self) -> &'static str {
        match self {
            Self::Move => "migrate",
            Self::Seed(_) => "seed",
            Self::Rehearse(_) => "rehearse",
            Self::CutOver => "cutover",
            Self::CleanUp => "cleanup",
        }
    }

    /// Whether servers are stopped and made.
    pub(super) fn moves(&self) -> bool {
        matches!(self, Self::Move | Self::CutOver)
    }
}

impl Job<'_> {
    /// Does the errand; gives the id of the destination server, if there is one.
    pub(super) async fn run(&self, errand: &Errand) -> Result<(Option<String>, Outcome)> {
        self.step(Step::Preflight, async { Ok(Done::silent(())) }).await?;
        self.step(Step::Claim, async { Ok(Done::new((), format!("epoch {}", self.course.claim.epoch))) })
            .await?;
        self.course.record(Step::Claim, ERRAND, Some(errand.verb())).await?;
        match errand {
            Errand::Move => self.migrate(false).await,
            Errand::Seed(options) => Box::pin(self.seed(options)).await,
            Errand::Rehearse(options) => Box::pin(self.rehearse(*options)).await,
            Errand::CutOver => self.migrate(true).await,
            Errand::CleanUp => self.clean_up().await,
        }
    }
}

/// Under which item of the claim it is recorded what a run is for.
pub(crate) const ERRAND: &str = "errand";
