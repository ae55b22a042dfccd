//! A disk that is open over one connection.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use osm_transfer::Retry;
use osm_transfer::block::Buffer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::classic;
use super::connection::Connection;
use super::options::NfcOptions;
use super::table::{Asked, Outcome};
use super::wire;
use crate::{Error, ErrorKind, Result};

/// How long a host has to close a disk.
const CLOSE: Duration = Duration::from_secs(5);

/// The sectors that there are.
const SECTORS: [u32; 2] = [512, 4096];

/// An open disk. When it is dropped, the host is told as far as that can be done without waiting.
#[derive(Debug)]
pub(super) struct OpenDisk {
    connection: Connection,
    handle: u64,
    /// In bytes.
    pub(super) size: u64,
    /// The smallest unit that is read, in bytes.
    pub(super) sector: u32,
    /// How fragments are to be sent.
    sent: u32,
    /// The buffers of the host that are free.
    room: Arc<Semaphore>,
    buffers: u32,
    buffer_size: u32,
    said_goodbye: AtomicBool,
}

impl OpenDisk {
    /// Opens a disk over a stream that has come to the asynchronous phase.
    pub(super) async fn open(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        path: &str,
        options: &NfcOptions,
    ) -> Result<Self> {
        let NfcOptions { buffer_size, buffers, .. } = *options;
        let connection = Connection::start(stream, options.timeout);
        let session = |number| wire::open_session(number, buffer_size, buffers);
        connection.submit(Asked::OpenSession, session).await?;
        let file = connection.submit(Asked::OpenFile, |number| wire::open_file(number, path)).await;
        let file = file.map_err(|error| match error.kind() {
            ErrorKind::Refused => {
                error.with_hint("a running machine's disk can be read only under a snapshot")
            }
            _ => error,
        })?;
        let Outcome::Opened(opened) = file else { return Err(mixed_up()) };
        if opened.status != 0 {
            let message = format!("the host does not open the disk: error {:#x}", opened.status);
            return Err(Error::new(ErrorKind::Refused, message));
        }
        let sector = if opened.sector == 0 { SECTORS[0] } else { opened.sector };
        if !SECTORS.contains(&sector) {
            let message = format!("the host tells of sectors of {sector} bytes");
            return Err(Error::new(ErrorKind::BadResponse, message));
        }
        Ok(Self {
            connection,
            handle: opened.handle,
            size: opened.capacity,
            sector,
            sent: if options.skip_zeroes { wire::SKIP_ZEROES } else { wire::PLAIN },
            room: Arc::new(Semaphore::new(buffers as usize)),
            buffers,
            buffer_size,
            said_goodbye: AtomicBool::new(false),
        })
    }

    /// Fills the buffer from there on, once the host has room.
    pub(super) async fn read(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        let len = u32::try_from(buffer.len());
        let len =
            len.map_err(|error| Error::new(ErrorKind::Config, "a read is too long").with_source(error))?;
        let needed = len.div_ceil(self.buffer_size).clamp(1, self.buffers);
        let permit = Arc::clone(&self.room).acquire_many_owned(needed).await;
        // It is never closed.
        let permit = permit.map_err(|_| mixed_up())?;
        let asked = Asked::Read { offset, buffer, _permit: permit };
        let frame = |number| wire::read(number, self.handle, offset, len, self.sent);
        match self.connection.submit(asked, frame).await? {
            Outcome::Buffer(buffer) => Ok(buffer),
            _ => Err(mixed_up()),
        }
    }

    /// Which of the chunks of `chunk` bytes from `start` on are allocated: runs of them, counted from there.
    pub(super) async fn allocated(&self, start: u64, count: u64, chunk: u64) -> Result<Vec<Range<u64>>> {
        let frame = |number| wire::query(number, self.handle, chunk, start, count);
        match self.connection.submit(Asked::Allocated { count }, frame).await? {
            Outcome::Bitmap(bitmap) => Ok(runs(&bitmap, count)),
            _ => Err(mixed_up()),
        }
    }

    /// Whether the connection is over.
    pub(super) fn has_ended(&self) -> bool {
        self.connection.has_ended()
    }

    /// Closes the disk and says goodbye, for a few seconds at most.
    pub(super) async fn close(&self) {
        let close = async {
            let handle = self.handle;
            self.connection.submit(Asked::CloseFile, |number| wire::close_file(number, handle)).await?;
            self.connection.submit(Asked::CloseSession, wire::close_session).await
        };
        if self.said_goodbye.swap(true, Ordering::Relaxed) {
            return;
        }
        match timeout(CLOSE, close).await {
            Ok(Err(error)) => tracing::debug!(%error, "the host did not close a disk as it should"),
            Err(_) => tracing::debug!("the host did not close a disk in time"),
            Ok(Ok(_)) => {}
        }
        self.connection.tell(&classic::goodbye());
    }
}

impl Drop for OpenDisk {
    fn drop(&mut self) {
        if *self.said_goodbye.get_mut() {
            return;
        }
        let handle = self.handle;
        let file = self.connection.begin(Asked::CloseFile, |number| wire::close_file(number, handle));
        let session = self.connection.begin(Asked::CloseSession, wire::close_session);
        // A connection that has ended needs no goodbye.
        if file.is_ok() && session.is_ok() {
            self.connection.tell(&classic::goodbye());
        }
    }
}

/// The runs of ones among the first `count` bits, the lowest bit of each byte first.
fn runs(bitmap: &[u8], count: u64) -> Vec<Range<u64>> {
    let is_set = |at: u64| {
        let byte = usize::try_from(at / 8).ok().and_then(|byte| bitmap.get(byte));
        // What the host does not tell may be anything.
        byte.is_none_or(|byte| byte >> (at % 8) & 1 == 1)
    };
    let mut runs: Vec<Range<u64>> = Vec::new();
    for at in (0..count).filter(|at| is_set(*at)) {
        match runs.last_mut() {
            Some(last) if last.end == at => last.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

/// The table gave an answer of another kind than was asked for, which it never does.
fn mixed_up() -> Error {
    Error::new(ErrorKind::BadResponse, "a reply to something else").with_retry(Retry::Never)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_from_the_lowest_on() {
        assert_eq!(runs(&[0b1000_0110, 0b0000_0001, 0xff, 0xff], 10), [1..3, 7..9]);
        assert_eq!(runs(&[0], 9), std::iter::once(8..9).collect::<Vec<_>>());
        assert_eq!(runs(&[0; 4], 32), []);
    }
}
