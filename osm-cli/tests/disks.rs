//! `copy`, `verify` and `serve`, as an operator types them.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

const MIB: usize = 1 << 20;

#[test]
fn a_copy_equals_its_source_and_stays_sparse() {
    let folder = TempDir::new().unwrap();
    let source = disk(&folder, "source", 64 * MIB as u64, &[(0, 3 * MIB), (40 * MIB, MIB + 513)]);
    let destination = folder.path().join("destination");
    let copied = osm(&["copy", path(&source), path(&destination), "--verify", "--output", "json"]);
    assert!(copied.status.success(), "{copied:?}");
    assert_eq!(fs::read(&source).unwrap(), fs::read(&destination).unwrap());
    let line: serde_json::Value = serde_json::from_slice(&copied.stdout).unwrap();
    assert_eq!(line["event"], "copied");
    assert_eq!(line["size"], 64 * MIB);
    assert!(line["digest"].as_str().unwrap().len() == 64);
    assert!(line["zeroed"].as_u64().unwrap() > 50 * MIB as u64, "holes travel as holes: {line}");
}

#[test]
fn a_copy_is_proven_while_it_is_made() {
    let folder = TempDir::new().unwrap();
    let source = disk(&folder, "source", 5 * MIB as u64 + 700, &[(MIB, 2 * MIB), (5 * MIB, 600)]);
    let digests: Vec<String> = ["--verify=inline", "--verify=read-back"]
        .map(|how| {
            let destination = folder.path().join(how);
            let copied = osm(&["copy", path(&source), path(&destination), how, "--output", "json"]);
            assert!(copied.status.success(), "{copied:?}");
            assert_eq!(fs::read(&source).unwrap(), fs::read(&destination).unwrap());
            let line: serde_json::Value = serde_json::from_slice(&copied.stdout).unwrap();
            line["digest"].as_str().unwrap().to_owned()
        })
        .into();
    assert_eq!(digests[0], digests[1]);
    let source = path(&source);
    let refused = osm(&["copy", source, &format!("{source}-2"), "--skip-bad", "--verify"]);
    assert_eq!(refused.status.code(), Some(2), "what is left out is not called verified: {refused:?}");
}

#[test]
fn a_copy_through_our_own_server_equals_its_source() {
    let folder = TempDir::new().unwrap();
    let source = disk(&folder, "source", 9 * MIB as u64 + 512, &[(MIB, 2 * MIB)]);
    let socket = folder.path().join("nbd.sock");
    let server = Serving::start(&source, &socket);
    let destination = folder.path().join("destination");
    let uri = format!("nbd+unix:///?socket={}", socket.display());
    let copied = osm(&["copy", &uri, path(&destination)]);
    assert!(copied.status.success(), "{copied:?}");
    assert_eq!(fs::read(&source).unwrap(), fs::read(&destination).unwrap());
    let verified = osm(&["verify", &uri, path(&destination)]);
    assert!(verified.status.success(), "{verified:?}");
    drop(server);
}

#[test]
fn verify_names_the_range_that_differs_and_exits_with_4() {
    let folder = TempDir::new().unwrap();
    let source = disk(&folder, "source", 8 * MIB as u64, &[(0, 8 * MIB)]);
    let other = folder.path().join("other");
    let mut bytes = fs::read(&source).unwrap();
    bytes[5 * MIB + 17] ^= 1;
    fs::write(&other, bytes).unwrap();
    let verified = osm(&["verify", path(&source), path(&other), "--output", "json"]);
    assert_eq!(verified.status.code(), Some(4), "{verified:?}");
    let line: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(line["equal"], false);
    let range = &line["differing"][0];
    let (offset, len) = (range["offset"].as_u64().unwrap(), range["len"].as_u64().unwrap());
    let flipped = (5 * MIB + 17) as u64;
    assert!(offset <= flipped && flipped < offset + len, "{line}");
    assert_eq!(line["differing"].as_array().unwrap().len(), 1);
}

#[test]
fn a_destination_smaller_than_its_source_is_refused_before_it_is_touched() {
    let folder = TempDir::new().unwrap();
    let source = disk(&folder, "source", 2 * MIB as u64, &[(0, MIB)]);
    let destination = folder.path().join("destination");
    fs::write(&destination, vec![7; MIB]).unwrap();
    let copied = osm(&["copy", path(&source), path(&destination)]);
    assert_eq!(copied.status.code(), Some(2), "{copied:?}");
    let said = String::from_utf8_lossy(&copied.stderr).into_owned();
    assert!(said.contains("2097152") && said.contains("1048576"), "both sizes are named: {said}");
    assert_eq!(fs::read(&destination).unwrap(), vec![7; MIB]);
}

#[test]
fn a_delta_moves_only_what_differs() {
    let folder = TempDir::new().unwrap();
    let source = disk(&folder, "source", 32 * MIB as u64, &[(0, 20 * MIB)]);
    let destination = folder.path().join("destination");
    let mut bytes = fs::read(&source).unwrap();
    for at in [5 * MIB + 3, 17 * MIB, 25 * MIB] {
        bytes[at] ^= 1;
    }
    fs::write(&destination, bytes).unwrap();
    let copied = osm(&["copy", "--delta", path(&source), path(&destination), "--output", "json"]);
    assert!(copied.status.success(), "{copied:?}");
    let line: serde_json::Value = serde_json::from_slice(&copied.stdout).unwrap();
    let moved = line["copied"].as_u64().unwrap() + line["zeroed"].as_u64().unwrap();
    assert!(moved > 0 && moved <= 3 * MIB as u64, "{line}");
    assert!(fs::read(&source).unwrap() == fs::read(&destination).unwrap());
}

