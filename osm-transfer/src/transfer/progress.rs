//! What a transfer tells while it runs.

/// How far a transfer is; every number only ever grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Advance {
    /// Bytes that were read and written.
    pub copied: u64,
    /// Bytes that are zeroes and were not read, or not written.
    pub zeroed: u64,
    /// Bytes in all: of the disk, or of the areas of it that are moved.
    pub total: u64,
}

/// Hears how a transfer advances.
///
/// It is called after every request, in order, and must return quickly: whoever shows the numbers
/// chooses how often.
pub trait Progress: Send + Sync {
    /// The transfer is this far.
    fn advance(&self, advance: Advance);
}

/// Hears nothing.
impl Progress for () {
    fn advance(&self, _: Advance) {}
}
