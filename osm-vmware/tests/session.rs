//! A session with a server that plays a vCenter over TLS: login, login again, pages, faults, and whom it trusts.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::sync::{Arc, Mutex};

use osm_vmware::{ErrorKind, Session, SessionConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What a method is answered with: status and body; it gets the method's name and the call as it was sent.
type Play = Box<dyn Fn(&str, &str) -> (u16, String) + Send + Sync>;

struct Vcenter {
    port: u16,
    dir: TempDir,
    /// The calls as they were sent, with their headers.
    calls: Arc<Mutex<Vec<String>>>,
}

impl Vcenter {
    async fn start(play: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (acceptor, play) = (TlsAcceptor::from(Arc::new(config)), Arc::new(Box::new(play) as Play));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&calls);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (acceptor, play, heard) = (acceptor.clone(), Arc::clone(&play), Arc::clone(&heard));
                tokio::spawn(async move {
                    // A client that does not trust us leaves.
                    if let Ok(stream) = acceptor.accept(socket).await {
                        serve(BufReader::new(stream), &play, &heard).await;
                    }
                });
            }
        });
        Self { port, dir, calls }
    }

    fn config(&self, authorities: Option<String>) -> SessionConfig {
        SessionConfig {
            server: format!("https://localhost:{}/sdk", self.port),
            user: "o'brien & sons".to_owned(),
            password: "hunter2<>".to_owned().into(),
            authorities,
            thumbprint: None,
        }
    }

    async fn connect(&self) -> osm_vmware::Result<Session> {
        Session::connect(self.config(Some(std::fs::read_to_string(self.dir.path().join("ca.pem")).unwrap())))
            .await
    }

    fn count(&self, method: &str) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.contains(&format!("<Body><{method} "))).count()
    }
}

async fn serve(mut stream: BufReader<TlsStream<TcpStream>>, play: &Play, heard: &Mutex<Vec<String>>) {
    while let Some(call) = read(&mut stream).await {
        let body = call.split_once("\r\n\r\n").unwrap().1;
        let method = body.split_once("<Body><").unwrap().1.split_once(' ').unwrap().0;
        let (status, answer) = play(method, body);
        let length = answer.len();
        let cookie = "vmware_soap_session=\"s-1\"; Path=/; HttpOnly; Secure";
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nset-cookie: {cookie}\r\n\r\n");
        heard.lock().unwrap().push(call);
        stream.write_all((head + &answer).as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
}

/// A request, headers and body; none once the client has gone.
async fn read(stream: &mut BufReader<TlsStream<TcpStream>>) -> Option<String> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        head.push_str(&line);
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + std::str::from_utf8(&body).unwrap())
}

fn envelope(body: &str) -> String {
    format!("<soapenv:Envelope xmlns:soapenv=\"e\"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>")
}

fn answer(method: &str, content: &str) -> (u16, String) {
    (200, envelope(&format!("<{method}Response xmlns=\"urn:vim25\">{content}</{method}Response>")))
}

fn fault(kind: &str) -> (u16, String) {
    let detail = format!("<detail><{kind}Fault xmlns:xsi=\"i\" xsi:type=\"{kind}\"/></detail>");
    (500, envelope(&format!("<soapenv:Fault><faultstring>no</faultstring>{detail}</soapenv:Fault>")))
}

fn machine(id: u32) -> String {
    let name = format!("<propSet><name>name</name><val>vm {id:03}</val></propSet>");
    format!("<objects><obj type=\"VirtualMachine\">vm-{id}</obj>{name}</objects>")
}

