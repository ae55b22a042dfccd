//! vSphere's password and its sessions are nobody's business: not other users' of the host, who see arguments, not
//! that of whoever reads logs, files or another cloud's requests.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../machines/mod.rs"]
mod machines;
mod sampler;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use machines::*;
use osm_lab::vcenter::{DiskSeed, MachineSeed, NicSeed, VCenter, VCenterOptions, VFault, VFaultKind};
use osm_migrate::agent::{FetchOrder, RemoteDisk, Secret};
use osm_vmware::{Session, SessionConfig};
use sampler::{Sampler, Samples};

/// A password in all the ways in which it may be written somewhere.
struct Password {
    forms: Vec<Vec<u8>>,
}

impl Password {
    fn new(plain: &str) -> Self {
        let escaped = |amp: &str, less: &str| plain.replace('&', amp).replace('<', less);
        let mut forms = vec![
            plain.to_owned(),
            escaped("&amp;", "&lt;"),
            escaped("&#38;", "&#60;"),
            escaped("%26", "%3C"),
            escaped("\\u0026", "\\u003c"),
        ];
        // As a part of something longer it begins at any of three places; its first and last letters are mixed with others.
        for before in 0..3 {
            let encoded = STANDARD.encode(format!("{}{plain}", "x".repeat(before)));
            let whole = (before + plain.len()) / 3 * 4;
            forms.push(encoded[before.div_ceil(3) * 4..whole].to_owned());
        }
        Self { forms: forms.into_iter().map(String::into_bytes).collect() }
    }

    /// The form of it that is in there.
    fn found_in(&self, bytes: &[u8]) -> Option<String> {
        let is_in = |form: &&Vec<u8>| bytes.windows(form.len()).any(|part| part == form.as_slice());
        self.forms.iter().find(is_in).map(|form| String::from_utf8_lossy(form).into_owned())
    }
}

/// What may be a session of the lab's: that many hexadecimal digits, and not one more.
fn session_in(bytes: &[u8]) -> Option<String> {
    const DIGITS: usize = 40;
    let words = bytes.split(|byte| !byte.is_ascii_alphanumeric());
    let mut sessions = words.filter(|word| word.len() == DIGITS && word.iter().all(u8::is_ascii_hexdigit));
    sessions.next().map(|word| String::from_utf8_lossy(word).into_owned())
}

