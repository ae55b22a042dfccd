//! Replies of the transmission phase: simple ones and structured chunks.

use super::consts::*;
use super::cursor::{Cursor, Put, len_u32};
use super::errno::Errno;
use super::error::{Broken, MalformedMessage, PeerMisbehaved};

/// The head of a structured reply chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) flags: ReplyFlags,
    pub(crate) kind: u16,
    pub(crate) cookie: u64,
    pub(crate) len: u32,
}

/// The head of any reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyHeader {
    Simple { error: Errno, cookie: u64 },
    Chunk(Chunk),
}

/// How long the header is that begins with these four bytes.
pub(crate) fn reply_len(magic: &[u8]) -> Result<usize, MalformedMessage> {
    match Cursor::new("reply", magic).u32("magic")? {
        NBD_SIMPLE_REPLY_MAGIC => Ok(ReplyHeader::SIMPLE_LEN),
        NBD_STRUCTURED_REPLY_MAGIC => Ok(ReplyHeader::CHUNK_LEN),
        found => Err(MalformedMessage::WrongMagic {
            message: "reply",
            expected: u64::from(NBD_SIMPLE_REPLY_MAGIC),
            found: u64::from(found),
        }),
    }
}

impl ReplyHeader {
    pub(crate) const SIMPLE_LEN: usize = 16;
    pub(crate) const CHUNK_LEN: usize = 20;

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, MalformedMessage> {
        let structured = reply_len(bytes)? == Self::CHUNK_LEN;
        let mut cursor = Cursor::new("reply", bytes);
        cursor.u32("magic")?;
        let header = if structured {
            let flags = ReplyFlags::from_bits_retain(cursor.u16("reply flags")?);
            let kind = cursor.u16("chunk type")?;
            let cookie = cursor.u64("cookie")?;
            Self::Chunk(Chunk { flags, kind, cookie, len: cursor.u32("length")? })
        } else {
            Self::Simple { error: Errno(cursor.u32("error")?), cookie: cursor.u64("cookie")? }
        };
        cursor.end()?;
        Ok(header)
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::CHUNK_LEN + 8);
        match self {
            Self::Simple { error, cookie } => {
                bytes.put_u32(NBD_SIMPLE_REPLY_MAGIC);
                bytes.put_u32(error.0);
                bytes.put_u64(cookie);
            }
            Self::Chunk(chunk) => {
                bytes.put_u32(NBD_STRUCTURED_REPLY_MAGIC);
                bytes.put_u16(chunk.flags.bits());
                bytes.put_u16(chunk.kind);
                bytes.put_u64(chunk.cookie);
                bytes.put_u32(chunk.len);
            }
        }
        bytes
    }
}

/// The payload of an error chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErrorChunk {
    pub(crate) error: Errno,
    pub(crate) message: String,
    /// Of `NBD_REPLY_TYPE_ERROR_OFFSET`.
    pub(crate) offset: Option<u64>,
}

impl ErrorChunk {
    /// The longest payload of an error chunk: number, length, message, offset.
    pub(crate) const MAX_LEN: u32 = 4 + 2 + 4096 + 8;

    pub(crate) fn decode(kind: u16, payload: &[u8]) -> Result<Self, Broken> {
        let mut cursor = Cursor::new("error chunk", payload);
        let error = Errno(cursor.u32("error")?);
        let len = cursor.u16("message length")?;
        let message = super::decode_message(cursor.bytes("message", usize::from(len))?);
        let offset = match kind {
            NBD_REPLY_TYPE_ERROR_OFFSET => Some(cursor.u64("offset")?),
            NBD_REPLY_TYPE_ERROR => None,
            // Error types of later versions still begin with number and message.
            _ => {
                cursor.rest();
                None
            }
        };
        cursor.end()?;
        if error == Errno::OK {
            return Err(PeerMisbehaved::ErrorWithoutError.into());
        }
        Ok(Self { error, message, offset })
    }

    /// The whole chunk, the last of its reply.
    pub(crate) fn encode(&self, cookie: u64) -> Vec<u8> {
        let mut end = self.message.len().min(MAX_STRING);
        while !self.message.is_char_boundary(end) {
            end -= 1;
        }
        let message = &self.message.as_bytes()[..end];
        let mut payload = Vec::with_capacity(14 + message.len());
        payload.put_u32(self.error.0);
        payload.put_u16(u16::try_from(message.len()).unwrap_or(0));
        payload.extend_from_slice(message);
        let kind = match self.offset {
            Some(offset) => {
                payload.put_u64(offset);
                NBD_REPLY_TYPE_ERROR_OFFSET
            }
            None => NBD_REPLY_TYPE_ERROR,
        };
        let flags = ReplyFlags::NBD_REPLY_FLAG_DONE;
        let mut bytes =
            ReplyHeader::Chunk(Chunk { flags, kind, cookie, len: len_u32(payload.len()) }).encode();
        bytes.extend_from_slice(&payload);
        bytes
    }
}
