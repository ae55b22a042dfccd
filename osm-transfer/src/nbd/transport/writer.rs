//! The sending half.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;

use tokio::io::{AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::{tcp, unix};

use super::super::pipe::give;
use super::Moved;

pub(super) enum WriteStream {
    Unix(unix::OwnedWriteHalf),
    Tcp(tcp::OwnedWriteHalf),
    Other(Box<dyn AsyncWrite + Send + Unpin>),
}

/// The sending half of a connection.
pub(crate) struct Writer {
    pub(super) stream: WriteStream,
    pub(super) moved: Moved,
}

impl Writer {
    fn stream(&mut self) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        match &mut self.stream {
            WriteStream::Unix(half) => Pin::new(half),
            WriteStream::Tcp(half) => Pin::new(half),
            WriteStream::Other(stream) => Pin::new(&mut **stream),
        }
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_vectored(&mut [IoSlice::new(bytes)]).await
    }

    /// Writes all of the slices, as few writes as the stream allows, and flushes it.
    ///
    /// # Cancel safety
    /// Not cancel safe: a part may have been written.
    pub(crate) async fn write_vectored(&mut self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let count = self.stream().write_vectored(slices).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.moved.add(count);
            IoSlice::advance_slices(&mut slices, count);
        }
        self.stream().flush().await
    }

    /// Whether the kernel can be given pages to send.
    pub(crate) fn is_socket(&self) -> bool {
        !matches!(self.stream, WriteStream::Other(_))
    }

    /// Sends the next `left` bytes of `pipe`, which holds them.
    ///
    /// # Cancel safety
    /// Not cancel safe: a part may have been sent.
    pub(crate) async fn send(&mut self, pipe: &OwnedFd, mut left: usize) -> io::Result<()> {
        while left > 0 {
            let result = match &self.stream {
                WriteStream::Unix(half) => {
                    half.writable().await?;
                    let socket = half.as_ref();
                    socket.try_io(Interest::WRITABLE, || give(pipe.as_fd(), socket.as_fd(), left))
                }
                WriteStream::Tcp(half) => {
                    half.writable().await?;
                    let socket = half.as_ref();
                    socket.try_io(Interest::WRITABLE, || give(pipe.as_fd(), socket.as_fd(), left))
                }
                WriteStream::Other(_) => Err(io::ErrorKind::Unsupported.into()),
            };
            match result {
                Ok(count) => {
                    left -= count;
                    self.moved.add(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends the stream in this direction.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.stream().shutdown().await
    }
}
