//! Who a host says it is: a certificate that it signed itself, as ESXi hosts come.

use std::io;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;

pub(super) struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    pub(super) fn new() -> io::Result<Self> {
        let names = vec!["esx-01.lab".to_owned()];
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.distinguished_name.push(DnType::CommonName, "esx-01.lab");
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        Ok(Self { certificate: certificate.der().clone(), key: key.serialize_der() })
    }

    pub(super) fn sha1(&self) -> String {
        self.fingerprint(&SHA1_FOR_LEGACY_USE_ONLY)
    }

    pub(super) fn sha256(&self) -> String {
        self.fingerprint(&SHA256)
    }

    fn fingerprint(&self, algorithm: &'static Algorithm) -> String {
        let digest = digest(algorithm, &self.certificate);
        let pairs: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }

    pub(super) fn acceptor(&self, versions: &[&'static SupportedProtocolVersion]) -> io::Result<TlsAcceptor> {
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], PrivateKeyDer::Pkcs8(self.key.clone().into()))
            .map_err(io::Error::other)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