#[test]
fn named_areas_are_copied_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let source = disk(&folder, "source", 4 * MIB as u64, &[(0, 4 * MIB)]);
    let (destination, areas) = (folder.path().join("destination"), folder.path().join("areas"));
    fs::write(&destination, vec![7; 4 * MIB]).unwrap();
    fs::write(&areas, format!("# changed since noon\n{} 512\n\n4096 100 # twice\n4000 200\n", 2 * MIB))
        .unwrap();
    let copied = osm(&["copy", "--areas", path(&areas), path(&source), path(&destination)]);
    assert!(copied.status.success(), "{copied:?}");
    let (from, to) = (fs::read(&source).unwrap(), fs::read(&destination).unwrap());
    for (at, byte) in to.iter().enumerate() {
        let is_in = (4000..4200).contains(&at) || (2 * MIB..2 * MIB + 512).contains(&at);
        assert_eq!(*byte, if is_in { from[at] } else { 7 }, "{at}");
    }
    for (text, said) in
        [("12 x\n", "line 1: `12 x` is no area"), ("0 1\n99999999 1\n", "beyond the end of the source")]
    {
        fs::write(&areas, text).unwrap();
        let refused = osm(&["copy", "--areas", path(&areas), path(&source), path(&destination)]);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(said), "{refused:?}");
    }
    assert!(fs::read(&destination).unwrap() == to);
}

#[test]
fn a_missing_source_is_named() {
    let folder = TempDir::new().unwrap();
    let copied = osm(&["copy", "/no/such/disk", path(&folder.path().join("destination"))]);
    assert!(!copied.status.success());
    let said = String::from_utf8_lossy(&copied.stderr).into_owned();
    assert!(said.contains("/no/such/disk"), "{said}");
    assert!(!folder.path().join("destination").exists(), "nothing half-done is left");
}

#[test]
fn a_disk_is_not_copied_onto_itself() {
    let folder = TempDir::new().unwrap();
    let source = disk(&folder, "source", MIB as u64, &[(0, MIB)]);
    let before = fs::read(&source).unwrap();
    let copied = osm(&["copy", path(&source), path(&source)]);
    assert!(!copied.status.success());
    assert_eq!(fs::read(&source).unwrap(), before);
}

#[test]
fn a_server_with_a_certificate_says_how_to_pin_it() {
    let folder = TempDir::new().unwrap();
    let source = disk(&folder, "source", 3 * MIB as u64, &[(0, 2 * MIB)]);
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    fs::write(&chain, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_osm-cli"));
    command.args(["serve", path(&source), "--tcp", "127.0.0.1:0"]);
    command.arg("--tls-certificate").arg(&chain).arg("--tls-key").arg(&key);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let uri = line.trim().strip_prefix("serving on ").unwrap().strip_suffix(" (until interrupted)").unwrap();
    assert!(uri.starts_with("nbds://127.0.0.1:") && uri.contains("tls-fingerprint="), "{uri}");
    let destination = folder.path().join("destination");
    let copied = osm(&["copy", uri, path(&destination), "--verify"]);
    let plain =
        osm(&["copy", uri.replace("nbds://", "nbd://").split('?').next().unwrap(), path(&destination)]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(copied.status.success(), "{copied:?}");
    assert!(fs::read(&source).unwrap() == fs::read(&destination).unwrap());
    assert!(String::from_utf8_lossy(&plain.stderr).contains("insists on TLS"), "{plain:?}");
}

#[test]
fn a_second_server_on_a_live_socket_is_refused() {
    let folder = TempDir::new().unwrap();
    let source = disk(&folder, "source", MIB as u64, &[]);
    let socket = folder.path().join("nbd.sock");
    let _server = Serving::start(&source, &socket);
    let second = osm(&["serve", path(&source), "--unix", path(&socket)]);
    assert_eq!(second.status.code(), Some(2), "{second:?}");
}

/// A server of our own, ended with its owner.
struct Serving(Child);

impl Serving {
    fn start(disk: &Path, socket: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_osm-cli"))
            .args(["serve", path(disk), "--unix", path(socket), "--output", "json"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("serving"), "{line}");
        Self(child)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn osm(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_osm-cli")).args(arguments).output().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A sparse file with bytes that depend on where they are, in the given runs.
fn disk(folder: &TempDir, name: &str, size: u64, runs: &[(usize, usize)]) -> PathBuf {
    use std::os::unix::fs::FileExt as _;
    let path = folder.path().join(name);
    let file = fs::File::create(&path).unwrap();
    file.set_len(size).unwrap();
    for (offset, len) in runs {
        let bytes: Vec<u8> = (*offset..offset + len)
            .map(|at| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0])
            .collect();
        file.write_all_at(&bytes, *offset as u64).unwrap();
    }
    path
}
