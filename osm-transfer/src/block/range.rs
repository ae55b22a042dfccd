//! Byte ranges and extents: the vocabulary of every copy.

use std::fmt;

/// A run of bytes of a disk: `offset..offset + len`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteRange {
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
}

impl ByteRange {
    /// The run of `len` bytes from `offset`.
    pub const fn new(offset: u64, len: u64) -> Self {
        Self { offset, len }
    }

    /// The byte after the last; saturates at the end of `u64`.
    pub const fn end(self) -> u64 {
        self.offset.saturating_add(self.len)
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// What both ranges share, if anything.
    pub fn intersect(self, other: Self) -> Option<Self> {
        let offset = self.offset.max(other.offset);
        let end = self.end().min(other.end());
        (offset < end).then(|| Self::new(offset, end - offset))
    }

    /// Its pieces, in order, that end at the multiples of `most` bytes.
    pub(crate) fn pieces(self, most: u64) -> impl Iterator<Item = Self> {
        let end = self.end();
        let mut at = self.offset;
        std::iter::from_fn(move || {
            (at < end).then(|| {
                let next = (at - at % most).saturating_add(most).min(end);
                let piece = Self::new(at, next - at);
                at = next;
                piece
            })
        })
    }
}

/// Ranges in the order of their offsets, as one where no more than `gap` bytes are between them.
pub(crate) fn join(ranges: impl IntoIterator<Item = ByteRange>, gap: u64) -> Vec<ByteRange> {
    let mut joined: Vec<ByteRange> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.offset <= last.end().saturating_add(gap) => {
                last.len = range.end().max(last.end()) - last.offset;
            }
            _ => joined.push(range),
        }
    }
    joined
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.offset, self.end())
    }
}

/// What a source says of a run of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExtentKind {
    /// Bytes that must be read to be known.
    Data,
    /// Allocated, and reads as zeroes.
    Zero,
    /// Not allocated, and reads as zeroes.
    Hole,
}

/// A run of bytes of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Where it is.
    pub range: ByteRange,
    /// What it is.
    pub kind: ExtentKind,
}

impl Extent {
    /// An extent of `kind` over `offset..offset + len`.
    pub const fn new(offset: u64, len: u64, kind: ExtentKind) -> Self {
        Self { range: ByteRange::new(offset, len), kind }
    }
}
