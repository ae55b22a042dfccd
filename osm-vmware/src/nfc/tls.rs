//! TLS with a host that is known by the fingerprint in a ticket alone.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use osm_transfer::Retry;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, Error as TlsError, PeerMisbehaved};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::pinned::Pinned;
use super::thumbprint::Thumbprint;
use crate::{Error, ErrorKind, Result};

/// Speaks TLS over a stream with the host that has this certificate.
///
/// # Errors
/// `Unreachable`: it shows another certificate, or breaks off. `Unsupported`: it can only sign with SHA-1.
pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    thumbprint: Thumbprint,
    host: &str,
    address: IpAddr,
    stream: S,
) -> Result<TlsStream<S>> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Config, "TLS cannot be set up").with_source(error))?;
    let verifier = Arc::new(Pinned::new(thumbprint, algorithms));
    let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    // The name tells the host nothing it does not know, and is not what it is trusted for.
    let name = ServerName::try_from(host.to_owned()).unwrap_or_else(|_| ServerName::from(address));
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(refused)
}

/// Why there is no session.
fn refused(error: io::Error) -> Error {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    let told = match cause {
        Some(TlsError::InvalidCertificate(_)) => {
            let message = "the host shows another certificate than vSphere's ticket names";
            Error::new(ErrorKind::Unreachable, message).with_retry(Retry::Never).with_hint(
                "somebody stands between, or the host's certificate was replaced: reconnect the host in vCenter",
            )
        }
        Some(
            TlsError::AlertReceived(AlertDescription::HandshakeFailure)
            | TlsError::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)
            | TlsError::PeerIncompatible(_),
        ) => Error::new(ErrorKind::Unsupported, "the host and this program have no TLS in common").with_hint(
            "ESXi 6.5 and 6.7 sign with SHA-1, which is not accepted here: read the disk over HTTPS, or by VDDK",
        ),
        Some(_) => Error::new(ErrorKind::BadResponse, "the host does not speak TLS as it should"),
        None => Error::new(ErrorKind::Unreachable, "the host broke off while TLS was agreed on"),
    };
    told.with_source(error)
}
