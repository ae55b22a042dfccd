//! Streams as the protocol wants them: headers through a small inbox, payloads straight into the
//! caller's memory.
//!
//! Sockets stay what they are behind an enum, so that one system call can fill a payload and the
//! next header, and so that the kernel can move a payload without us ([`Reader::splice`]). Anything else (pipes, TLS)
//! is a boxed stream.

mod spliced;
mod writer;

use std::io::{self, IoSliceMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

pub(crate) use self::spliced::Held;
use self::writer::WriteStream;
pub(crate) use self::writer::Writer;
use super::pipe::Pipes;

/// Bytes that a unix socket is asked to hold (`/proc/sys/net/core/wmem_max` may say less): some answers, so
/// that a server goes on while its client writes, and neither wakes the other for every quarter of a mebibyte.
const SEND_BUFFER: usize = 4 << 20;

/// How many bytes a connection has moved; who watches it sees whether the peer stands still.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moved(Arc<AtomicU64>);

impl Moved {
    pub(crate) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }
}

enum ReadStream {
    Unix(unix::OwnedReadHalf),
    Tcp(tcp::OwnedReadHalf),
    Other(Box<dyn AsyncRead + Send + Unpin>),
}

/// The receiving half of a connection.
pub(crate) struct Reader {
    stream: ReadStream,
    inbox: [u8; INBOX],
    start: usize,
    end: usize,
    lookahead: usize,
    moved: Moved,
    pipes: Pipes,
}

/// How many bytes a single [`Reader::peek`] can wait for.
const INBOX: usize = 512;

fn pair(reader: ReadStream, writer: WriteStream) -> (Reader, Writer) {
    let moved = Moved::default();
    let reader = Reader {
        stream: reader,
        inbox: [0; INBOX],
        start: 0,
        end: 0,
        lookahead: 0,
        moved: moved.clone(),
        pipes: Pipes::default(),
    };
    (reader, Writer { stream: writer, moved })
}

/// Both halves of a unix socket.
pub(crate) fn unix(stream: UnixStream) -> (Reader, Writer) {
    // Without it, all goes on as well, with less of a rest for whoever waits.
    let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER);
    let (reader, writer) = stream.into_split();
    pair(ReadStream::Unix(reader), WriteStream::Unix(writer))
}

/// Both halves of a TCP socket, which sends small messages at once.
pub(crate) fn tcp(stream: TcpStream) -> io::Result<(Reader, Writer)> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    Ok(pair(ReadStream::Tcp(reader), WriteStream::Tcp(writer)))
}

/// A ready stream: pipes, a TLS session.
pub(crate) fn stream(
    reader: impl AsyncRead + Send + Unpin + 'static,
    writer: impl AsyncWrite + Send + Unpin + 'static,
) -> (Reader, Writer) {
    pair(ReadStream::Other(Box::new(reader)), WriteStream::Other(Box::new(writer)))
}

/// A stream in both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The stream that both halves are of, for another one over it.
///
/// # Errors
/// The peer has sent more than was asked for: it would be taken for a part of what comes now.
pub(crate) fn reunite(reader: Reader, writer: Writer) -> io::Result<Box<dyn Duplex>> {
    if reader.start != reader.end {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the peer spoke out of turn"));
    }
    let parted = || io::Error::other("two halves of different streams");
    match (reader.stream, writer.stream) {
        (ReadStream::Unix(reader), WriteStream::Unix(writer)) => {
            Ok(Box::new(reader.reunite(writer).map_err(|_| parted())?))
        }
        (ReadStream::Tcp(reader), WriteStream::Tcp(writer)) => {
            Ok(Box::new(reader.reunite(writer).map_err(|_| parted())?))
        }
        (ReadStream::Other(reader), WriteStream::Other(writer)) => {
            Ok(Box::new(tokio::io::join(reader, writer)))
        }
        _ => Err(parted()),
    }
}

