//! Conversion hosts behind ssh: deployment, quoting, the leash. The ssh client is a stand-in that
//! runs the remote command here, in another home.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use osm_migrate::ErrorKind;
use osm_migrate::agent::{AgentCommand, HashArgs};
use osm_migrate::host::{AgentStdio, ConversionHost as _, SshHost, SshSpec};

const VOLUME: &str = "0e9ff1ab-fb8d-4c12-81c4-29d519d09cb9";

struct Stage {
    dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(stage.path("home")).unwrap();
        let home = stage.path("home");
        let log = stage.path("ssh.log");
        stage.script(
            "ssh",
            &format!(
                r#"echo "$*" | tr '\n' ' ' >> '{log}'
echo >> '{log}'
while [ "$1" != -- ]; do shift; done
shift 2
HOME='{home}' exec sh -c "$*""#,
                log = log.display(),
                home = home.display()
            ),
        );
        stage.agent(
            r#"case "$2" in
device) echo "{\"report\":\"devices\",\"devices\":[{\"path\":\"$7\",\"size\":5}]}" >&2 ;;
hash) while [ -e "$OSM_AGENT_LEASH" ]; do sleep 0.05; echo '{"report":"heartbeat"}' >&2; done
      touch "$HOME/leash-gone" ;;
esac"#,
        );
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn agent(&self, text: &str) {
        self.script("agent", &format!("[ \"$1\" = --version ] && exit 0\n{text}"));
    }

    fn host(&self, spec: SshSpec) -> SshHost {
        SshHost::new(spec, "host.example", self.path("agent")).unwrap().with_client(self.path("ssh"))
    }

    fn plain(&self) -> SshHost {
        self.host(SshSpec { server: "conv".into(), ..SshSpec::default() })
    }

    fn deployed(&self) -> Vec<PathBuf> {
        let folder = self.path("home/.cache/osm");
        let mut found: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("osm-cli-"));
        found
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("ssh.log")).unwrap_or_default()
    }
}

#[tokio::test]
async fn the_agent_is_copied_once_and_again_when_it_is_another() {
    let stage = Stage::new();
    stage.plain().prepare().await.unwrap();
    let first = stage.deployed();
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(fs::read(&first[0]).unwrap(), fs::read(stage.path("agent")).unwrap());
    assert_eq!(fs::metadata(&first[0]).unwrap().permissions().mode() & 0o777, 0o700);

    let modified = fs::metadata(&first[0]).unwrap().modified().unwrap();
    stage.plain().prepare().await.unwrap();
    assert_eq!(fs::metadata(&first[0]).unwrap().modified().unwrap(), modified, "copied again");

    fs::write(&first[0], "half an agent").unwrap();
    stage.plain().prepare().await.unwrap();
    assert_eq!(fs::read(&first[0]).unwrap(), fs::read(stage.path("agent")).unwrap(), "mended");

    stage.agent("exit 0 # another version");
    stage.plain().prepare().await.unwrap();
    assert_eq!(stage.deployed().len(), 2);
}

#[tokio::test]
async fn words_reach_the_agent_as_they_are() {
    let stage = Stage::new();
    let devices = "/dev/it's a $HOME `folder`";
    let spec = SshSpec { server: "conv".into(), devices: Some(devices.into()), ..SshSpec::default() };
    let found = stage.host(spec).devices_of(&[VOLUME.to_owned()], Duration::from_secs(1)).await.unwrap();
    assert_eq!(found[0].path, Path::new(devices));
}

#[tokio::test]
async fn host_keys_are_checked_and_no_question_is_asked() {
    let stage = Stage::new();
    stage.plain().prepare().await.unwrap();
    for line in stage.log().lines() {
        assert!(line.contains("StrictHostKeyChecking=yes"), "{line}");
        assert!(line.contains("BatchMode=yes"), "{line}");
        assert!(line.contains("-- host.example"), "{line}");
    }
    fs::remove_file(stage.path("ssh.log")).unwrap();
    let spec = SshSpec { server: "conv".into(), accept_new: true, ..SshSpec::default() };
    stage.host(spec).prepare().await.unwrap();
    assert!(stage.log().lines().all(|line| line.contains("StrictHostKeyChecking=accept-new")));
}

#[tokio::test]
async fn agents_end_when_the_orchestrator_does() {
    let stage = Stage::new();
    let host = stage.plain();
    let agent = AgentCommand::Hash(HashArgs { device: "/dev/vdb".into(), size: 1, identity: None });
    let mut process = host.spawn(agent, AgentStdio::None).await.unwrap();
    assert!(process.next().await.unwrap().is_some(), "it runs");
    // Dropping the host closes the leash, as the death of this process would.
    drop(host);
    let deadline = Instant::now() + Duration::from_secs(10);
    while process.next().await.unwrap().is_some() {
        assert!(Instant::now() < deadline, "the agent outlives its leash");
    }
    assert!(stage.path("home/leash-gone").exists());
}

#[tokio::test]
async fn a_host_that_refuses_is_an_error_with_its_words() {
    let stage = Stage::new();
    stage.script("ssh", "echo 'Host key verification failed.' >&2; exit 255");
    let error = stage.plain().prepare().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Host);
    assert!(error.to_string().contains("Host key verification failed"), "{error}");
    assert!(error.context().hint.as_deref().unwrap_or_default().contains("host-key"));
}

#[test]
fn an_address_is_never_an_option() {
    let spec = SshSpec { server: "conv".into(), ..SshSpec::default() };
    assert!(SshHost::new(spec, "-oProxyCommand=evil", "/agent").is_err());
}
