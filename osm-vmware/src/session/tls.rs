//! Whom a session trusts: the authorities of the system and those in a file, or one certificate. Never anybody.

use std::io;
use std::sync::Arc;

use osm_transfer::nbd::Fingerprint;
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{Error, ErrorKind, Result};

/// TLS with these authorities besides those of the system; with a fingerprint, with the one certificate that has it.
pub(super) fn client_config(
    authorities: Option<&str>,
    thumbprint: Option<Fingerprint>,
) -> Result<ClientConfig> {
    let verifier = match thumbprint {
        Some(thumbprint) => thumbprint.verifier(),
        None => of_authorities(authorities)?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Config, "TLS cannot be set up").with_source(error))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn of_authorities(authorities: Option<&str>) -> Result<Arc<dyn ServerCertVerifier>> {
    let unusable = || {
        Error::new(ErrorKind::Config, "there are no authorities in what should name them")
            .with_hint("name a PEM file with the certificate of the authority that has signed vCenter's")
    };
    let mut roots = Vec::new();
    if let Some(text) = authorities {
        for root in CertificateDer::pem_slice_iter(text.as_bytes()) {
            roots.push(root.map_err(|error| unusable().with_source(error))?);
        }
        if roots.is_empty() {
            return Err(unusable());
        }
    }
    let verifier = Verifier::new_with_extra_roots(roots, Arc::new(ring::default_provider()));
    Ok(Arc::new(verifier.map_err(|error| {
        Error::new(ErrorKind::Config, "there are no authorities to trust").with_source(error)
    })?))
}

/// The certificate that a server shows, if it is trusted.
pub(super) async fn certificate(tls: &Arc<ClientConfig>, host: &str, port: u16) -> io::Result<Vec<u8>> {
    let host = host.trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = TcpStream::connect((host, port)).await?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    shown.map(|leaf| leaf.to_vec()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