impl ReadStream {
    /// One read into the buffers, in order; 0 is the end of the stream. Cancelling it loses nothing.
    async fn read(&mut self, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        loop {
            let result = match self {
                Self::Unix(half) => {
                    half.readable().await?;
                    half.try_read_vectored(into)
                }
                Self::Tcp(half) => {
                    half.readable().await?;
                    half.try_read_vectored(into)
                }
                Self::Other(stream) => {
                    let Some(first) = into.iter_mut().find(|slice| !slice.is_empty()) else { return Ok(0) };
                    return stream.read(first).await;
                }
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl Reader {
    /// Lets each read take up to `bytes` beyond what was asked for: the next header.
    ///
    /// More than a header would take payload along, which is then copied twice.
    pub(crate) fn set_lookahead(&mut self, bytes: usize) {
        self.lookahead = bytes.min(INBOX);
    }

    /// What tells whether the peer stands still.
    pub(crate) fn moved(&self) -> Moved {
        self.moved.clone()
    }

    /// Waits for the next `len` bytes (at most the inbox) without consuming them; `None` when
    /// the stream ends before the first of them.
    ///
    /// # Cancel safety
    /// Cancel safe: what arrived stays in the inbox.
    pub(crate) async fn peek(&mut self, len: usize) -> io::Result<Option<&[u8]>> {
        debug_assert!(len <= INBOX);
        if self.start + len > INBOX {
            self.inbox.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < len {
            let limit = (self.start + len.max(self.lookahead)).min(INBOX);
            let free = &mut self.inbox[self.end..limit];
            let count = self.stream.read(&mut [IoSliceMut::new(free)]).await?;
            if count == 0 {
                return if self.start == self.end {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
            self.moved.add(count);
            self.end += count;
        }
        Ok(Some(&self.inbox[self.start..self.start + len]))
    }

    /// Consumes what was peeked at.
    pub(crate) fn consume(&mut self, len: usize) {
        self.start = (self.start + len).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// The next `N` bytes.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.peek(N).await?.ok_or(io::ErrorKind::UnexpectedEof)?);
        self.consume(N);
        Ok(bytes)
    }

    /// Fills `into` with what comes next, and the inbox with what comes after, as one read.
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection is lost.
    pub(crate) async fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        let mut filled = into.len().min(self.end - self.start);
        into[..filled].copy_from_slice(&self.inbox[self.start..self.start + filled]);
        self.consume(filled);
        while filled < into.len() {
            // The inbox is empty here: it was drained first.
            let slices = &mut [&mut into[filled..], &mut self.inbox[..self.lookahead]].map(IoSliceMut::new);
            let count = self.stream.read(slices).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.moved.add(count);
            let wanted = into.len() - filled;
            filled += count.min(wanted);
            self.end = count.saturating_sub(wanted);
        }
        Ok(())
    }

    /// Throws the next `len` bytes away.
    ///
    /// # Cancel safety
    /// Not cancel safe.
    pub(crate) async fn skip(&mut self, mut len: usize) -> io::Result<()> {
        let mut scratch = [0; 4096];
        while len > 0 {
            let count = len.min(scratch.len());
            self.read_exact(&mut scratch[..count]).await?;
            len -= count;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_payload_and_the_next_header_come_apart() {
        for sockets in [true, false] {
            let (left, right) = UnixStream::pair().unwrap();
            let (mut reader, _writer) = if sockets {
                unix(left)
            } else {
                let (reader, writer) = left.into_split();
                stream(reader, writer)
            };
            let (_other, mut writer) = unix(right);
            writer.write(b"HEADpayloadNEXTmore").await.unwrap();
            reader.set_lookahead(6);
            assert_eq!(reader.peek(4).await.unwrap(), Some(&b"HEAD"[..]));
            reader.consume(4);
            let mut payload = [0; 7];
            reader.read_exact(&mut payload).await.unwrap();
            assert_eq!(&payload, b"payload");
            assert_eq!(&reader.array::<4>().await.unwrap(), b"NEXT");
            reader.skip(3).await.unwrap();
            drop(writer);
            assert_eq!(reader.skip(2).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            assert_eq!(reader.moved().total(), 19);
        }
    }

    #[tokio::test]
    async fn the_end_between_messages_is_no_error_and_within_one_is() {
        let (left, right) = UnixStream::pair().unwrap();
        let (mut reader, _writer) = unix(left);
        let (_other, mut writer) = unix(right);
        writer.write(b"ab").await.unwrap();
        drop(writer);
        assert!(reader.peek(3).await.is_err());
        reader.consume(2);
        assert_eq!(reader.peek(3).await.unwrap(), None);
    }
}
