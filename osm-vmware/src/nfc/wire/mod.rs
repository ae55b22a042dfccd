//! The messages of NFC's asynchronous phase, as bytes and as values. No input or output.
//!
//! ```text
//!   u32 magic   u32 type   u32 payload   u32 operation        a header; then the payload; then what is extra
//! ```
//!
//! Everything is little-endian. Paths, bytes of disks and bitmaps are extra: the header does not count them. A reply
//! has the type and the operation of its request; an error may stand before it, or in its place.

mod fields;
mod reply;
mod request;

pub(super) use self::reply::{
    Allocated, FILE_LEN, FragmentHead, Opened, QUERY_LEN, READ_LEN, READS, Refusal, SESSION_LEN,
};
pub(super) use self::request::{close_file, close_session, open_file, open_session, query, read};

use self::fields::Fields;

/// What every header begins with.
const MAGIC: u32 = 0xa100_da7a;

pub(super) const HEADER_LEN: usize = 16;

pub(super) const ERROR: u32 = 1;
pub(super) const OPEN_SESSION: u32 = 2;
pub(super) const CLOSE_SESSION: u32 = 3;
pub(super) const OPEN_FILE: u32 = 4;
pub(super) const CLOSE_FILE: u32 = 5;
pub(super) const IO: u32 = 7;
pub(super) const QUERY_ALLOCATED_BLOCKS: u32 = 13;

/// How the bytes of a fragment are sent.
pub(super) const PLAIN: u32 = 0;
pub(super) const SKIP_ZEROES: u32 = 3;

/// What stands before every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u32,
    /// How long the payload is.
    pub(super) payload: u32,
    pub(super) operation: u32,
}

impl Header {
    /// None when it does not begin as a header does.
    pub(super) fn decode(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let magic = fields.u32()?;
        let header = Self { kind: fields.u32()?, payload: fields.u32()?, operation: fields.u32()? };
        (magic == MAGIC).then_some(header)
    }
}

/// A message: header, payload, extra.
fn frame(kind: u32, operation: u32, payload: &[u8], extra: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_LEN + payload.len() + extra.len());
    for field in [MAGIC, kind, payload.len() as u32, operation] {
        frame.extend_from_slice(&field.to_le_bytes());
    }
    frame.extend_from_slice(payload);
    frame.extend_from_slice(extra);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_is_written() {
        let bytes = frame(IO, 7, &[1, 2, 3], &[4]);
        let header = Header::decode(bytes.first_chunk().unwrap());
        assert_eq!(header, Some(Header { kind: IO, payload: 3, operation: 7 }));
        assert_eq!(bytes[..4], [0x7a, 0xda, 0x00, 0xa1]);
        assert_eq!(Header::decode(&[0; HEADER_LEN]), None);
    }

    #[test]
    fn payloads_have_the_lengths_of_the_protocol() {
        let of = |frame: Vec<u8>| (frame.len() - HEADER_LEN, frame[8]);
        assert_eq!(of(open_session(0, 1 << 20, 4)), (16, 16));
        assert_eq!(of(open_file(1, "[ds] a/a.vmdk")), (60 + 13, 60));
        assert_eq!(of(read(2, 1, 512, 4096, SKIP_ZEROES)), (44, 44));
        assert_eq!(of(query(3, 1, 1 << 16, 0, 9)), (48, 48));
        assert_eq!(of(close_file(4, 1)), (8, 8));
        assert_eq!(of(close_session(5)), (4, 4));
    }
}
