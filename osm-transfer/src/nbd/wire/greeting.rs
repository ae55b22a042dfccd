//! The first bytes of the server, and the answer to `NBD_OPT_EXPORT_NAME`.

use super::consts::*;
use super::cursor::{Cursor, Put};
use super::error::MalformedMessage;

/// How a server introduces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// Newstyle, fixed or not.
    Newstyle(HandshakeFlags),
    /// The handshake without options.
    Oldstyle,
}

impl Greeting {
    /// Both magics and the handshake flags.
    pub(crate) const LEN: usize = 18;

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, MalformedMessage> {
        let mut cursor = Cursor::new("greeting", bytes);
        cursor.magic_u64(NBD_MAGIC)?;
        let style = cursor.u64("option magic")?;
        if style == NBD_OLDSTYLE_MAGIC {
            return Ok(Self::Oldstyle);
        }
        if style != NBD_OPTS_MAGIC {
            return Err(MalformedMessage::WrongMagic {
                message: "greeting",
                expected: NBD_OPTS_MAGIC,
                found: style,
            });
        }
        let flags = cursor.u16("handshake flags")?;
        cursor.end()?;
        Ok(Self::Newstyle(HandshakeFlags::from_bits_retain(flags)))
    }

    /// The greeting of a newstyle server.
    pub(crate) fn encode(flags: HandshakeFlags) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN);
        bytes.put_u64(NBD_MAGIC);
        bytes.put_u64(NBD_OPTS_MAGIC);
        bytes.put_u16(flags.bits());
        bytes
    }
}

/// The answer to `NBD_OPT_EXPORT_NAME`, without its padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LegacyExport {
    pub(crate) size: u64,
    pub(crate) flags: TransmissionFlags,
}

impl LegacyExport {
    pub(crate) const LEN: usize = 10;

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, MalformedMessage> {
        let mut cursor = Cursor::new("answer to NBD_OPT_EXPORT_NAME", bytes);
        let size = cursor.u64("export size")?;
        let flags = TransmissionFlags::from_bits_retain(cursor.u16("transmission flags")?);
        cursor.end()?;
        Ok(Self { size, flags })
    }

    pub(crate) fn encode(self, padding: bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN + EXPORT_NAME_PADDING);
        bytes.put_u64(self.size);
        bytes.put_u16(self.flags.bits());
        if padding {
            bytes.resize(Self::LEN + EXPORT_NAME_PADDING, 0);
        }
        bytes
    }
}
