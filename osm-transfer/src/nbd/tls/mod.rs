//! TLS 1.3 for NBD: `NBD_OPT_STARTTLS`, then the handshake begins anew inside the session.
//!
//! A client makes sure whom it talks to, by authorities or by the fingerprint of one certificate; there
//! is no way to leave that out. Nothing falls back to plain text: a server without TLS is an error for a
//! client that asks for it, and a client without TLS learns nothing from a server that has it.

mod pinned;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub(crate) use self::pinned::Pinned;
use super::transport::{self, Reader, Writer};
use crate::{Error, ErrorKind, Result, Retry};

/// The SHA-256 of a certificate (DER): 64 hexadecimal digits, colons between them or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// How a client makes sure whom it talks to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ClientTls {
    /// A folder with `ca-cert.pem`, and `client-cert.pem` and `client-key.pem` if the server wants to
    /// know the client; without it the authorities of the system count.
    pub certificates: Option<PathBuf>,
    /// The name in the server's certificate, when it is not that of the address.
    pub hostname: Option<String>,
    /// The one certificate that is accepted, whoever has signed it and whatever its name.
    pub fingerprint: Option<Fingerprint>,
}

/// What a server shows to its clients, and what it wants to see of them.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    fingerprint: Fingerprint,
}

impl ClientTls {
    /// A TLS session with the server at `host` over what was a plain connection.
    pub(super) async fn connect(
        &self,
        reader: Reader,
        writer: Writer,
        host: Option<&str>,
    ) -> Result<(Reader, Writer)> {
        let config = self.config()?;
        let name = self.hostname.as_deref().or(host).unwrap_or("localhost").to_owned();
        let name = ServerName::try_from(name.clone())
            .map_err(|error| config_error(format!("`{name}` is no name of a TLS server"), error))?;
        let stream = transport::reunite(reader, writer).map_err(broken)?;
        let session = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(broken)?;
        let (reader, writer) = tokio::io::split(session);
        Ok(transport::stream(reader, writer))
    }

    fn config(&self) -> Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| config_error("TLS 1.3 cannot be spoken".to_owned(), error))?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(&provider)?);
        let Some(folder) = &self.certificates else { return Ok(builder.with_no_client_auth()) };
        let (chain, key) = (folder.join("client-cert.pem"), folder.join("client-key.pem"));
        if !chain.exists() && !key.exists() {
            return Ok(builder.with_no_client_auth());
        }
        builder
            .with_client_auth_cert(certificates(&chain)?, private_key(&key)?)
            .map_err(|error| config_error(format!("{} and its key do not fit", chain.display()), error))
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>> {
        if let Some(fingerprint) = self.fingerprint {
            return Ok(Arc::new(Pinned::new(fingerprint, provider)));
        }
        let Some(folder) = &self.certificates else {
            let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(provider));
            return match verifier {
                Ok(verifier) => Ok(Arc::new(verifier)),
                Err(error) => Err(config_error(
                    "the system has no authorities: name some, or a fingerprint".to_owned(),
                    error,
                )),
            };
        };
        let roots = Arc::new(authorities(&folder.join("ca-cert.pem"))?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider)).build();
        Ok(verifier.map_err(|error| config_error("the authorities cannot be used".to_owned(), error))?)
    }
}

impl ServerTls {
    /// A server with this certificate chain and key; with `client_authority`, clients must show a
    /// certificate that it has signed. All files are PEM.
    ///
    /// # Errors
    /// `Config` when a file cannot be read, or key and certificate do not fit.
    pub fn from_files(chain: &Path, key: &Path, client_authority: Option<&Path>) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| config_error("TLS 1.3 cannot be spoken".to_owned(), error))?;
        let builder = match client_authority {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(authorities(path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
                let unusable = |error| config_error(format!("{} cannot be used", path.display()), error);
                builder.with_client_cert_verifier(verifier.map_err(unusable)?)
            }
        };
        let certificates = certificates(chain)?;
        let fingerprint = certificates.first().map(Fingerprint::of);
        let config = builder
            .with_single_cert(certificates, private_key(key)?)
            .map_err(|error| config_error(format!("{} and its key do not fit", chain.display()), error))?;
        let empty = || Error::new(ErrorKind::Config, format!("{} holds no certificate", chain.display()));
        Ok(Self { config: Arc::new(config), fingerprint: fingerprint.ok_or_else(empty)? })
    }

    /// The fingerprint of its certificate, for clients to pin.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) async fn accept(&self, reader: Reader, writer: Writer) -> Result<(Reader, Writer)> {
        let stream = transport::reunite(reader, writer).map_err(broken)?;
        let session = TlsAcceptor::from(Arc::clone(&self.config)).accept(stream).await.map_err(broken)?;
        let (reader, writer) = tokio::io::split(session);
        Ok(transport::stream(reader, writer))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Fingerprint {
    /// Accepts a server with this certificate alone, whatever its name and whoever has signed it.
    pub fn verifier(self) -> Arc<dyn ServerCertVerifier> {
        Arc::new(Pinned::new(self, &Arc::new(::rustls::crypto::ring::default_provider())))
    }

    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = ::ring::digest::digest(&::ring::digest::SHA256, certificate);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let bytes: Option<Vec<u8>> =
            digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(|| {
            let message =
                format!("`{text}` is no fingerprint: write the 64 hexadecimal digits of the SHA-256");
            Error::new(ErrorKind::Config, message)
        })
    }
}

fn authorities(path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| config_error(format!("{} is no authority", path.display()), error))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let unreadable =
        |error: PemError| config_error(format!("cannot read certificates of {}", path.display()), error);
    CertificateDer::pem_file_iter(path).map_err(unreadable)?.map(|item| item.map_err(unreadable)).collect()
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| config_error(format!("cannot read the private key {}", path.display()), error))
}

fn config_error(message: String, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Config, message).with_source(source)
}

/// A certificate that is not accepted stays so; a connection that broke may not break again.
fn broken(source: io::Error) -> Error {
    let refused = source.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    let (kind, message) = match refused {
        true => (ErrorKind::Config, format!("no TLS session: {source}")),
        false => (ErrorKind::Io, "the connection broke while TLS began".to_owned()),
    };
    let error = Error::new(kind, message);
    let error = if refused { error } else { error.with_retry(Retry::Safe) };
    error.with_source(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_64_digits_with_or_without_colons() {
        let plain = "00ff".repeat(16);
        let fingerprint: Fingerprint = plain.parse().unwrap();
        assert_eq!(fingerprint.to_string(), plain);
        let pairs: Vec<&str> =
            plain.as_bytes().chunks(2).map(|it| std::str::from_utf8(it).unwrap()).collect();
        assert_eq!(pairs.join(":").to_uppercase().parse::<Fingerprint>().unwrap(), fingerprint);
        for text in
            ["", "00", &plain[1..], &format!("{plain}0"), &format!("{plain}00"), &plain.replace('f', "g")]
        {
            let error = text.parse::<Fingerprint>().unwrap_err();
            assert!(error.to_string().contains("64 hexadecimal digits"), "{text}: {error}");
        }
    }
}
