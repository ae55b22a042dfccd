//! Whom a session trusts: the authorities of the system, and those in a file. Never anybody.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::Verifier;

use crate::{Error, ErrorKind, Result};

/// TLS with these authorities besides those of the system.
pub(super) fn client_config(authorities: Option<&Path>) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let unusable = |path: &Path| {
        Error::new(ErrorKind::Config, "the file holds no authorities")
            .with_object(path.display().to_string())
            .with_hint("name a PEM file with the certificate of the authority that has signed vCenter's")
    };
    let mut roots = Vec::new();
    if let Some(path) = authorities {
        let read = CertificateDer::pem_file_iter(path).map_err(|error| unusable(path).with_source(error))?;
        for root in read {
            roots.push(root.map_err(|error| unusable(path).with_source(error))?);
        }
        if roots.is_empty() {
            return Err(unusable(path));
        }
    }
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(|error| {
        Error::new(ErrorKind::Config, "there are no authorities to trust").with_source(error)
    })?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Config, "TLS cannot be set up").with_source(error))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}
