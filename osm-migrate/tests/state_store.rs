//! The state store: claims, epochs, and what survives.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::process::Command;

use osm_migrate::state::{Checkpoint, Job, JobStatus, Owner, SqliteStore, StateStore};
use osm_migrate::{ErrorKind, Event, Step};

fn open(dir: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(&dir.path().join("state.db")).unwrap()
}

fn checkpoint(step: Step, item: &str) -> Checkpoint {
    Checkpoint { step, item: item.into(), data: Some("made".into()) }
}

#[tokio::test]
async fn a_job_of_a_live_process_is_refused_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.put_job(&Job::new("j", "web")).await.unwrap();
    store.claim("j", &Owner::current()).await.unwrap();

    let error = store.claim("j", &Owner::current()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Claimed);
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    assert!(error.to_string().contains("web"), "{error}");
}

#[tokio::test]
async fn a_job_of_a_dead_process_is_taken_over_and_its_epoch_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.put_job(&Job::new("j", "web")).await.unwrap();
    let mut child = Command::new("true").spawn().unwrap();
    let dead = Owner { pid: child.id(), started: 1, ..Owner::current() };
    child.wait().unwrap();
    let old = store.claim("j", &dead).await.unwrap();
    store.checkpoint(&old, &checkpoint(Step::StopSource, "")).await.unwrap();

    let new = store.claim("j", &Owner::current()).await.unwrap();
    assert_eq!(new.epoch, old.epoch + 1);
    for refused in [
        store.heartbeat(&old).await,
        store.checkpoint(&old, &checkpoint(Step::Snapshot, "")).await,
        store.forget(&old, Step::StopSource).await,
        store.record(&old, &Event::WorkloadStarted { workload: "web".into() }).await,
        store.complete(&old, JobStatus::Done, None).await,
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::StaleEpoch);
    }
    store.heartbeat(&new).await.unwrap();
    assert_eq!(store.checkpoints("j").await.unwrap(), [checkpoint(Step::StopSource, "")]);
}

#[tokio::test]
async fn a_finished_claim_frees_the_job_and_ends_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.put_job(&Job::new("j", "web")).await.unwrap();
    let claim = store.claim("j", &Owner::current()).await.unwrap();
    store.complete(&claim, JobStatus::Failed, Some("no room")).await.unwrap();

    let job = store.job("j").await.unwrap().unwrap();
    assert_eq!((job.status, job.detail.as_deref()), (JobStatus::Failed, Some("no room")));
    assert_eq!(store.heartbeat(&claim).await.unwrap_err().kind(), ErrorKind::StaleEpoch);
    store.claim("j", &Owner::current()).await.unwrap();
}

#[tokio::test]
async fn everything_is_there_after_the_file_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let event = Event::StepStarted { workload: "web".into(), step: Step::Snapshot };
    {
        let store = open(&dir);
        store.put_job(&Job::new("j", "web")).await.unwrap();
        let claim = store.claim("j", &Owner::current()).await.unwrap();
        store.checkpoint(&claim, &checkpoint(Step::CopyDisks, "v1")).await.unwrap();
        store.checkpoint(&claim, &checkpoint(Step::CopyDisks, "v2")).await.unwrap();
        store.checkpoint(&claim, &checkpoint(Step::CopyDisks, "v1")).await.unwrap();
        store.record(&claim, &event).await.unwrap();
        store.complete(&claim, JobStatus::Done, Some("server-2")).await.unwrap();
    }
    let store = open(&dir);
    store.put_job(&Job::new("j", "web")).await.unwrap();
    let jobs = store.jobs().await.unwrap();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].status, JobStatus::Done, "putting a known job does not reset it");
    let items: Vec<_> = store.checkpoints("j").await.unwrap().into_iter().map(|c| c.item).collect();
    assert_eq!(items, ["v1", "v2"]);
    assert_eq!(store.events("j").await.unwrap()[0].event, event);
}

#[tokio::test]
async fn forgetting_a_step_leaves_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.put_job(&Job::new("j", "web")).await.unwrap();
    let claim = store.claim("j", &Owner::current()).await.unwrap();
    store.checkpoint(&claim, &checkpoint(Step::Snapshot, "")).await.unwrap();
    store.checkpoint(&claim, &checkpoint(Step::CopyDisks, "v1")).await.unwrap();
    store.forget(&claim, Step::Snapshot).await.unwrap();
    assert_eq!(store.checkpoints("j").await.unwrap(), [checkpoint(Step::CopyDisks, "v1")]);
}

#[test]
fn a_state_file_of_a_later_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    drop(open(&dir));
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(error.to_string().contains("99"), "{error}");
}
