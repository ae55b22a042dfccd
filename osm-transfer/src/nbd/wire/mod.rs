//! The protocol as bytes: messages to bytes and bytes to messages, no input or output.
//!
//! ```text
//!   handshake      greeting -> option request <-> option replies (export, info, meta context)
//!   transmission   request -> simple reply | structured chunk, chunk, .. chunk(done)
//! ```
//!
//! Names and numbers are those of the NBD specification, so that a search finds them here, in
//! libnbd and in QEMU. Nothing in here trusts a length: every decoder is given exactly the bytes
//! of its message and says which field was missing.

pub(crate) mod consts;
mod cursor;
mod errno;
mod error;
mod greeting;
mod info;
mod meta;
mod option;
mod reply;
mod request;
mod status;
#[cfg(test)]
mod tests;

pub(crate) use self::cursor::Cursor;
pub(crate) use self::errno::Errno;
pub(crate) use self::error::Broken;
pub use self::error::{MalformedMessage, PeerIncompatible, PeerMisbehaved};
pub(crate) use self::greeting::{Greeting, LegacyExport};
pub(crate) use self::info::{ExportFlagsAndSize, Info, InfoRequest};
pub(crate) use self::meta::{MetaContext, MetaQuery};
pub(crate) use self::option::{ListedExport, OptionHeader, OptionReplyHeader, decode_message};
pub(crate) use self::reply::{Chunk, ErrorChunk, ReplyHeader, reply_len};
pub(crate) use self::request::{Command, REQUEST_LEN, Request};
pub(crate) use self::status::{BlockStatus, Descriptor};
