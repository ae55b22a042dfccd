//! Disk transfer: NBD, block sources and sinks, the copy engine, hashes.

pub mod block;
mod error;
pub mod nbd;

pub use self::error::{Context, Error, ErrorKind, Result, Retry};
