//! A client of the vCenter that knows nothing but HTTP and text.

use std::sync::Arc;
use std::time::{Duration, Instant};

use osm_lab::vcenter::{MachineSeed, VCenter, VCenterOptions};
use reqwest::header::{COOKIE, SET_COOKIE};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;

/// A vCenter with short tasks, the folder it lives in, and somebody who is logged in.
pub(crate) struct Site {
    pub(crate) vcenter: VCenter,
    pub(crate) dir: TempDir,
    pub(crate) http: reqwest::Client,
    pub(crate) cookie: String,
}

pub(crate) async fn site() -> Site {
    site_with(|_| {}).await
}

pub(crate) async fn site_with(change: impl FnOnce(&mut VCenterOptions)) -> Site {
    let dir = tempfile::tempdir().unwrap();
    let mut options = VCenterOptions::new(dir.path().join("vcenter"));
    options.task_time = Duration::from_millis(2);
    change(&mut options);
    let vcenter = VCenter::start(options).unwrap();
    let http = trusting(&vcenter);
    let mut site = Site { vcenter, dir, http, cookie: String::new() };
    site.log_in().await;
    site
}

/// A client that trusts this vCenter and nobody else.
pub(crate) fn trusting(vcenter: &VCenter) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(vcenter.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .timeout(Duration::from_secs(20))
        .no_proxy()
        .build()
        .unwrap()
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// The text between two others; the first such.
pub(crate) fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

/// The text of an element without attributes.
pub(crate) fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    between(text, &format!("<{name}>"), &format!("</{name}>"))
}

/// The type of a fault.
pub(crate) fn fault_of(answer: &str) -> &str {
    between(answer, "Fault xmlns=\"urn:vim25\" xsi:type=\"", "\"").unwrap_or("no fault")
}

/// Areas of one answer: start and length.
pub(crate) type Areas = Vec<(u64, u64)>;

impl Site {
    pub(crate) async fn log_in(&mut self) {
        let (status, answer, cookie) = self.login(VCenter::PASSWORD).await;
        assert_eq!(status, 200, "{answer}");
        self.cookie = cookie.unwrap();
    }

