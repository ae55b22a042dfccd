//! A certificate that lives as long as a link, and what each end does with it.

use std::fmt;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};

use super::{Fingerprint, NAME};
use crate::nbd::Pinned;
use crate::{Error, ErrorKind, Result};

/// A key and a self-signed certificate, made for one link.
pub struct OneOff {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl OneOff {
    /// A new one.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn generate() -> Result<Self> {
        let made = || -> std::result::Result<_, rcgen::Error> {
            let key = KeyPair::generate()?;
            let certificate = CertificateParams::new(vec![NAME.to_owned()])?.self_signed(&key)?;
            Ok((certificate.der().clone(), key))
        };
        let (certificate, key) = made().map_err(|error| tls_error("no certificate could be made", error))?;
        Ok(Self { certificate, key: PrivateKeyDer::Pkcs8(key.serialize_der().into()) })
    }

    /// What the other end pins.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    pub(super) fn server(&self, client: Fingerprint) -> Result<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let pinned = Arc::new(Pinned::new(client, &provider));
        ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map(|builder| builder.with_client_cert_verifier(pinned))
            .and_then(|builder| {
                builder.with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            })
            .map_err(|error| tls_error("TLS 1.3 cannot be offered", error))
    }

    pub(super) fn client(&self, server: Fingerprint) -> Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let pinned = Arc::new(Pinned::new(server, &provider));
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map(|builder| builder.dangerous().with_custom_certificate_verifier(pinned))
            .and_then(|builder| {
                builder.with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key())
            })
            .map_err(|error| tls_error("TLS 1.3 cannot be spoken", error))
    }
}

impl fmt::Debug for OneOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneOff").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

fn tls_error(message: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Config, message).with_source(source)
}
