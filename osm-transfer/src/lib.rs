//! Disk transfer: NBD, block sources and sinks, the copy engine, hashes.
//!
//! ```text
//!   endpoint   a path or an NBD URI, opened as a source or a sink
//!      |
//!   block      the two traits every disk implements      file, nbd   the disks of this crate
//!      |
//!   transfer   moves a source to a sink                  hash        says whether they are equal
//!      |
//!   journal    how far a transfer is safe                decorate    disks with a rate, or with patience
//!   packed     a byte stream that is compressed on its way
//!   link       TLS connections between two programs that trust each other already
//! ```

#![deny(unsafe_code)]

pub mod block;
pub mod decorate;
pub mod endpoint;
mod error;
pub mod file;
pub mod hash;
pub mod journal;
pub mod link;
pub mod nbd;
pub mod packed;
pub mod runtime;
mod sys;
pub mod transfer;

pub use self::error::{Context, Error, ErrorKind, Result, Retry};
