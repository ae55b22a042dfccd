//! Messages of 264 bytes, a type and what belongs to it.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

pub(super) const SIZE: usize = 264;

pub(super) const GOODBYE: u32 = 4;
const HELLO: u32 = 33;
const HELLO_REPLY: u32 = 36;
const SECURITY: u32 = 43;
const VERSION: u32 = 51;
const BEGIN: u32 = 52;
const CLIENT: u32 = 54;
const MODE: u32 = 55;

/// Comes to the point where requests can be made.
pub(super) async fn greet(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    version: u32,
) -> io::Result<()> {
    let mut begun = [false; 3];
    loop {
        let mut message = [0; SIZE];
        stream.read_exact(&mut message).await?;
        match (word(&message, 0), word(&message, 4)) {
            (SECURITY, _) if message[4..].starts_with(b"PlainText\0") => {}
            (HELLO, _) => {
                let mut reply = reply(HELLO_REPLY, 0);
                reply[16] = 1;
                stream.write_all(&reply).await?;
                begun[0] = true;
            }
            (VERSION, _) => {
                stream.write_all(&reply(VERSION, version)).await?;
                begun[1] = true;
            }
            (CLIENT, name @ 1..=64) => {
                let operation = word(&message, 8).min(64);
                let mut texts = vec![0; (name + operation) as usize];
                stream.read_exact(&mut texts).await?;
            }
            (MODE, 3) => begun[2] = true,
            (BEGIN, _) if begun == [true; 3] => {
                stream.write_all(&reply(BEGIN, 0)).await?;
                return stream.flush().await;
            }
            (kind, _) => return Err(io::Error::other(format!("message {kind} does not belong here"))),
        }
        stream.flush().await?;
    }
}

fn reply(kind: u32, number: u32) -> [u8; SIZE] {
    let mut reply = [0; SIZE];
    reply[..4].copy_from_slice(&kind.to_le_bytes());
    reply[4..8].copy_from_slice(&number.to_le_bytes());
    reply
}

fn word(message: &[u8; SIZE], at: usize) -> u32 {
    message[at..].first_chunk().copied().map_or(0, u32::from_le_bytes)
}
