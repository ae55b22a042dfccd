//! NBD URIs: which server, which export.
//!
//! The forms of the NBD URI specification that name one export over TCP or a unix socket; parsing
//! never touches the network.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

use super::tls::ClientTls;
use crate::{Error, ErrorKind, Result};

/// The port of an `nbd://` URI that names none.
pub(crate) const DEFAULT_PORT: u16 = 10809;

/// Where an export is: `nbd://host[:port]/export` or `nbd+unix:///export?socket=PATH`.
///
/// The same with `nbds` asks for TLS; `tls-certificates=DIR`, `tls-hostname=NAME` and
/// `tls-fingerprint=SHA256` say how to make sure of the server ([`ClientTls`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    address: Address,
    export: String,
    tls: Option<ClientTls>,
}

/// The socket address part of a [`Uri`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP address.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A unix domain socket.
    Unix(PathBuf),
}

impl Uri {
    /// The export called `export` of the server that listens on a unix socket.
    pub fn unix(socket: impl Into<PathBuf>, export: impl Into<String>) -> Self {
        Self { address: Address::Unix(socket.into()), export: export.into(), tls: None }
    }

    /// The export called `export` of the server at `host` and `port`.
    pub fn tcp(host: impl Into<String>, port: u16, export: impl Into<String>) -> Self {
        Self { address: Address::Tcp { host: host.into(), port }, export: export.into(), tls: None }
    }

    /// Where the server listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The name of the export; empty for the server's default.
    pub fn export(&self) -> &str {
        &self.export
    }

    /// How to make sure of the server, when TLS is asked for.
    pub fn tls(&self) -> Option<&ClientTls> {
        self.tls.as_ref()
    }

    /// The same, with the host's name.
    pub(super) fn secure(&self) -> Option<(&ClientTls, Option<&str>)> {
        let host = match &self.address {
            Address::Tcp { host, .. } => Some(host.as_str()),
            Address::Unix(_) => None,
        };
        self.tls.as_ref().map(|tls| (tls, host))
    }
}

impl FromStr for Uri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).map_err(|reason| Error::new(ErrorKind::Config, reason).with_endpoint(text))
    }
}

fn parse(text: &str) -> std::result::Result<Uri, String> {
    let url = Url::parse(text).map_err(|error| format!("not an NBD URI: {error}"))?;
    let (unix, tls) = match url.scheme() {
        "nbd" => (false, false),
        "nbds" => (false, true),
        "nbd+unix" => (true, false),
        "nbds+unix" => (true, true),
        scheme => return Err(format!("not an NBD URI: scheme `{scheme}`")),
    };
    let path = url.path();
    let export = decode(path.strip_prefix('/').unwrap_or(path))?;
    let address = if unix { Address::Unix(socket(&url)?) } else { tcp(&url)? };
    let secure = secure(&url)?;
    match tls {
        false if secure != ClientTls::default() => {
            Err("TLS is spoken with nbds:// or nbds+unix:// only".into())
        }
        tls => Ok(Uri { address, export, tls: tls.then_some(secure) }),
    }
}

/// The parameters that concern TLS; one that would weaken it is refused.
fn secure(url: &Url) -> std::result::Result<ClientTls, String> {
    let mut tls = ClientTls::default();
    for pair in url.query().unwrap_or("").split('&') {
        let Some((key, value)) = pair.split_once('=').filter(|(key, _)| key.starts_with("tls-")) else {
            continue;
        };
        let value = decode(value)?;
        match key {
            "tls-certificates" => tls.certificates = Some(PathBuf::from(value)),
            "tls-hostname" => tls.hostname = Some(value),
            "tls-fingerprint" => {
                tls.fingerprint = Some(value.parse().map_err(|error: Error| error.to_string())?);
            }
            "tls-verify-peer" if value == "true" => {}
            "tls-verify-peer" => {
                return Err("servers are always verified: name a tls-fingerprint instead".into());
            }
            _ => {
                return Err(format!(
                    "`{key}` is not known: there are tls-certificates, tls-hostname, tls-fingerprint"
                ));
            }
        }
    }
    Ok(tls)
}

fn tcp(url: &Url) -> std::result::Result<Address, String> {
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("the NBD URI names no host")?;
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_name =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if inner.is_none() && !is_name(host) {
        return Err(format!("`{host}` is no name of a host"));
    }
    let host = inner.unwrap_or(host).to_owned();
    Ok(Address::Tcp { host, port: url.port().unwrap_or(DEFAULT_PORT) })
}

