//! Several runs want one workload: one proceeds, the others are told by whom it is held and since when,
//! whether they share the data directory or nothing but the cloud.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use stage::{Stage, success, text};

/// A cloud slow enough for two runs to meet.
fn stage() -> Stage {
    Stage::small_and_slow(Duration::from_millis(100))
}

fn begin(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn both(one: Command, other: Command) -> [Output; 2] {
    let (one, other) = (begin(one), begin(other));
    [one.wait_with_output().unwrap(), other.wait_with_output().unwrap()]
}

/// One of them moved it, the other was told who did.
async fn one_proceeds(stage: &Stage, volumes: &[String], ended: &[Output]) {
    let (done, refused): (Vec<&Output>, Vec<&Output>) = ended.iter().partition(|it| it.status.success());
    assert_eq!((done.len(), refused.len()), (1, 1), "{}\n{}", text(&ended[0]), text(&ended[1]));
    let told = text(refused[0]);
    assert!(told.contains("works on it since 20") && told.contains(" UTC"), "{told}");
    assert!(told.contains("process "), "{told}");
    assert_eq!(refused[0].status.code(), Some(1), "{told}");
    stage.moved_once("small", volumes).await;
    stage.equal_disks("small", volumes).await;
    stage.no_orphans(1, 2, 1, 0);
}

fn copy_data_dir(stage: &Stage, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(stage.data_dir()).unwrap().flatten() {
        if file.path().extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_of_one_data_directory() {
    let stage = stage();
    let volumes = stage.volumes("src", "small").await;
    let ended = both(stage.migrate(), stage.migrate());
    one_proceeds(&stage, &volumes, &ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_who_share_nothing_but_the_cloud() {
    let stage = stage();
    let volumes = stage.volumes("src", "small").await;
    let elsewhere = stage.dir.path().join("elsewhere");
    copy_data_dir(&stage, &elsewhere);
    let ended = both(stage.migrate(), stage.work_in(&elsewhere, "migrate"));
    one_proceeds(&stage, &volumes, &ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_and_a_move() {
    let stage = stage();
    let seed = begin(stage.work("seed", &["--passes", "3"]));
    // It has begun by then, or the move has; either way one is told of the other.
    std::thread::sleep(Duration::from_millis(600));
    let moved = stage.migrate().output().unwrap();
    let seeded = seed.wait_with_output().unwrap();
    assert!(seeded.status.success(), "{}", text(&seeded));
    assert!(text(&moved).contains("works on it since 20"), "{}", text(&moved));
    success(&stage.work("cutover", &[]).output().unwrap());
}

/// The claim of a run on another machine.
fn foreign(beat: u64) -> BTreeMap<String, String> {
    let value = serde_json::json!({
        "host": "their-host", "boot": "another boot", "pid": 4242, "started": 1, "epoch": 3,
        "since": 1_790_000_000, "beat": beat,
    });
    BTreeMap::from([("osm_claim_0badcafe".to_owned(), value.to_string())])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_on_another_machine_that_lives() {
    let stage = Stage::small();
    let compute = stage.session("src").await.compute().await.unwrap();
    let id = stage.lab.src().server_id("small").unwrap();
    compute.set_server_metadata(&id, &foreign(1)).await.unwrap();
    let renews = tokio::spawn({
        let (compute, id) = (compute.clone(), id.clone());
        async move {
            for beat in 2.. {
                tokio::time::sleep(Duration::from_secs(1)).await;
                compute.set_server_metadata(&id, &foreign(beat)).await.unwrap();
            }
        }
    });
    let mut command = stage.migrate();
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    renews.abort();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let told = text(&output);
    assert!(told.contains("process 4242 on their-host works on it since 2026-09-21"), "{told}");
    let here = compute.server(&id).await.unwrap().unwrap();
    assert_eq!(here.status, "ACTIVE");
    assert!(here.metadata.contains_key("osm_claim_0badcafe"), "the claim of the other is left alone");
    assert_eq!(here.metadata.keys().filter(|key| key.starts_with("osm_")).count(), 1, "{:?}", here.metadata);
    stage.no_orphans(0, 0, 0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_on_another_machine_that_is_dead_is_taken_over() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let compute = stage.session("src").await.compute().await.unwrap();
    let id = stage.lab.src().server_id("small").unwrap();
    compute.set_server_metadata(&id, &foreign(1)).await.unwrap();
    success(&stage.migrate().output().unwrap());
    stage.moved_once("small", &volumes).await;
    stage.no_orphans(1, 2, 1, 0);
}
