//! NBD inside TLS 1.3: ours with ours, ours with the peers, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod nbd_support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use nbd_support::{MemoryDisk, Peer, chain, have, pattern, run};
use osm_transfer::block::{BlockSink as _, BlockSource as _, Buffer};
use osm_transfer::nbd::{Client, ClientOptions, Export, Server, ServerOptions, ServerTls, Uri, list};
use osm_transfer::{Error, ErrorKind, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

const SIZE: usize = 3 << 20;

/// A folder with the names that libnbd, nbdkit and QEMU look for: an authority, a certificate of
/// `localhost` and one of a client.
struct Pki {
    dir: TempDir,
}

impl Pki {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
        write("ca-cert.pem", authority.pem());
        for (name, usage) in
            [("server", ExtendedKeyUsagePurpose::ServerAuth), ("client", ExtendedKeyUsagePurpose::ClientAuth)]
        {
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            write(&format!("{name}-cert.pem"), certificate.pem());
            write(&format!("{name}-key.pem"), key.serialize_pem());
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn server(&self, wants_clients: bool) -> ServerTls {
        let authority = self.path("ca-cert.pem");
        let authority = wants_clients.then_some(authority.as_path());
        ServerTls::from_files(&self.path("server-cert.pem"), &self.path("server-key.pem"), authority).unwrap()
    }

    fn folder(&self) -> String {
        self.dir.path().display().to_string()
    }
}

/// Serves a disk over a unix socket; the socket.
fn serve(disk: &Arc<MemoryDisk>, folder: &Path, tls: Option<ServerTls>) -> PathBuf {
    let socket = folder.join("nbd.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = server(disk, tls);
    tokio::spawn(async move { server.serve_unix(listener, std::future::pending()).await });
    socket
}

fn server(disk: &Arc<MemoryDisk>, tls: Option<ServerTls>) -> Server {
    let (source, sink) = (Arc::clone(disk), Arc::clone(disk));
    let server = Server::new(vec![Export::writable("disk", source, sink)], ServerOptions::default());
    match tls {
        Some(tls) => server.with_tls(tls),
        None => server,
    }
}

async fn connect(uri: &str) -> Result<Client> {
    Client::connect(&uri.parse::<Uri>().unwrap(), &ClientOptions::default()).await
}

async fn refused(uri: &str) -> Error {
    connect(uri).await.map(|_| ()).unwrap_err()
}

/// Everything that is on the disk, and a write that arrives.
async fn works(client: &Client, disk: &MemoryDisk) {
    let bytes = client.read(0, Buffer::zeroed(SIZE)).await.unwrap();
    assert!(bytes[..] == pattern(0, SIZE)[..]);
    client.write(4096, Buffer::from(vec![9; 512])).await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(disk.bytes.lock().unwrap()[4096..4608], [9; 512]);
}

#[tokio::test]
async fn a_client_and_a_server_of_ours() {
    let pki = Pki::new();
    for wants_clients in [false, true] {
        let disk = Arc::new(MemoryDisk::patterned(SIZE));
        let folder = tempfile::tempdir().unwrap();
        let socket = serve(&disk, folder.path(), Some(pki.server(wants_clients)));
        let uri = format!("nbds+unix:///disk?socket={}&tls-certificates={}", socket.display(), pki.folder());
        let client = connect(&uri).await.unwrap();
        assert!(!osm_transfer::block::BlockSource::capabilities(&client).splice, "the kernel cannot decrypt");
        works(&client, &disk).await;
        assert_eq!(client.connections(), 2);
        let exports = list(&uri.parse().unwrap()).await.unwrap();
        assert_eq!(exports[0].name, "disk");
    }
}

#[tokio::test]
async fn over_tcp_the_name_of_the_host_is_checked() {
    let pki = Pki::new();
    let disk = Arc::new(MemoryDisk::patterned(SIZE));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = server(&disk, Some(pki.server(false)));
    tokio::spawn(async move { server.serve_tcp(listener, std::future::pending()).await });
    let folder = pki.folder();
    let other = refused(&format!("nbds://127.0.0.1:{port}/disk?tls-certificates={folder}")).await;
    assert_eq!(other.kind(), ErrorKind::Config);
    assert!(chain(&other).contains("not valid for name"), "{}", chain(&other));
    let named = format!("nbds://127.0.0.1:{port}/disk?tls-certificates={folder}&tls-hostname=localhost");
    works(&connect(&named).await.unwrap(), &disk).await;
}

#[tokio::test]
async fn one_certificate_can_be_pinned() {
    let pki = Pki::new();
    let tls = pki.server(false);
    let fingerprint = tls.fingerprint().to_string();
    let disk = Arc::new(MemoryDisk::patterned(SIZE));
    let folder = tempfile::tempdir().unwrap();
    let socket = serve(&disk, folder.path(), Some(tls));
    let uri = |fingerprint: &str| {
        format!("nbds+unix:///disk?socket={}&tls-fingerprint={fingerprint}", socket.display())
    };
    works(&connect(&uri(&fingerprint)).await.unwrap(), &disk).await;
    let mut other = fingerprint.clone().into_bytes();
    other[0] = if other[0] == b'0' { b'1' } else { b'0' };
    let error = refused(&uri(std::str::from_utf8(&other).unwrap())).await;
    assert_eq!(error.kind(), ErrorKind::Config, "{}", chain(&error));
}

#[tokio::test]
async fn whoever_cannot_prove_who_he_is_gets_nothing() {
    let pki = Pki::new();
    let disk = Arc::new(MemoryDisk::patterned(SIZE));
    let folder = tempfile::tempdir().unwrap();
    let socket = serve(&disk, folder.path(), Some(pki.server(true)));
    let socket = socket.display();

    // An authority that the server's certificate is not of.
    let stranger = Pki::new();
    let error =
        refused(&format!("nbds+unix:///?socket={socket}&tls-certificates={}", stranger.folder())).await;
    assert!(chain(&error).contains("certificate"), "{}", chain(&error));
    // The authorities of the system know nothing of it.
    refused(&format!("nbds+unix:///?socket={socket}")).await;
    // No certificate of a client, where the server wants one.
    for name in ["client-cert.pem", "client-key.pem"] {
        std::fs::remove_file(pki.path(name)).unwrap();
    }
    refused(&format!("nbds+unix:///?socket={socket}&tls-certificates={}", pki.folder())).await;
    // No TLS at all.
    let error = refused(&format!("nbd+unix:///disk?socket={socket}")).await;
    assert!(chain(&error).contains("insists on TLS: write nbds"), "{}", chain(&error));
    let plain = ClientOptions { structured: false, ..ClientOptions::default() };
    let uri: Uri = format!("nbd+unix:///disk?socket={socket}").parse().unwrap();
    let error = Client::connect(&uri, &plain).await.map(|_| ()).unwrap_err();
    assert!(chain(&error).contains("insists on TLS"), "{}", chain(&error));
}

#[tokio::test]
async fn nothing_falls_back_to_plain_text() {
    let pki = Pki::new();
    let disk = Arc::new(MemoryDisk::patterned(SIZE));
    let folder = tempfile::tempdir().unwrap();
    let socket = serve(&disk, folder.path(), None);
    let uri = format!("nbds+unix:///disk?socket={}&tls-certificates={}", socket.display(), pki.folder());
    let error = refused(&uri).await;
    assert!(chain(&error).contains("does not speak TLS"), "{}", chain(&error));
}

#[tokio::test]
async fn what_is_said_before_tls_does_not_count_inside() {
    let pki = Pki::new();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("nbd.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // Somebody in the middle adds the answer to an option that was not asked yet.
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"NBDMAGICIHAVEOPT\0\x03").await.unwrap();
        let mut asked = [0; 4 + 16];
        stream.read_exact(&mut asked).await.unwrap();
        let reply = |option: u32| {
            let mut bytes = 0x0003_e889_0455_65a9_u64.to_be_bytes().to_vec();
            bytes.extend([option.to_be_bytes(), 1_u32.to_be_bytes(), 0_u32.to_be_bytes()].concat());
            bytes
        };
        stream.write_all(&[reply(5), reply(8)].concat()).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let uri = format!("nbds+unix:///disk?socket={}&tls-certificates={}", socket.display(), pki.folder());
    let error = refused(&uri).await;
    assert_ne!(error.context().operation, None);
}

#[tokio::test]
async fn files_that_are_none_are_named() {
    let pki = Pki::new();
    let missing =
        ServerTls::from_files(&pki.path("nothing.pem"), &pki.path("server-key.pem"), None).unwrap_err();
    assert!(missing.to_string().contains("nothing.pem"), "{missing}");
    let misfit =
        ServerTls::from_files(&pki.path("server-cert.pem"), &pki.path("client-key.pem"), None).unwrap_err();
    assert!(misfit.to_string().contains("do not fit"), "{misfit}");
    let error = refused("nbds+unix:///?socket=/nowhere&tls-certificates=/nowhere").await;
    assert_eq!(error.kind(), ErrorKind::Io, "the socket is missing first: {error}");
}

#[tokio::test]
async fn our_client_reads_from_nbdkit_and_qemu_nbd() {
    if !have(&["nbdkit", "qemu-nbd"]) {
        return;
    }
    let pki = Pki::new();
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.img");
    std::fs::write(&disk, pattern(0, SIZE)).unwrap();
    let socket = folder.path().join("peer.sock");
    let mut nbdkit = Command::new("nbdkit");
    nbdkit.args(["--foreground", "--tls=require"]).arg(format!("--tls-certificates={}", pki.folder()));
    nbdkit.arg("--unix").arg(&socket).arg("file").arg(&disk);
    let mut qemu = Command::new("qemu-nbd");
    let object = format!("tls-creds-x509,id=t,endpoint=server,dir={},verify-peer=yes", pki.folder());
    qemu.args(["--persistent", "--shared=4", "--format=raw", "--object", &object, "--tls-creds=t"]);
    qemu.arg("--socket").arg(&socket).arg(&disk);
    for mut command in [nbdkit, qemu] {
        let _ = std::fs::remove_file(&socket);
        let _peer = Peer::serve(&mut command, &socket).await;
        let uri = format!("nbds+unix:///?socket={}&tls-certificates={}", socket.display(), pki.folder());
        let client = connect(&uri).await.unwrap_or_else(|error| panic!("{command:?}: {}", chain(&error)));
        let bytes = client.read(0, Buffer::zeroed(SIZE)).await.unwrap();
        assert!(bytes[..] == pattern(0, SIZE)[..], "{command:?}");
    }
}

#[tokio::test]
async fn peers_read_from_our_server() {
    if !have(&["nbdinfo", "nbdcopy", "qemu-img"]) {
        return;
    }
    let pki = Pki::new();
    let disk = Arc::new(MemoryDisk::patterned(SIZE));
    let folder = tempfile::tempdir().unwrap();
    let socket = serve(&disk, folder.path(), Some(pki.server(true)));
    let uri = format!("nbds+unix:///disk?socket={}&tls-certificates={}", socket.display(), pki.folder());
    let info = run(Command::new("nbdinfo").arg(&uri)).await;
    assert!(info.contains("with TLS") && info.contains(&SIZE.to_string()), "{info}");
    let copy = folder.path().join("copy");
    run(Command::new("nbdcopy").arg(&uri).arg(&copy)).await;
    assert!(std::fs::read(&copy).unwrap() == pattern(0, SIZE));
    let object = format!("tls-creds-x509,id=t,endpoint=client,dir={}", pki.folder());
    let options = format!(
        "driver=nbd,server.type=unix,server.path={},export=disk,tls-creds=t,tls-hostname=localhost",
        socket.display()
    );
    let copy = folder.path().join("converted");
    let mut qemu = Command::new("qemu-img");
    qemu.args(["convert", "--object", &object, "--image-opts", &options, "-O", "raw"]).arg(&copy);
    run(&mut qemu).await;
    assert!(std::fs::read(&copy).unwrap() == pattern(0, SIZE));
}