/// What every vCenter answers in the end.
fn usual(method: &str, call: &str) -> (u16, String) {
    match method {
        "RetrieveServiceContent" => answer(
            method,
            "<returnval><rootFolder type=\"Folder\">group-d1</rootFolder>\
             <propertyCollector type=\"PropertyCollector\">pc</propertyCollector>\
             <viewManager type=\"ViewManager\">vm</viewManager><searchIndex type=\"SearchIndex\">si</searchIndex>\
             <about><fullName>Play 8</fullName><apiVersion>8.0.3.0</apiVersion><apiType>VirtualCenter</apiType></about>\
             <sessionManager type=\"SessionManager\">sm</sessionManager></returnval>",
        ),
        "CreateContainerView" => answer(method, "<returnval type=\"ContainerView\">view-1</returnval>"),
        "RetrievePropertiesEx" => {
            answer(method, &format!("<returnval><token>1</token>{}</returnval>", machine(2)))
        }
        "ContinueRetrievePropertiesEx" if call.contains("<token>1</token>") => {
            answer(method, &format!("<returnval><token>2</token>{}</returnval>", machine(1)))
        }
        "ContinueRetrievePropertiesEx" => answer(method, &format!("<returnval>{}</returnval>", machine(3))),
        _ => answer(method, ""),
    }
}

#[tokio::test]
async fn all_pages_are_read_and_the_view_is_destroyed() {
    let vcenter = Vcenter::start(usual).await;
    let session = vcenter.connect().await.unwrap();
    assert_eq!(session.about().api_version, "8.0.3.0");
    let machines = session.machines().await.unwrap();
    let names: Vec<_> = machines.iter().map(|machine| machine.name.as_str()).collect();
    assert_eq!(names, ["vm 001", "vm 002", "vm 003"]);
    assert_eq!((vcenter.count("ContinueRetrievePropertiesEx"), vcenter.count("DestroyView")), (2, 1));
    session.log_out().await.unwrap();
    // Every call after the login bears the session, and only the login the password.
    let calls = vcenter.calls.lock().unwrap();
    for call in calls.iter() {
        let is_login = call.contains("<Body><Login ");
        assert_eq!(call.contains("hunter2&lt;&gt;"), is_login, "{call}");
        let is_first = is_login || call.contains("<Body><RetrieveServiceContent ");
        assert_eq!(call.to_lowercase().contains("cookie: vmware_soap_session=\"s-1\""), !is_first, "{call}");
    }
    let shown = format!("{session:?} {:?}", vcenter.config(None));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn a_session_that_has_ended_is_begun_again_once() {
    let ended = Mutex::new(true);
    let play = move |method: &str, call: &str| match method {
        "CreateContainerView" if std::mem::take(&mut *ended.lock().unwrap()) => fault("NotAuthenticated"),
        _ => usual(method, call),
    };
    let vcenter = Vcenter::start(play).await;
    let session = vcenter.connect().await.unwrap();
    assert_eq!(session.machines().await.unwrap().len(), 3);
    assert_eq!((vcenter.count("Login"), vcenter.count("CreateContainerView")), (2, 2));

    let never = |method: &str, call: &str| match method {
        "CreateContainerView" => fault("NotAuthenticated"),
        _ => usual(method, call),
    };
    let never = Vcenter::start(never).await;
    let error = never.connect().await.unwrap().machines().await.unwrap_err();
    assert_eq!((error.kind(), never.count("Login")), (ErrorKind::Auth, 2));
}

#[tokio::test]
async fn who_is_not_let_in_and_who_is_not_trusted_is_told() {
    let play = |method: &str, call: &str| match method {
        "Login" => fault("InvalidLogin"),
        _ => usual(method, call),
    };
    let vcenter = Vcenter::start(play).await;
    let error = vcenter.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(
        error.to_string().contains("o'brien & sons") && !format!("{error:?}").contains("hunter2"),
        "{error:?}"
    );

    let before = vcenter.calls.lock().unwrap().len();
    let error = Session::connect(vcenter.config(None)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.hint().unwrap().contains("--ca"));
    assert_eq!(vcenter.calls.lock().unwrap().len(), before, "nothing was sent to who is not trusted");

    let error = Session::connect(vcenter.config(Some(String::new()))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn what_is_no_vcenter_is_told() {
    let vcenter = Vcenter::start(|_, _| (200, "<html><body>Welcome</body></html>".to_owned())).await;
    let error = vcenter.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadResponse);
    assert!(error.to_string().contains("is this the address of a vCenter"), "{error}");
}
