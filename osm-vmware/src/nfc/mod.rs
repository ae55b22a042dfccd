//! Disks read over NFC, the protocol that VDDK speaks with port 902 of an ESXi host (`nbd` and `nbdssl`), without VDDK.
//!
//! ```text
//!   NfcDisk      a disk: a `BlockSource`
//!   options      how it is read
//!   link         its connection, and the next one when that is lost
//!   dial         from a ticket to an open disk:
//!     ticket       vSphere's leave for one connection
//!     authd        the daemon that takes the ticket       tls, pinned, thumbprint, records   within TLS
//!     classic      NFC until several things can be done at once
//!     open         the disk at the host
//!   connection   requests under way: table, receive, failure
//!   wire         the messages of that phase               skip, cover                the bytes of a read
//! ```
//!
//! The file that is opened is the one that the snapshot's configuration names: a frozen one, whose chain of parents the
//! host reads as one. Units are bytes.
//!
//! The invariant: a read is done when fragments have covered it exactly once, each within it. What a host says is
//! believed only after it was checked against what was asked.

mod authd;
mod classic;
mod connection;
mod cover;
mod dial;
mod disk;
mod failure;
mod link;
mod open;
mod options;
mod pinned;
mod receive;
mod records;
mod skip;
mod table;
#[cfg(test)]
mod tests;
mod thumbprint;
mod ticket;
mod tls;
mod wire;

pub use self::disk::NfcDisk;
pub use self::options::NfcOptions;
