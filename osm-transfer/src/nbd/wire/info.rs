//! `NBD_OPT_INFO` and `NBD_OPT_GO`: the request and what `NBD_REP_INFO` carries.

use super::consts::*;
use super::cursor::{Cursor, Put};
use super::error::MalformedMessage;
use crate::block::BlockSize;

/// The data of `NBD_OPT_INFO` and `NBD_OPT_GO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InfoRequest {
    pub(crate) export: String,
    pub(crate) wanted: Vec<u16>,
}

impl InfoRequest {
    pub(crate) fn decode(data: &[u8]) -> Result<Self, MalformedMessage> {
        let mut cursor = Cursor::new("NBD_OPT_GO", data);
        let export = cursor.string("export name", MAX_STRING)?.to_owned();
        let count = cursor.u16("number of information requests")?;
        let wanted = (0..count).map(|_| cursor.u16("information request")).collect::<Result<_, _>>()?;
        cursor.end()?;
        Ok(Self { export, wanted })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut data = Vec::new();
        data.put_string(&self.export);
        data.put_u16(u16::try_from(self.wanted.len()).unwrap_or(u16::MAX));
        for wanted in &self.wanted {
            data.put_u16(*wanted);
        }
        data
    }
}

/// What every export has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExportFlagsAndSize {
    pub(crate) size: u64,
    pub(crate) flags: TransmissionFlags,
}

/// One `NBD_REP_INFO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Info {
    Export(ExportFlagsAndSize),
    Name(String),
    Description(String),
    BlockSize(BlockSize),
    /// Kinds of later versions; to be ignored.
    Other(u16),
}

impl Info {
    pub(crate) fn decode(data: &[u8]) -> Result<Self, MalformedMessage> {
        let mut cursor = Cursor::new("NBD_REP_INFO", data);
        let info = match cursor.u16("information type")? {
            NBD_INFO_EXPORT => {
                let size = cursor.u64("export size")?;
                let flags = TransmissionFlags::from_bits_retain(cursor.u16("transmission flags")?);
                Self::Export(ExportFlagsAndSize { size, flags })
            }
            NBD_INFO_NAME => {
                let bytes = cursor.rest();
                let mut name = Cursor::new("NBD_INFO_NAME", bytes);
                Self::Name(name.text("export name", bytes.len(), MAX_STRING)?.to_owned())
            }
            NBD_INFO_DESCRIPTION => Self::Description(super::decode_message(cursor.rest())),
            NBD_INFO_BLOCK_SIZE => Self::BlockSize(BlockSize {
                minimum: cursor.u32("minimum block size")?,
                preferred: cursor.u32("preferred block size")?,
                maximum: cursor.u32("maximum block size")?,
            }),
            other => {
                cursor.rest();
                Self::Other(other)
            }
        };
        cursor.end()?;
        Ok(info)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut data = Vec::new();
        match self {
            Self::Export(export) => {
                data.put_u16(NBD_INFO_EXPORT);
                data.put_u64(export.size);
                data.put_u16(export.flags.bits());
            }
            Self::Name(name) => {
                data.put_u16(NBD_INFO_NAME);
                data.extend_from_slice(name.as_bytes());
            }
            Self::Description(text) => {
                data.put_u16(NBD_INFO_DESCRIPTION);
                data.extend_from_slice(text.as_bytes());
            }
            Self::BlockSize(size) => {
                data.put_u16(NBD_INFO_BLOCK_SIZE);
                data.put_u32(size.minimum);
                data.put_u32(size.preferred);
                data.put_u32(size.maximum);
            }
            Self::Other(kind) => data.put_u16(*kind),
        }
        data
    }
}
