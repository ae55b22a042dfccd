//! Block status: the payload of `NBD_REPLY_TYPE_BLOCK_STATUS` and what its flags mean.

use super::consts::{NBD_STATE_HOLE, NBD_STATE_ZERO};
use super::cursor::{Cursor, Put};
use super::error::{MalformedMessage, PeerMisbehaved};
use crate::block::{ByteRange, Extent, ExtentKind};

/// A run of bytes of one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) len: u32,
    pub(crate) flags: u32,
}

/// The status of a run of bytes in one metadata context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockStatus {
    pub(crate) context: u32,
    pub(crate) descriptors: Vec<Descriptor>,
}

impl BlockStatus {
    /// The longest payload that is accepted: 131072 descriptors.
    pub(crate) const MAX_LEN: u32 = 4 + (8 << 17);

    pub(crate) fn decode(payload: &[u8]) -> Result<Self, MalformedMessage> {
        let mut cursor = Cursor::new("block status chunk", payload);
        let context = cursor.u32("context id")?;
        let mut descriptors = Vec::with_capacity(payload.len() / 8);
        while !cursor.is_empty() {
            let len = cursor.u32("descriptor length")?;
            let flags = cursor.u32("descriptor flags")?;
            descriptors.push(Descriptor { len, flags });
        }
        Ok(Self { context, descriptors })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(4 + self.descriptors.len() * 8);
        payload.put_u32(self.context);
        for descriptor in &self.descriptors {
            payload.put_u32(descriptor.len);
            payload.put_u32(descriptor.flags);
        }
        payload
    }

    /// The descriptors as extents of `asked`. The last may go on after its end and is cut there;
    /// no other may, and none may be empty.
    pub(crate) fn extents(&self, asked: ByteRange) -> Result<Vec<Extent>, PeerMisbehaved> {
        let mut extents: Vec<Extent> = Vec::with_capacity(self.descriptors.len());
        let mut offset = asked.offset;
        for descriptor in &self.descriptors {
            if descriptor.len == 0 {
                return Err(PeerMisbehaved::EmptyDescriptor);
            }
            let rest = asked.end() - offset;
            if rest == 0 {
                return Err(PeerMisbehaved::DescriptorsBeyondRequest);
            }
            let len = rest.min(u64::from(descriptor.len));
            let kind = descriptor.kind();
            match extents.last_mut() {
                Some(last) if last.kind == kind => last.range.len += len,
                _ => extents.push(Extent::new(offset, len, kind)),
            }
            offset += len;
        }
        if extents.is_empty() {
            return Err(PeerMisbehaved::BlockStatusMissing);
        }
        Ok(extents)
    }
}

impl Descriptor {
    /// A hole that is not said to read as zeroes is data: its bytes are unknown.
    fn kind(self) -> ExtentKind {
        match (self.flags & NBD_STATE_HOLE != 0, self.flags & NBD_STATE_ZERO != 0) {
            (true, true) => ExtentKind::Hole,
            (false, true) => ExtentKind::Zero,
            (_, false) => ExtentKind::Data,
        }
    }

    /// The flags of a kind of extent.
    pub(crate) fn flags_of(kind: ExtentKind) -> u32 {
        match kind {
            ExtentKind::Data => 0,
            ExtentKind::Zero => NBD_STATE_ZERO,
            ExtentKind::Hole => NBD_STATE_HOLE | NBD_STATE_ZERO,
        }
    }
}
