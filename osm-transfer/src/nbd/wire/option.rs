//! Option requests and the headers of their replies.

use super::consts::*;
use super::cursor::{Cursor, Put, len_u32};
use super::error::MalformedMessage;

/// The head of what a client asks during the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OptionHeader {
    pub(crate) option: u32,
    pub(crate) len: u32,
}

impl OptionHeader {
    pub(crate) const LEN: usize = 16;

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, MalformedMessage> {
        let mut cursor = Cursor::new("option request", bytes);
        cursor.magic_u64(NBD_OPTS_MAGIC)?;
        let option = cursor.u32("option")?;
        let len = cursor.u32("length")?;
        cursor.end()?;
        Ok(Self { option, len })
    }

    /// The whole request: header and data.
    pub(crate) fn encode(option: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN + data.len());
        bytes.put_u64(NBD_OPTS_MAGIC);
        bytes.put_u32(option);
        bytes.put_u32(len_u32(data.len()));
        bytes.extend_from_slice(data);
        bytes
    }
}

/// The head of a server's reply to an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OptionReplyHeader {
    pub(crate) option: u32,
    pub(crate) reply: u32,
    pub(crate) len: u32,
}

impl OptionReplyHeader {
    pub(crate) const LEN: usize = 20;

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, MalformedMessage> {
        let mut cursor = Cursor::new("option reply", bytes);
        cursor.magic_u64(NBD_REP_MAGIC)?;
        let option = cursor.u32("option")?;
        let reply = cursor.u32("reply type")?;
        let len = cursor.u32("length")?;
        cursor.end()?;
        Ok(Self { option, reply, len })
    }

    /// The whole reply: header and data.
    pub(crate) fn encode(option: u32, reply: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN + data.len());
        bytes.put_u64(NBD_REP_MAGIC);
        bytes.put_u32(option);
        bytes.put_u32(reply);
        bytes.put_u32(len_u32(data.len()));
        bytes.extend_from_slice(data);
        bytes
    }
}

/// One export in the reply to `NBD_OPT_LIST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedExport {
    pub(crate) name: String,
    pub(crate) description: String,
}

impl ListedExport {
    pub(crate) fn decode(data: &[u8]) -> Result<Self, MalformedMessage> {
        let mut cursor = Cursor::new("NBD_REP_SERVER", data);
        let name = cursor.string("export name", MAX_STRING)?.to_owned();
        Ok(Self { name, description: decode_message(cursor.rest()) })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(4 + self.name.len() + self.description.len());
        data.put_string(&self.name);
        data.extend_from_slice(self.description.as_bytes());
        data
    }
}

/// Text that is only shown to people: bad bytes are replaced, control characters dropped, so that
/// a server cannot write escape sequences to the operator's terminal.
pub(crate) fn decode_message(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(MAX_STRING)];
    String::from_utf8_lossy(shown).chars().filter(|letter| !letter.is_control()).collect()
}
