//! The daemon that takes tickets.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::host::Host;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Lets a client in who has a ticket; a stream that NFC is spoken over from here on. None for one who has not.
pub(super) async fn enter(host: &Host, mut stream: TcpStream) -> io::Result<Option<Box<dyn Stream>>> {
    let encrypts = if host.behaviour().encrypts { ", NFCSSL supported/t" } else { "" };
    let banner = format!(
        "220 VMware Authentication Daemon Version 1.10: SSL Required, ServerDaemonProtocol:SOAP, \
         MKSDisplayProtocol:VNC , VMXARGS supported{encrypts}, SHA256 supported\r\n"
    );
    stream.write_all(banner.as_bytes()).await?;
    // A client waits for the last answer before it says more, so that nothing is left in this buffer.
    let mut first = BufReader::new(host.acceptor().accept(stream).await?);
    let Some(encrypted) = converse(host, &mut first).await? else { return Ok(None) };
    let stream = first.into_inner().into_inner().0;
    if !encrypted {
        return Ok(Some(Box::new(stream)));
    }
    Ok(Some(Box::new(host.acceptor().accept(stream).await?)))
}

/// Whether the client wants NFC to be encrypted; none when it may not come in.
async fn converse<S: Stream>(host: &Host, stream: &mut BufReader<S>) -> io::Result<Option<bool>> {
    let mut admitted = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end_matches(['\r', '\n']);
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (command, rest) {
            // It has no answer: whether the ticket was good shows later.
            ("SESSION", secret) => admitted = host.admits(secret),
            ("BANNER", _) => answer(stream, "220 VMware Authentication Daemon Version 1.10").await?,
            ("THUMBPRINT_SHA2", _) => {
                let fingerprint = host.sha256();
                answer(stream, &format!("200 {fingerprint}")).await?;
            }
            ("PROXY", _) if !admitted => {
                answer(stream, "530 Login incorrect.").await?;
                return Ok(None);
            }
            ("PROXY", "vpxa-nfcssl" | "ha-nfcssl") if host.behaviour().encrypts => {
                answer(stream, "200 Connect ha-nfcssl").await?;
                return Ok(Some(true));
            }
            ("PROXY", "vpxa-nfc" | "ha-nfc") => {
                answer(stream, "200 Connect ha-nfc").await?;
                return Ok(Some(false));
            }
            ("PROXY", service) => answer(stream, &format!("550 No such service: {service}")).await?,
            _ => answer(stream, "500 Unknown command").await?,
        }
    }
}

async fn answer<S: Stream>(stream: &mut BufReader<S>, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}
