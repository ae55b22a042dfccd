//! A bounds-checked reader that names what is missing, and the writer beside it.

use super::error::MalformedMessage;

/// Reads the fields of one message, in order.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    message: &'static str,
    rest: &'a [u8],
}

type Result<T> = std::result::Result<T, MalformedMessage>;

impl<'a> Cursor<'a> {
    /// Over the bytes of the message that errors will call `message`.
    pub(crate) fn new(message: &'static str, bytes: &'a [u8]) -> Self {
        Self { message, rest: bytes }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(self.missing(field))?;
        self.rest = rest;
        Ok(*head)
    }

    fn missing(&self, field: &'static str) -> MalformedMessage {
        MalformedMessage::MissingField { message: self.message, field }
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub(crate) fn bytes(&mut self, field: &'static str, len: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(self.missing(field))?;
        self.rest = rest;
        Ok(head)
    }

    /// A string with its length before it, of at most `limit` bytes.
    pub(crate) fn string(&mut self, field: &'static str, limit: usize) -> Result<&'a str> {
        let len = self.u32(field)?;
        self.text(field, usize::try_from(len).unwrap_or(usize::MAX), limit)
    }

    /// A string of `len` bytes, and at most `limit`.
    pub(crate) fn text(&mut self, field: &'static str, len: usize, limit: usize) -> Result<&'a str> {
        if len > limit {
            return Err(MalformedMessage::FieldTooLong { message: self.message, field, len, limit });
        }
        let bytes = self.bytes(field, len)?;
        std::str::from_utf8(bytes).map_err(|_| MalformedMessage::NotUtf8 { message: self.message, field })
    }

    pub(crate) fn magic_u32(&mut self, expected: u32) -> Result<()> {
        let found = self.u32("magic")?;
        self.same_magic(u64::from(expected), u64::from(found))
    }

    pub(crate) fn magic_u64(&mut self, expected: u64) -> Result<()> {
        let found = self.u64("magic")?;
        self.same_magic(expected, found)
    }

    fn same_magic(&self, expected: u64, found: u64) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        Err(MalformedMessage::WrongMagic { message: self.message, expected, found })
    }

    /// Whatever is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The end of the message: nothing may be left.
    pub(crate) fn end(self) -> Result<()> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(MalformedMessage::TrailingBytes { message: self.message, extra }),
        }
    }
}

/// Appends fields to a message.
pub(crate) trait Put {
    fn put_u16(&mut self, value: u16);
    fn put_u32(&mut self, value: u32);
    fn put_u64(&mut self, value: u64);
    /// A string with its length before it.
    fn put_string(&mut self, value: &str);
}

impl Put for Vec<u8> {
    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_string(&mut self, value: &str) {
        self.put_u32(len_u32(value.len()));
        self.extend_from_slice(value.as_bytes());
    }
}

/// A length as the wire has it. Saturates: what is sent is bounded long before by its own limit.
pub(crate) fn len_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