    /// Status, body, cookie.
    pub(crate) async fn login(&self, password: &str) -> (u16, String, Option<String>) {
        let inside =
            format!("<userName>{}</userName><password>{}</password>", VCenter::USER, escaped(password));
        let response = self.send("Login", "SessionManager", "SessionManager", &inside).await.unwrap();
        let cookie = response.headers().get(SET_COOKIE).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), response.text().await.unwrap(), cookie)
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        kind: &str,
        id: &str,
        inside: &str,
    ) -> reqwest::Result<reqwest::Response> {
        let body = format!(
            "<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><Body><{method} xmlns=\"urn:vim25\">\
             <_this type=\"{kind}\">{id}</_this>{inside}</{method}></Body></Envelope>"
        );
        let cookie = self.cookie.split(';').next().unwrap_or_default().to_owned();
        self.http.post(format!("{}/sdk", self.vcenter.url())).header(COOKIE, cookie).body(body).send().await
    }

    /// Status and body.
    pub(crate) async fn ask(&self, method: &str, kind: &str, id: &str, inside: &str) -> (u16, String) {
        let response = self.send(method, kind, id, inside).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(crate) async fn call(&self, method: &str, kind: &str, id: &str, inside: &str) -> String {
        let (status, answer) = self.ask(method, kind, id, inside).await;
        assert_eq!(status, 200, "{method}: {answer}");
        answer
    }

    /// Properties of one object, as they come.
    pub(crate) async fn properties(&self, kind: &str, id: &str, paths: &[&str]) -> String {
        let paths: String = paths.iter().map(|path| format!("<pathSet>{path}</pathSet>")).collect();
        let spec = format!(
            "<specSet><propSet><type>{kind}</type>{paths}</propSet><objectSet><obj type=\"{kind}\">{id}</obj>\
             </objectSet></specSet><options/>"
        );
        self.call("RetrievePropertiesEx", "PropertyCollector", "propertyCollector", &spec).await
    }

    /// Begins a task and waits for its end: its result, or the type of its fault.
    pub(crate) async fn task(
        &self,
        method: &str,
        kind: &str,
        id: &str,
        inside: &str,
    ) -> Result<String, String> {
        let answer = self.call(method, kind, id, inside).await;
        let task = between(&answer, "<returnval type=\"Task\">", "<").unwrap().to_owned();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let info = self.properties("Task", &task, &["info"]).await;
            match element(&info, "state") {
                Some("success") => {
                    let result =
                        "<result xsi:type=\"ManagedObjectReference\" type=\"VirtualMachineSnapshot\">";
                    return Ok(between(&info, result, "<").unwrap_or_default().to_owned());
                }
                Some("error") => return Err(between(&info, "<fault xsi:type=\"", "\"").unwrap().to_owned()),
                _ => assert!(Instant::now() < deadline, "{method} does not end: {info}"),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) async fn snapshot(&self, vm: &str, name: &str) -> String {
        let inside = format!(
            "<name>{name}</name><description>d</description><memory>false</memory><quiesce>false</quiesce>"
        );
        self.task("CreateSnapshot_Task", "VirtualMachine", vm, &inside).await.unwrap()
    }

    pub(crate) async fn remove(&self, snapshot: &str) {
        let inside = "<removeChildren>false</removeChildren>";
        self.task("RemoveSnapshot_Task", "VirtualMachineSnapshot", snapshot, inside).await.unwrap();
    }

    /// One answer of `QueryChangedDiskAreas`.
    pub(crate) async fn query(
        &self,
        vm: &str,
        snapshot: Option<&str>,
        key: i32,
        start: i64,
        change_id: &str,
    ) -> (u16, String) {
        let snapshot =
            snapshot.map(|id| format!("<snapshot type=\"VirtualMachineSnapshot\">{id}</snapshot>"));
        let inside = format!(
            "{}<deviceKey>{key}</deviceKey><startOffset>{start}</startOffset><changeId>{change_id}</changeId>",
            snapshot.unwrap_or_default()
        );
        self.ask("QueryChangedDiskAreas", "VirtualMachine", vm, &inside).await
    }

    /// One page: its areas and where what it describes ends.
    pub(crate) async fn page(
        &self,
        vm: &str,
        snapshot: &str,
        key: i32,
        start: u64,
        change_id: &str,
    ) -> (Areas, u64) {
        let (status, answer) =
            self.query(vm, Some(snapshot), key, i64::try_from(start).unwrap(), change_id).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(element(&answer, "startOffset").unwrap(), start.to_string());
        let (head, _) = answer.split_once("<changedArea>").unwrap_or((&answer, ""));
        let length: u64 = element(head, "length").unwrap().parse().unwrap();
        let number = |text: &str, name| element(text, name).unwrap().parse::<u64>().unwrap();
        let areas = answer.split("<changedArea>").skip(1);
        let areas = areas.map(|area| (number(area, "start"), number(area, "length"))).collect();
        (areas, start + length)
    }

    /// All pages.
    pub(crate) async fn areas(
        &self,
        vm: &str,
        snapshot: &str,
        key: i32,
        change_id: &str,
        capacity: u64,
    ) -> Areas {
        let (mut all, mut offset) = (Areas::new(), 0);
        while offset < capacity {
            let (areas, end) = self.page(vm, snapshot, key, offset, change_id).await;
            assert!(end > offset && end <= capacity);
            all.extend(areas);
            offset = end;
        }
        all
    }

    pub(crate) fn machine(&self, change: impl FnOnce(&mut MachineSeed)) -> String {
        let mut seed = MachineSeed::new("app");
        change(&mut seed);
        self.vcenter.add_machine(seed).unwrap()
    }
}