/// Nothing secret is in there.
fn is_clean(password: &Password, place: &str, bytes: &[u8]) {
    let found = password.found_in(bytes).or_else(|| session_in(bytes));
    assert_eq!(found, None, "in {place}: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]));
}

fn no_sample_is_secret(password: &Password, samples: &Samples) {
    for line in &samples.arguments {
        is_clean(password, "the arguments of a process", line);
    }
    for block in &samples.environments {
        is_clean(password, "the environment of a process", block);
    }
}

/// All files below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// A machine with enough on its disk for a process to be seen that fetches it.
fn machine() -> MachineSeed {
    let disk = DiskSeed::new(BOOT, 16 * MIB).with(0, Chance::new(1).bytes(12 * MIB));
    MachineSeed {
        disks: vec![disk],
        nics: vec![NicSeed::new("00:50:56:01:02:03", "VM Network")],
        cpus: 1,
        memory_mib: 256,
        ..MachineSeed::new("app01")
    }
}

fn stage() -> (VCenter, Stage) {
    let dir = tempfile::tempdir().unwrap();
    let vcenter = VCenter::start(VCenterOptions::new(dir.path().join("vcenter"))).unwrap();
    vcenter.add_machine(machine()).unwrap();
    let vsphere = Vsphere {
        url: vcenter.url(),
        user: VCenter::USER.to_owned(),
        password: VCenter::PASSWORD.to_owned(),
        authority: vcenter.ca_pem().to_owned(),
    };
    (vcenter, Stage::new(dir, vsphere))
}

#[tokio::test]
async fn kit_b08_no_process_log_file_or_request_of_a_run_tells_a_secret() {
    let (vcenter, stage) = stage();
    let password = Password::new(VCenter::PASSWORD);
    // There is something to be seen for a while.
    vcenter.fault(VFault::new("GET /folder", VFaultKind::Latency(Duration::from_millis(100))).times(1000));
    let sampler = Sampler::start();
    let run = |verb: &str| -> Output {
        // As much as can be had; agents inherit it.
        stage.work(verb, &["-vv"]).env("OSM_LOG", "trace").output().unwrap()
    };
    let mut said = vec![run("seed")];
    vcenter.guest_write("app01", BOOT, MIB, &[7; 1 << 20]).unwrap();
    // A session that ends makes for another login, and one agent that fails says all it knows.
    vcenter.fault(VFault::new("QueryChangedDiskAreas", VFaultKind::Expire));
    said.push(run("seed"));
    vcenter.guest_write("app01", BOOT, 2 * MIB, &[8; 1 << 20]).unwrap();
    vcenter.fault(VFault::new("GET /folder", VFaultKind::Status(403)).times(1));
    let failed = run("seed");
    assert!(!failed.status.success() && text(&failed).contains("403"), "{}", text(&failed));
    vcenter.clear_faults();
    vcenter.fault(VFault::new("GET /folder", VFaultKind::Latency(Duration::from_millis(100))).times(1000));
    said.push(run("cutover"));
    let samples = sampler.stop();
    for output in &said {
        assert!(output.status.success(), "{}", text(output));
        assert!(text(output).contains("TRACE"), "it says as much as it can");
    }
    assert_eq!(stage.server_status("app01").await.as_deref(), Some("ACTIVE"));

    // The sampler was awake.
    let sees = |words: &[&str]| {
        let has = |line: &[u8], word: &str| line.split(|byte| *byte == 0).any(|one| one == word.as_bytes());
        samples.arguments.iter().any(|line| words.iter().all(|word| has(line, word)))
    };
    eprintln!("{} looks, {} a second", samples.looks, samples.rate());
    assert!(sees(&["vmware", "seed"]) && sees(&["vmware", "cutover"]) && sees(&["agent", "fetch"]));
    assert!(samples.environments.iter().any(|block| block.windows(8).any(|part| part == b"OSM_LOG=")));
    no_sample_is_secret(&password, &samples);

    said.push(failed);
    for output in &said {
        is_clean(&password, "standard output", &output.stdout);
        is_clean(&password, "standard error", &output.stderr);
    }
    let mut found = Vec::new();
    for folder in [stage.data_dir(), stage.dir.path().join("tmp"), stage.dir.path().join("home")] {
        files(&folder, &mut found);
    }
    for name in ["machines.yml", "state.db", "workload_logs/app01.log"] {
        assert!(found.iter().any(|path| path.ends_with(name)), "{name} is not among {found:?}");
    }
    for path in &found {
        is_clean(&password, &path.display().to_string(), &fs::read(path).unwrap());
    }
    let requests = [stage.lab.src().requests(), stage.lab.dst().requests()].concat();
    assert!(requests.len() > 20, "{}", requests.len());
    for request in &requests {
        is_clean(&password, &request.path, format!("{} {}", request.path, request.body).as_bytes());
    }
}

#[tokio::test]
async fn what_is_shown_of_a_session_and_an_order_is_not_its_password() {
    let (vcenter, stage) = stage();
    let Vsphere { url, user, password: plain, authority } = stage.vsphere.clone();
    let password = Password::new(&plain);
    let config = SessionConfig {
        server: url.clone(),
        user: user.clone(),
        password: plain.clone().into(),
        authorities: Some(authority),
        thumbprint: None,
    };
    let session = Session::connect(config.clone()).await.unwrap();
    let reach = osm_migrate::agent::Vsphere {
        server: url,
        user,
        password: Secret(config.password.clone()),
        authorities: config.authorities.clone(),
        thumbprint: None,
    };
    let disk = session.machines().await.unwrap().remove(0).disks.remove(0);
    let way = RemoteDisk::Datastore { vsphere: reach, machine: "vm-1".to_owned(), disk: Box::new(disk) };
    let order = FetchOrder {
        ways: vec![way],
        size: 1,
        changed: Vec::new(),
        from: 0,
        allocated: None,
        compare: false,
        dense: false,
        prove: true,
        segment: 1,
    };
    let written = serde_json::to_vec(&order).unwrap();
    assert!(password.found_in(&written).is_some(), "an agent is told it, and this is how");
    is_clean(&password, "Debug", format!("{config:?} {session:?} {order:?}").as_bytes());
    vcenter.expire_sessions();
    let wrong = SessionConfig { password: "another&one<9Xw".to_owned().into(), ..config };
    let error = Session::connect(wrong).await.unwrap_err();
    is_clean(&Password::new("another&one<9Xw"), "an error", format!("{error} {error:?}").as_bytes());
}

#[tokio::test]
async fn secrets_in_arguments_and_environments_and_sessions_are_found() {
    // Another one than that of the run which may be looked at just now.
    let plain = "seen&found<8Vm";
    let password = Password::new(plain);
    for (argument, variable) in [(plain, "none"), ("none", plain)] {
        let sampler = Sampler::start();
        let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
        let child = Command::new("sh").args(["-c", script, "sh", argument]).env("SECRET", variable).status();
        assert!(child.unwrap().success());
        let samples = sampler.stop();
        let found = |all: &std::collections::BTreeSet<Vec<u8>>| {
            all.iter().any(|one| password.found_in(one).is_some())
        };
        assert_eq!(
            (found(&samples.arguments), found(&samples.environments)),
            (argument == plain, variable == plain)
        );
    }
    for written in [format!("user:{plain}"), format!("me:{plain}"), format!("a:{plain}"), plain.to_owned()] {
        assert!(password.found_in(STANDARD.encode(&written).as_bytes()).is_some(), "{written}");
    }
    assert!(password.found_in(b"<password>seen&amp;found&lt;8Vm</password>").is_some());

    let (_vcenter, stage) = stage();
    let login = format!(
        "<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\"><Body><Login xmlns=\"urn:vim25\"><_this \
         type=\"SessionManager\">SessionManager</_this><userName>{}</userName><password>{}</password></Login></Body></Envelope>",
        stage.vsphere.user,
        VCenter::PASSWORD.replace('&', "&amp;").replace('<', "&lt;")
    );
    let url = format!("{}/sdk", stage.vsphere.url);
    let answer = stage.vsphere.http().post(url).body(login).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].as_bytes();
    assert!(session_in(cookie).is_some(), "a session looks different: {}", String::from_utf8_lossy(cookie));
}
