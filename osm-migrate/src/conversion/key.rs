//! The operator's key for conversion hosts, and the host keys that were read from their consoles.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio::sync::Mutex;

use crate::{Error, ErrorKind, Result};

/// What cloud-init prints around the host keys.
const KEYS_BEGIN: &str = "-----BEGIN SSH HOST KEY KEYS-----";
const KEYS_END: &str = "-----END SSH HOST KEY KEYS-----";

/// How a new key is made, in the words of `ssh-keygen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyKind {
    /// `ed25519`, `rsa`, `ecdsa`.
    pub algorithm: String,
    /// How many bits, where that can be chosen.
    pub bits: Option<u64>,
    /// Whether a key may be made where there is none.
    pub generate: bool,
}

impl Default for KeyKind {
    fn default() -> Self {
        Self { algorithm: "ed25519".to_owned(), bits: None, generate: true }
    }
}

/// Makes sure that there is a key, and gives its public half and whether it was made.
pub(super) async fn ensure(path: &Path, kind: &KeyKind) -> Result<(String, bool)> {
    // Two hosts have one key, and are made at once.
    static MAKING: Mutex<()> = Mutex::const_new(());
    let _alone = MAKING.lock().await;
    let public = public_half(path);
    let here = |error: std::io::Error| Error::from(error).with_object(path.display().to_string());
    let there = path.is_file();
    if !there && !kind.generate {
        return Err(Error::new(ErrorKind::Config, "there is no such private key")
            .with_object(path.display().to_string())
            .with_hint("put it there, or let osm make one"));
    }
    if !there {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(here)?;
        }
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-N", "", "-C", "osm conversion host", "-t", &kind.algorithm]);
        if let Some(bits) = kind.bits.filter(|_| kind.algorithm != "ed25519") {
            keygen.args(["-b", &bits.to_string()]);
        }
        let made = keygen.arg("-f").arg(path).output().await.map_err(|error| {
            Error::new(ErrorKind::Host, "ssh-keygen cannot be run, it comes with OpenSSH's client")
                .with_source(error)
        })?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr);
            return Err(Error::new(ErrorKind::Host, format!("ssh-keygen failed: {}", said.trim()))
                .with_object(path.display().to_string()));
        }
    }
    let text = fs::read_to_string(&public)
        .map_err(|error| Error::from(error).with_object(public.display().to_string()))?;
    Ok((text.trim().to_owned(), !there))
}

/// The public half of a key that is there; none when it is not.
pub(super) fn public(path: &Path) -> Option<String> {
    fs::read_to_string(public_half(path)).ok().map(|text| text.trim().to_owned())
}

fn public_half(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// Whether two public keys are the same, whatever their comments.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.split_whitespace().take(2).eq(other.split_whitespace().take(2))
}

/// The host keys that a console shows; the last ones, for a console goes on over a restart. None yet: empty.
pub(super) fn on_console(console: &str) -> Vec<String> {
    let console = console.replace('\r', "");
    let block = console.rsplit_once(KEYS_BEGIN).and_then(|(_, rest)| rest.split_once(KEYS_END));
    let Some((block, _)) = block else { return Vec::new() };
    let key = |line: &str| {
        let mut words = line.split_whitespace();
        let (kind, key) = (words.next()?, words.next()?);
        let known = kind.starts_with("ssh-") || kind.starts_with("ecdsa-") || kind.starts_with("sk-");
        known.then(|| format!("{kind} {key}"))
    };
    block.lines().filter_map(key).collect()
}

/// Whether the file knows the host.
pub(super) fn knows(file: &Path, host: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.lines().any(|line| is_of(line, host)))
}

/// Makes `keys` the ones that the file knows of the host; no keys: it is forgotten.
pub(super) fn learn(file: &Path, host: &str, keys: &[String]) -> Result<()> {
    let here = |error: std::io::Error| Error::from(error).with_object(file.display().to_string());
    let before = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(here(error)),
    };
    let mut text = String::new();
    for line in before.lines().filter(|line| !is_of(line, host)) {
        text.push_str(line);
        text.push('\n');
    }
    for key in keys {
        text.push_str(&format!("{host} {key}\n"));
    }
    if text == before {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(here)?;
    }
    let fresh = file.with_extension("new");
    fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, file)).map_err(here)
}

fn is_of(line: &str, host: &str) -> bool {
    line.split_whitespace().next() == Some(host)
}

/// How known_hosts names a host.
pub(super) fn host_name(address: &str, port: Option<u16>) -> String {
    match port {
        None | Some(22) => address.to_owned(),
        Some(port) => format!("[{address}]:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_last_block_on_a_console_counts() {
        let console = "boot\r\n-----BEGIN SSH HOST KEY KEYS-----\r\nssh-rsa OLD a\r\n-----END SSH HOST KEY KEYS-----\n\
                       reboot\n-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 NEW root@conv\nnoise\n\
                       ecdsa-sha2-nistp256 TOO root@conv\n-----END SSH HOST KEY KEYS-----\nlogin:";
        assert_eq!(on_console(console), ["ssh-ed25519 NEW", "ecdsa-sha2-nistp256 TOO"]);
        assert!(on_console("-----BEGIN SSH HOST KEY KEYS-----\nssh-rsa HALF").is_empty());
        assert!(on_console("").is_empty());
    }

    #[test]
    fn what_is_known_of_a_host_is_replaced_and_of_others_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("conversion/known_hosts");
        let (host, other) = (host_name("192.0.2.7", None), host_name("192.0.2.7", Some(2222)));
        learn(&file, &other, &["ssh-rsa O".to_owned()]).unwrap();
        learn(&file, &host, &["ssh-rsa A".to_owned(), "ssh-ed25519 B".to_owned()]).unwrap();
        learn(&file, &host, &["ssh-rsa C".to_owned()]).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, "[192.0.2.7]:2222 ssh-rsa O\n192.0.2.7 ssh-rsa C\n");
        assert!(knows(&file, &host));
        learn(&file, &host, &[]).unwrap();
        assert!(!knows(&file, &host) && knows(&file, &other));
    }

    #[tokio::test]
    async fn a_key_is_made_once_and_only_if_it_may_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conversion/ssh.key");
        let never = KeyKind { generate: false, ..KeyKind::default() };
        assert_eq!(ensure(&path, &never).await.unwrap_err().kind(), ErrorKind::Config);
        if std::process::Command::new("ssh-keygen").arg("-?").output().is_err() {
            assert!(std::env::var_os("OSM_REQUIRE_PEERS").is_none(), "ssh-keygen is not installed");
            // Not through the test's captured output: a skip is seen.
            std::io::stderr().write_all(b"skipped: ssh-keygen not installed\n").unwrap();
            return;
        }
        let (public, made) = ensure(&path, &KeyKind::default()).await.unwrap();
        assert!(made && public.starts_with("ssh-ed25519 "), "{public}");
        assert_eq!(ensure(&path, &never).await.unwrap(), (public, false));
    }
}
