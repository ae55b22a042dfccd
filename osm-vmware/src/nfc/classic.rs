//! What NFC spoke before it could do several things at once: messages of 264 bytes, a type and what belongs to it.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::{Error, ErrorKind, Result};

/// The size of every message: the type, and 260 bytes of which most are zero.
const SIZE: usize = 264;

const GOODBYE: u32 = 4;
const HELLO: u32 = 33;
const HELLO_REPLY: u32 = 36;
const SECURITY: u32 = 43;
const VERSION: u32 = 51;
const BEGIN: u32 = 52;
const CLIENT: u32 = 54;
const MODE: u32 = 55;

/// The version that we speak, and the first that can do several things at once.
const OURS: u32 = 11;
const SEVERAL: u32 = 3;

/// Who we say we are, and what we want.
const NAME: &[u8] = b"vddk";
const OPERATION: &[u8] = b"nbdmode";
const NBD_MODE: u32 = 3;

/// Comes to the point where requests can be made. `version` is what vSphere says of the host.
///
/// # Errors
/// `Unsupported`: the host is too old. `BadResponse`: it answers something else.
pub(super) async fn greet(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), version: u32) -> Result<()> {
    let mut first = Vec::new();
    if version >= OURS {
        first.extend_from_slice(&message(SECURITY, b"PlainText"));
    }
    first.extend_from_slice(&message(HELLO, &[]));
    send(stream, &first).await?;
    answer(stream, HELLO_REPLY).await?;
    send(stream, &message(VERSION, &OURS.to_le_bytes())).await?;
    let theirs = answer(stream, VERSION).await?;
    if theirs < SEVERAL {
        let message = format!("the host speaks version {theirs} of NFC, which is too old");
        return Err(Error::new(ErrorKind::Unsupported, message)
            .with_hint("read the disk over HTTPS, or by VDDK; ESXi 7.0 and later are new enough"));
    }
    let lengths = [NAME.len(), OPERATION.len()].map(|len| (len as u32).to_le_bytes()).concat();
    let mut last = message(CLIENT, &lengths).to_vec();
    last.extend_from_slice(NAME);
    last.extend_from_slice(OPERATION);
    last.extend_from_slice(&message(MODE, &NBD_MODE.to_le_bytes()));
    last.extend_from_slice(&message(BEGIN, &[]));
    send(stream, &last).await?;
    answer(stream, BEGIN).await.map(drop)
}

/// The end of a session.
pub(super) fn goodbye() -> [u8; SIZE] {
    message(GOODBYE, &[])
}

fn message(kind: u32, body: &[u8]) -> [u8; SIZE] {
    let mut message = [0; SIZE];
    let parts = kind.to_le_bytes().into_iter().chain(body.iter().copied());
    message.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
    message
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<()> {
    stream.write_all(bytes).await.map_err(broken)?;
    stream.flush().await.map_err(broken)
}

/// Reads a message that must be of this type; the first number in it.
async fn answer(stream: &mut (impl AsyncRead + Unpin), wanted: u32) -> Result<u32> {
    let mut message = [0; SIZE];
    stream.read_exact(&mut message).await.map_err(broken)?;
    let [a, b, c, d, e, f, g, h, ..] = message;
    let kind = u32::from_le_bytes([a, b, c, d]);
    if kind != wanted {
        let message = format!("the host sends an NFC message of type {kind} where {wanted} belongs");
        return Err(Error::new(ErrorKind::BadResponse, message));
    }
    Ok(u32::from_le_bytes([e, f, g, h]))
}

fn broken(error: io::Error) -> Error {
    Error::new(ErrorKind::Unreachable, "the host broke off while NFC began").with_source(error)
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// A host that sends these messages; what it received, when it was content.
    async fn against(messages: &[[u8; SIZE]], version: u32) -> Result<Vec<u8>> {
        let (mut ours, mut theirs) = duplex(1 << 16);
        theirs.write_all(&messages.concat()).await.unwrap();
        let greeted = greet(&mut ours, version).await;
        drop(ours);
        let mut heard = Vec::new();
        theirs.read_to_end(&mut heard).await.unwrap();
        greeted.map(|()| heard)
    }

    fn script(version: u32) -> [[u8; SIZE]; 3] {
        [message(HELLO_REPLY, &[]), message(VERSION, &version.to_le_bytes()), message(BEGIN, &[])]
    }

    #[tokio::test]
    async fn the_way_to_requests() {
        let heard = against(&script(11), 11).await.unwrap();
        assert_eq!(heard.len(), 6 * SIZE + NAME.len() + OPERATION.len());
        assert_eq!(&heard[..14], b"\x2b\0\0\0PlainText\0");
        assert_eq!(&heard[4 * SIZE..][..11], b"vddknbdmode");
        let older = against(&script(7), 7).await.unwrap();
        assert_eq!(older.len(), heard.len() - SIZE);
    }

    #[tokio::test]
    async fn a_host_that_says_something_else_is_left() {
        let kind = async |messages: &[[u8; SIZE]]| against(messages, 11).await.unwrap_err().kind();
        assert_eq!(kind(&script(2)).await, ErrorKind::Unsupported);
        for missing in 0..3 {
            let mut wrong = script(11);
            wrong[missing] = message(99, &[]);
            assert_eq!(kind(&wrong).await, ErrorKind::BadResponse);
        }
    }
}
