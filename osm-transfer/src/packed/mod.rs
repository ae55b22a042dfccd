//! A byte stream that is compressed on its way, for links that are slower than a processor.
//!
//! ```text
//!   magic, 8 bytes, once
//!   frame:  kind  1 byte    0: as it is, 1: zstd
//!           len   4 bytes   of the content, big-endian
//!           content
//! ```
//!
//! Both ends must do it: an end that meets another magic says so. A frame is what one write gave, 128 KiB at
//! most, and is compressed only where that pays: where it shrinks, and where the link is slower than the
//! compressor.

mod judge;
mod reader;
mod writer;

use self::judge::Judge;
pub use self::reader::UnpackedReader;
pub use self::writer::PackedWriter;

const MAGIC: [u8; 8] = *b"osmpack1";

/// Kind and length.
const HEAD: usize = 5;

/// Bytes that a frame stands for, at most; its content is never longer.
const MOST: usize = 128 << 10;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
