//! The kernel calls that no safe crate offers. The only place of this crate with unsafe code.

pub(crate) mod blkdev;
