//! Certificates: which are trusted, and what is said about the others.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use osm_openstack::{ErrorKind, Retry, Session};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{config, token_body};

/// An authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for `name`, and its key.
    fn certificate(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages.push(usage);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    fn write(&self, folder: &TempDir) -> String {
        write(folder.path(), "ca.pem", &self.0.pem())
    }
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A Keystone behind TLS with a certificate for `name`, that wants a certificate of `clients`.
async fn keystone(authority: &Authority, name: &str, clients: Option<&Authority>) -> String {
    let (certificate, key) = authority.certificate(name, ExtendedKeyUsagePurpose::ServerAuth);
    let chain = vec![CertificateDer::from(certificate)];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.0.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/v3", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let mut request = Vec::new();
            // The body is there once its last brackets are.
            while !request.ends_with(b"}}}") && stream.read_buf(&mut request).await.unwrap_or(0) > 0 {}
            let body = token_body(&[], 3600).to_string();
            let head = "HTTP/1.1 201 Created\r\nX-Subject-Token: t\r\nconnection: close\r\ncontent-length:";
            let _ = stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    url
}

#[tokio::test]
async fn an_unknown_authority_is_refused_with_advice() {
    let url = keystone(&Authority::new(), "127.0.0.1", None).await;
    let error = Session::connect(config(&url, "")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Config, Retry::Never));
    let origin = url.trim_end_matches("/v3");
    assert!(
        error.to_string().starts_with(&format!(
            "the TLS certificate of {origin} is not trusted; set `cacert` of the cloud to the PEM file of its authority"
        )),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn the_authority_of_cacert_is_trusted_and_no_other() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new();
    let url = keystone(&authority, "127.0.0.1", None).await;
    let cacert = authority.write(&folder);
    Session::connect(config(&url, &format!("cacert: {cacert}\n"))).await.unwrap();
    let other = keystone(&Authority::new(), "127.0.0.1", None).await;
    let error = Session::connect(config(&other, &format!("cacert: {cacert}\n"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_with_advice() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new();
    let url = keystone(&authority, "cloud.example.org", None).await;
    let error =
        Session::connect(config(&url, &format!("cacert: {}\n", authority.write(&folder)))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("is for another name"), "{error}");
}

#[tokio::test]
async fn verify_false_and_insecure_trust_anybody() {
    let url = keystone(&Authority::new(), "cloud.example.org", None).await;
    Session::connect(config(&url, "verify: false\n")).await.unwrap();
    Session::connect(config(&url, "insecure: true\n")).await.unwrap();
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let folder = TempDir::new().unwrap();
    let (authority, clients) = (Authority::new(), Authority::new());
    let url = keystone(&authority, "127.0.0.1", Some(&clients)).await;
    let cacert = authority.write(&folder);
    let (certificate, key) = clients.certificate("client", ExtendedKeyUsagePurpose::ClientAuth);
    let cert_file = write(folder.path(), "client.pem", &certificate.pem());
    let key_file = write(folder.path(), "client.key", &key.serialize_pem());
    let both_file =
        write(folder.path(), "both.pem", &format!("{}{}", certificate.pem(), key.serialize_pem()));
    let settings = format!("cacert: {cacert}\ncert: {cert_file}\nkey: {key_file}\n");
    Session::connect(config(&url, &settings)).await.unwrap();
    Session::connect(config(&url, &format!("cacert: {cacert}\ncert: {both_file}\n"))).await.unwrap();

    let error = Session::connect(config(&url, &format!("cacert: {cacert}\n"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("set `cert` and `key` of the cloud"), "{error}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let folder = TempDir::new().unwrap();
    let text = write(folder.path(), "text.pem", "no certificate\n");
    for (settings, expected) in [
        (
            format!("cacert: {text}\n"),
            format!("`cacert` names {text}, which does not hold certificates in PEM form"),
        ),
        ("cacert: /nowhere.pem\n".to_owned(), "`cacert` names /nowhere.pem, which".to_owned()),
        (
            format!("cert: {text}\n"),
            format!("`key` names {text}, which does not hold a private key in PEM form"),
        ),
        (format!("key: {text}\n"), "the cloud has a `key` but no `cert`".to_owned()),
    ] {
        let error = Session::connect(config("https://127.0.0.1:1/v3", &settings)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_recognised() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/v3", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = socket.read(&mut [0; 1024]).await;
        }
    });
    let error = Session::connect(config(&url, "")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}
