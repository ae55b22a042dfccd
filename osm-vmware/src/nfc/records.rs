//! A TCP connection that hands out TLS records one at a time, so that it can be taken back between two of them: what
//! stands behind the last record is never swallowed by a session that is about to be given up.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The bytes before the length of a record, and the length itself.
const HEAD: usize = 5;

/// A stream of TLS records.
#[derive(Debug)]
pub(super) struct Records<S> {
    stream: S,
    head: [u8; HEAD],
    /// How much of the head of this record is there.
    got: usize,
    /// How much of its body is not.
    left: usize,
}

impl<S> Records<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, head: [0; HEAD], got: 0, left: 0 }
    }

    /// The stream, if it stands between two records.
    pub(super) fn into_inner(self) -> Option<S> {
        (self.got == 0).then_some(self.stream)
    }

    /// Notes bytes that were handed out.
    fn pass(&mut self, bytes: &[u8]) {
        if self.got < HEAD {
            self.head[self.got..self.got + bytes.len()].copy_from_slice(bytes);
            self.got += bytes.len();
            if self.got == HEAD {
                self.left = usize::from(u16::from_be_bytes([self.head[3], self.head[4]]));
            }
        } else {
            self.left -= bytes.len();
        }
        if self.got == HEAD && self.left == 0 {
            self.got = 0;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Records<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = if self.got < HEAD { HEAD - self.got } else { self.left };
        let room = buffer.remaining().min(most);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        self.pass(part.filled());
        let count = part.filled().len();
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Records<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn a_read_never_goes_beyond_a_record() {
        let bytes: &[u8] = &[23, 3, 3, 0, 3, b'a', b'b', b'c', 22, 3, 3, 0, 0, b'n', b'f', b'c', b'!'];
        let mut records = Records::new(bytes);
        let mut buffer = [0; 64];
        let mut seen = Vec::new();
        while seen.len() < 8 {
            let count = records.read(&mut buffer).await.unwrap();
            assert!(count > 0 && seen.len() + count <= 8);
            seen.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(seen, bytes[..8]);
        assert_eq!(records.read(&mut buffer).await.unwrap(), 5);
        assert_eq!(records.into_inner().unwrap(), b"nfc!");
    }

    #[tokio::test]
    async fn within_a_record_it_is_not_given_back() {
        let mut records = Records::new(&[23, 3, 3, 0, 3, b'a', b'b', b'c'][..]);
        records.read_exact(&mut [0; 6]).await.unwrap();
        assert!(records.into_inner().is_none());
    }
}
