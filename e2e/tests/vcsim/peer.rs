//! VMware's simulator as a process, with what `e2e/vmware/vcsim` adds to it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;

use crate::machines::Vsphere;

/// Where Debian keeps the sources of Go libraries.
const GOPATH: &str = "/usr/share/gocode";

/// It is written into XML.
const PASSWORD: &str = "sim&ulator<5Kp";

/// The simulator; it ends when this is dropped.
pub(crate) struct Vcsim {
    pub(crate) vsphere: Vsphere,
    control: String,
    http: reqwest::Client,
    child: Child,
}

impl Vcsim {
    /// Starts it with these arguments, its files below a folder; says so when it cannot be built here.
    pub(crate) fn start(dir: &Path, arguments: &[&str]) -> Option<Self> {
        let program = program()?;
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let files = [("server.pem", certificate.pem()), ("server.key", key.serialize_pem())];
        for (name, text) in files {
            fs::write(dir.join(name), text).unwrap();
        }
        let user = "administrator@vsphere.local";
        let mut child = Command::new(program)
            .args(["-cert", "server.pem", "-key", "server.key", "-user", user, "-password", PASSWORD])
            .args(arguments)
            .current_dir(dir)
            .env("TMPDIR", dir)
            // It ends with its standard input, so it does not outlive a test that is killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("vcsim did not start: {line}"));
        let vsphere = Vsphere {
            url: told["url"].as_str().unwrap().to_owned(),
            user: user.to_owned(),
            password: PASSWORD.to_owned(),
            authority: issuer.pem(),
        };
        let control = format!("http://{}", told["control"].as_str().unwrap());
        let http = vsphere.http();
        Some(Self { vsphere, control, http, child })
    }

    async fn ask(&self, method: reqwest::Method, path: &str, body: Vec<u8>) -> String {
        let request = self.http.request(method, format!("{}{path}", self.control)).body(body);
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status}: {text}");
        text
    }

    /// The guest of a machine that runs writes to a disk.
    pub(crate) async fn write(&self, vm: &str, key: i32, offset: u64, bytes: Vec<u8>) {
        self.ask(reqwest::Method::PUT, &format!("/write?vm={vm}&key={key}&offset={offset}"), bytes).await;
    }

    /// The file with a disk as it is (`live`), or as the last snapshot has frozen it (`frozen`).
    pub(crate) async fn file(&self, which: &str, vm: &str, key: i32) -> PathBuf {
        self.ask(reqwest::Method::GET, &format!("/{which}?vm={vm}&key={key}"), Vec::new()).await.into()
    }

    /// A machine's record of changes is begun anew, as after a power loss.
    pub(crate) async fn renew(&self, vm: &str) {
        self.ask(reqwest::Method::POST, &format!("/renew?vm={vm}"), Vec::new()).await;
    }

    /// All sessions end.
    pub(crate) async fn expire(&self) {
        self.ask(reqwest::Method::POST, "/expire", Vec::new()).await;
    }

    /// How many bytes of datastores it has served so far.
    pub(crate) async fn served(&self) -> u64 {
        self.ask(reqwest::Method::GET, "/served", Vec::new()).await.parse().unwrap()
    }
}

impl Drop for Vcsim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, built once; none where its peers are missing.
fn program() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let missing = "go and golang-github-vmware-govmomi-dev are not installed";
    let built = BUILT.get_or_init(|| {
        let sources = Path::new(GOPATH).join("src/github.com/vmware/govmomi/simulator");
        let go = Command::new("go").arg("version").output().is_ok_and(|output| output.status.success());
        (go && sources.is_dir()).then(build)
    });
    if built.is_none() {
        assert!(std::env::var_os("OSM_REQUIRE_PEERS").is_none(), "{missing}");
        // Not through the test's captured output: a skip is seen.
        std::io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
    }
    built.as_deref()
}

fn build() -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vcsim");
    let output = Command::new("go")
        .args(["build", "-buildvcs=false", "-o"])
        .args([program.as_os_str(), ".".as_ref()])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/vmware/vcsim"))
        // From the distribution's sources alone.
        .envs([("GOPATH", GOPATH), ("GO111MODULE", "off"), ("GOPROXY", "off"), ("GOFLAGS", "")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}
