//! The TLS settings of one cloud.
//!
//! The configuration is built here, with the ring provider, and handed to the
//! HTTP client whole: left alone, the client would look for a provider
//! installed for the process, and a library must not install one.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::config::CloudConfig;
use crate::error::{Error, ErrorKind, Result};

/// The TLS configuration for a server that the system's authorities vouch for.
pub(super) fn of_system() -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(Vec::new(), &provider)?;
    Ok(builder(provider, verifier)?.with_no_client_auth())
}

/// Trusts the authorities of the system and these.
fn verifier(
    roots: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>> {
    let has_cacert = !roots.is_empty();
    match Verifier::new_with_extra_roots(roots, Arc::clone(provider)) {
        Ok(verifier) => Ok(Arc::new(verifier)),
        // A machine without any authorities can still use plain http.
        Err(error) if !has_cacert => Ok(Arc::new(NoRoots(error.to_string()))),
        Err(error) => {
            Err(Error::new(ErrorKind::Config, "the certificates of `cacert` cannot be used")
                .with_source(error))
        }
    }
}

fn builder(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>> {
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Config, "TLS cannot be set up").with_source(error))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
}

/// The TLS configuration that `config` asks for.
pub(super) fn client_config(config: &CloudConfig) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier = if config.verify() {
        let roots = config.cacert().map(|path| certificates(path, "cacert")).transpose()?;
        verifier(roots.unwrap_or_default(), &provider)?
    } else {
        tracing::warn!(cloud = config.name(), "the certificates of this cloud are not verified");
        Arc::new(Anybody(Arc::clone(&provider)))
    };
    let builder = builder(provider, verifier)?;
    let Some(cert) = config.cert() else {
        if config.key().is_some() {
            return Err(Error::new(
                ErrorKind::Config,
                "the cloud has a `key` but no `cert` that goes with it",
            ));
        }
        return Ok(builder.with_no_client_auth());
    };
    // As the SDK does: without `key`, the key is in the certificate's file.
    let key_path = config.key().unwrap_or(cert);
    let key = PrivateKeyDer::from_pem_file(key_path)
        .map_err(|error| unusable(key_path, "key", "a private key").with_source(error))?;
    builder
        .with_client_auth_cert(certificates(cert, "cert")?, key)
        .map_err(|error| unusable(cert, "cert", "a certificate for its key").with_source(error))
}

fn certificates(path: &Path, key: &str) -> Result<Vec<CertificateDer<'static>>> {
    let unusable = || unusable(path, key, "certificates");
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| unusable().with_source(error))?;
    if certificates.is_empty() { Err(unusable()) } else { Ok(certificates) }
}

fn unusable(path: &Path, key: &str, what: &str) -> Error {
    let path = path.display();
    Error::new(ErrorKind::Config, format!("`{key}` names {path}, which does not hold {what} in PEM form"))
}

/// Trusts any certificate, but still requires that the peer holds its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Trusts nobody, because the machine knows no authorities.
#[derive(Debug)]
struct NoRoots(String);

impl ServerCertVerifier for NoRoots {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        tracing::warn!(reason = self.0, "no authorities to trust; install the ca-certificates package");
        Err(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General(self.0.clone()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General(self.0.clone()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
