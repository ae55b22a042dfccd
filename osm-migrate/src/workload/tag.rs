//! The metadata by which a job finds its own things, in both clouds.

use std::collections::BTreeMap;

use crate::Step;

/// The job: the id of the source server.
pub(crate) const JOB: &str = "osm_job";
/// On a volume of the source: the server it was taken from for a while. Not [`JOB`]: a volume that was
/// itself a copy once still says so, and two projects may be one.
pub(crate) const LENT: &str = "osm_lent";
/// The step that made the thing.
pub(crate) const STEP: &str = "osm_step";
/// The source volume a copy is of; [`BOOT_IMAGE`] for the boot disk of a server without one.
pub(crate) const SOURCE_VOLUME: &str = "osm_source_volume";
/// How far a copy is: [`SEEDING`] or [`COMPLETE`].
pub(crate) const STATE: &str = "osm_state";
/// The stop of the source server that a copy shows.
pub(crate) const POINT: &str = "osm_point";
/// How the point of a source begins whose story cannot be read.
pub(crate) const UNKNOWN: &str = "unknown";
/// The root of the hash of a complete copy.
pub(crate) const DIGEST: &str = "osm_digest";
/// How many passes a copy has had while its source ran.
pub(crate) const PASSES: &str = "osm_passes";
/// How the keys of claims on a source begin; the run's own part follows.
pub(crate) const CLAIM: &str = "osm_claim_";
/// On what a rehearsal has made: the source server.
pub(crate) const REHEARSAL: &str = "osm_rehearsal";
/// On a source server: it ran before the job stopped it.
pub(crate) const STOPPED: &str = "osm_stopped";

/// A copy may lack bytes.
pub(crate) const SEEDING: &str = "seeding";
/// A server has not come up, and is to be deleted.
pub(crate) const REJECTED: &str = "rejected";
/// A copy is hashed and equal; a server is moved.
pub(crate) const COMPLETE: &str = "complete";

/// The boot disk of a server that has no boot volume.
pub(crate) const BOOT_IMAGE: &str = "boot-image";

/// Whether a key is one of ours: what was moved before must not pass for what is moved now.
pub(crate) fn is_ours(key: &str) -> bool {
    key.starts_with(CLAIM)
        || [JOB, LENT, STEP, SOURCE_VOLUME, STATE, POINT, DIGEST, PASSES, REHEARSAL, STOPPED].contains(&key)
}

/// What all things of a job carry.
pub(crate) fn of(job: &str, step: Step) -> BTreeMap<String, String> {
    pairs([(JOB, job), (STEP, step.as_str())])
}

/// Metadata from pairs.
pub(crate) fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
