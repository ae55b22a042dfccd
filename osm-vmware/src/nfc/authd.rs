//! The daemon on port 902: it takes the ticket within TLS, and hands the connection over to NFC.
//!
//! ```text
//!   S  220 VMware Authentication Daemon ... NFCSSL supported/t, SHA256 supported      in clear
//!   TLS
//!   C  SESSION <secret>             no answer
//!   C  BANNER                       S  220
//!   C  THUMBPRINT_SHA2 PlainText    S  200 ...    where the host can tell one
//!   C  PROXY vpxa-nfcssl            S  200
//!   the same connection without TLS, or with another TLS: NFC
//! ```

use secrecy::ExposeSecret as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

use super::ticket::Ticket;
use crate::{Error, ErrorKind, Result};

/// No line is longer.
const LONGEST: usize = 2048;

/// What a host says that it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Banner {
    pub(super) encrypts: bool,
    pub(super) tells_sha256: bool,
}

/// Reads what the host says first.
///
/// # Errors
/// `BadResponse`: it is no such daemon.
pub(super) async fn banner(stream: &mut (impl AsyncRead + Unpin)) -> Result<Banner> {
    let line = read(stream).await?;
    if !line.starts_with("220 ") {
        return Err(unexpected("it begins with", &line));
    }
    let says = |what: &str| line.contains(what);
    Ok(Banner { encrypts: says("NFCSSL supported"), tells_sha256: says("SHA256 supported") })
}

/// Hands the ticket over, and asks for NFC.
///
/// # Errors
/// `Refused`: the ticket is not taken.
pub(super) async fn hand_over(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ticket: &Ticket,
    banner: Banner,
    encrypted: bool,
) -> Result<()> {
    let session = Zeroizing::new(format!("SESSION {}", ticket.secret.expose_secret()));
    write(stream, &session).await?;
    // The blank is a part of the command.
    write(stream, "BANNER ").await?;
    let answer = read(stream).await?;
    if !answer.starts_with("220") {
        return Err(refused(&answer, ticket));
    }
    if banner.tells_sha256 {
        write(stream, "THUMBPRINT_SHA2 PlainText").await?;
        let answer = read(stream).await?;
        if !answer.starts_with("200 ") {
            tracing::debug!("the host does not tell its SHA-256 fingerprint");
        }
    }
    let service = if encrypted { format!("{}ssl", ticket.service) } else { ticket.service.clone() };
    write(stream, &format!("PROXY {service}")).await?;
    let answer = read(stream).await?;
    if answer.starts_with("200 ") { Ok(()) } else { Err(refused(&answer, ticket)) }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), line: &str) -> Result<()> {
    let line = Zeroizing::new(format!("{line}\r\n"));
    stream.write_all(line.as_bytes()).await.map_err(broken)?;
    stream.flush().await.map_err(broken)
}

/// A line without its end. No byte behind it is read.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<String> {
    let mut line = Vec::new();
    while line.len() < LONGEST {
        match stream.read_u8().await.map_err(broken)? {
            b'\n' => {
                let text = String::from_utf8_lossy(&line);
                return Ok(text.trim_end_matches('\r').to_owned());
            }
            byte => line.push(byte),
        }
    }
    Err(unexpected("a line does not end:", &String::from_utf8_lossy(&line)))
}

fn broken(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unreachable, "the host broke off before NFC began").with_source(error)
}

fn unexpected(what: &str, line: &str) -> Error {
    let message = format!("this is no VMware authentication daemon: {what} `{}`", plain(line));
    Error::new(ErrorKind::BadResponse, message).with_hint("is port 902 of the host what answers there?")
}

fn refused(line: &str, ticket: &Ticket) -> Error {
    // No host is known to repeat the secret; if one did, it would stand in a log.
    let line = line.replace(ticket.secret.expose_secret(), "(secret)");
    let message = format!("the host does not take vSphere's ticket: `{}`", plain(&line));
    Error::new(ErrorKind::Refused, message)
}

/// A line as it can be shown.
fn plain(line: &str) -> String {
    line.chars().filter(|char| !char.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_banner_tells_what_the_host_can() {
        let read = async |text: &str| banner(&mut text.as_bytes()).await;
        let full = "220 VMware Authentication Daemon Version 1.10: SSL Required, ServerDaemonProtocol:SOAP, \
                    NFCSSL supported/t, SHA256 supported\r\n";
        assert_eq!(read(full).await.unwrap(), Banner { encrypts: true, tells_sha256: true });
        let old = "220 VMware Authentication Daemon Version 1.10: SSL Required\n";
        assert_eq!(read(old).await.unwrap(), Banner { encrypts: false, tells_sha256: false });
        let long = "220 ".repeat(LONGEST);
        for (wrong, kind) in [
            ("SSH-2.0-OpenSSH_9.6\r\n", ErrorKind::BadResponse),
            (long.as_str(), ErrorKind::BadResponse),
            ("220 VMware", ErrorKind::Unreachable),
        ] {
            assert_eq!(read(wrong).await.unwrap_err().kind(), kind);
        }
    }
}