fn socket(url: &Url) -> std::result::Result<PathBuf, String> {
    if url.host_str().is_some_and(|host| !host.is_empty()) {
        return Err("an nbd+unix URI names no host: write nbd+unix:///EXPORT?socket=PATH".into());
    }
    // Not form decoding: a `+` in a path is a plus sign.
    let value = url.query().unwrap_or("").split('&').find_map(|pair| pair.strip_prefix("socket="));
    let path = decode(value.unwrap_or(""))?;
    if path.is_empty() {
        return Err("the nbd+unix URI has no `socket=PATH`".into());
    }
    Ok(PathBuf::from(path))
}

fn decode(text: &str) -> std::result::Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let value = digit(rest.next()).zip(digit(rest.next())).map(|(high, low)| high * 16 + low);
        let byte = value.and_then(|value| u8::try_from(value).ok());
        bytes.push(byte.ok_or_else(|| format!("bad percent-encoding in `{text}`"))?);
    }
    String::from_utf8(bytes).map_err(|_| format!("`{text}` does not decode to UTF-8"))
}

struct Encoded<'a> {
    text: &'a str,
    /// Slashes stay what they are.
    slashes: bool,
}

impl<'a> Encoded<'a> {
    /// As the path of a URI, where a part of dots alone would mean "here" or "one up".
    fn path(text: &'a str) -> Self {
        Self { text, slashes: !text.split('/').any(|part| part == "." || part == "..") }
    }

    /// As the value of a parameter.
    fn value(text: &'a str) -> Self {
        Self { text, slashes: true }
    }
}

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.text.bytes() {
            let is_plain = byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte);
            if is_plain || (byte == b'/' && self.slashes) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls.is_some() { "nbds" } else { "nbd" })?;
        match &self.address {
            Address::Tcp { host, port } => {
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "://{open}{host}{close}")?;
                if *port != DEFAULT_PORT {
                    write!(f, ":{port}")?;
                }
                write!(f, "/{}", Encoded::path(&self.export))?;
            }
            Address::Unix(path) => {
                let path = Path::to_string_lossy(path);
                write!(f, "+unix:///{}?socket={}", Encoded::path(&self.export), Encoded::value(&path))?;
            }
        }
        let Some(ClientTls { certificates, hostname, fingerprint }) = &self.tls else { return Ok(()) };
        let parameters = [
            ("tls-certificates", certificates.as_ref().map(|path| path.to_string_lossy().into_owned())),
            ("tls-hostname", hostname.clone()),
            ("tls-fingerprint", fingerprint.map(|fingerprint| fingerprint.to_string())),
        ];
        let mut mark = if matches!(self.address, Address::Unix(_)) { '&' } else { '?' };
        for (key, value) in parameters {
            if let Some(value) = value {
                write!(f, "{mark}{key}={}", Encoded::value(&value))?;
                mark = '&';
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_round_trips() {
        for text in [
            "nbd://host/",
            "nbd://host:10810/disk-1",
            "nbd://[::1]:4000/a%20b",
            "nbds://example.org/x",
            "nbds://example.org/x?tls-certificates=/etc/pki&tls-hostname=disk.example.org",
            "nbds+unix:///x?socket=/s&tls-hostname=h",
            "nbd+unix:///?socket=/run/nbd.sock",
            "nbd+unix:///disk%3F?socket=/run/a%2Bb.sock",
            "nbd://host/a%2F..%2Fb",
            "nbd+unix:///?socket=/run/../nbd.sock",
        ] {
            let uri: Uri = text.parse().unwrap();
            assert_eq!(uri.to_string(), text);
        }
    }

    #[test]
    fn names_are_decoded() {
        let uri: Uri = "nbd+unix:///a%2fb?socket=/x+y".parse().unwrap();
        assert_eq!(uri, Uri::unix("/x+y", "a/b"));
        let uri: Uri = "nbd://[::1]".parse().unwrap();
        assert_eq!(uri, Uri::tcp("::1", DEFAULT_PORT, ""));
        assert_eq!("nbds://h/".parse::<Uri>().unwrap().tls(), Some(&ClientTls::default()));
        assert_eq!("nbd://h/".parse::<Uri>().unwrap().tls(), None);
    }

    #[test]
    fn what_names_no_server_is_a_config_error() {
        for text in [
            "disk.img",
            "http://x/",
            "nbd:///x",
            "nbd+unix:///x",
            "nbd+unix://h/x?socket=/s",
            "nbd://h/%zz",
            "nbd://h%20x/",
            "nbds://h/?tls-verify-peer=false",
            "nbds://h/?tls-fingerprint=12",
            "nbds://h/?tls-psk-file=f",
            "nbd://h/?tls-hostname=x",
        ] {
            let error = text.parse::<Uri>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        }
    }
}
