//! The `nbd` crate as an adapter: the plainest export there is.
//!
//! [`serve_plain`] hands a seekable disk to the server half of the `nbd` crate, over blocking
//! streams. It is for a trusted peer on the same host or at the other end of an SSH tunnel, where
//! a few lines are wanted rather than [`Server`](super::Server), and it is the second opinion that
//! the tests hold our own protocol code against.
//!
//! What it can: read, write, flush, disconnect; `NBD_OPT_EXPORT_NAME`, `NBD_OPT_LIST` and
//! `NBD_OPT_ABORT`.
//!
//! What it cannot:
//! - one request at a time, 64 KiB at a time; simple replies only;
//! - no block status, no trim, no write zeroes (refused with error 38), no FUA, no block sizes, no
//!   TLS, no second connection;
//! - options other than GO, INFO, STRUCTURED_REPLY and EXTENDED_HEADERS, which are refused
//!   properly, end the connection;
//! - requests beyond the end of the disk end the connection, and a write that fails leaves its
//!   payload in the stream, out of step: the peer must be well-behaved;
//! - `NBD_OPT_LIST` always answers with [`PLAIN_EXPORT`], and QEMU only takes a listed export, so
//!   that the export is called so;
//! - nothing has a deadline: set one on the stream.

use std::io::{self, Read, Seek, Write};

use ::nbd::server::{Export, handshake, transmission};

use crate::{Error, ErrorKind, Result};

/// The name of the plain export; the empty name means the same.
pub const PLAIN_EXPORT: &str = "rustnbd";

/// Serves `disk`, of `size` bytes, to one client over a blocking stream, until the client leaves.
///
/// # Errors
/// The client asked for another export or broke the protocol, or the stream or the disk failed.
pub fn serve_plain(
    mut stream: impl Read + Write,
    disk: impl Read + Write + Seek,
    size: u64,
    read_only: bool,
) -> Result<()> {
    let export = |name: &str| -> io::Result<Export> {
        if name != PLAIN_EXPORT && !name.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no export `{name}`")));
        }
        Ok(Export { size, readonly: read_only, send_flush: !read_only, ..Export::default() })
    };
    let failed = |operation| {
        move |error: io::Error| {
            Error::new(ErrorKind::Io, "the plain NBD export failed")
                .with_operation(operation)
                .with_source(error)
        }
    };
    handshake(&mut stream, export).map_err(failed("handshake"))?;
    if read_only {
        // The crate does not look at its own read-only flag.
        return transmission(&mut stream, ReadOnly(disk)).map_err(failed("transmission"));
    }
    transmission(&mut stream, disk).map_err(failed("transmission"))
}

/// A disk that refuses writes.
struct ReadOnly<D>(D);

impl<D: Read> Read for ReadOnly<D> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl<D: Seek> Seek for ReadOnly<D> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl<D> Write for ReadOnly<D> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(rustix::io::Errno::PERM.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
