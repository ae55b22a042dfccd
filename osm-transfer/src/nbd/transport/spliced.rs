//! Payloads through pipes: the kernel moves them from the socket to another disk.

use std::io;
use std::os::fd::AsFd as _;

use tokio::io::Interest;

use super::super::pipe::{Pipe, Pipes, Taken};
use super::{ReadStream, Reader};
use crate::block::{BlockSink, ByteRange};

/// Pipes that hold the payload of a read, part by part.
pub(crate) struct Held {
    parts: Vec<(Pipe, ByteRange)>,
    pipes: Pipes,
}

impl Held {
    /// Writes all of it to `sink`.
    pub(crate) async fn drain(self, sink: &dyn BlockSink) -> crate::Result<()> {
        for (mut pipe, part) in self.parts {
            // With an error, the pipes and what is left in them are dropped.
            pipe.drain(sink, part).await?;
            self.pipes.put(pipe);
        }
        Ok(())
    }
}

impl Reader {
    /// Whether payloads can be spliced.
    pub(crate) fn is_socket(&self) -> bool {
        !matches!(self.stream, ReadStream::Other(_))
    }

    /// Moves the next `range.len` bytes to `range` of `sink`. The outer error is the stream's; the
    /// inner is the sink's, and the stream goes on behind the payload.
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection is lost.
    pub(crate) async fn splice(
        &mut self,
        sink: &dyn BlockSink,
        range: ByteRange,
    ) -> io::Result<crate::Result<()>> {
        let mut at = range.offset;
        while at < range.end() {
            let (mut pipe, part) = self.part(ByteRange::new(at, range.end() - at)).await?;
            if let Err(error) = pipe.drain(sink, part).await {
                // The pipe with what is left in it is dropped.
                self.skip(usize::try_from(range.end() - part.end()).unwrap_or(usize::MAX)).await?;
                return Ok(Err(error));
            }
            self.pipes.put(pipe);
            at = part.end();
        }
        Ok(Ok(()))
    }

    /// Takes the next `range.len` bytes, to be written to `range` of a disk while others arrive.
    ///
    /// # Cancel safety
    /// Not cancel safe: the connection is lost.
    pub(crate) async fn hold(&mut self, range: ByteRange) -> io::Result<Held> {
        let mut parts = Vec::with_capacity(1);
        let mut at = range.offset;
        while at < range.end() {
            let (pipe, part) = self.part(ByteRange::new(at, range.end() - at)).await?;
            at = part.end();
            parts.push((pipe, part));
        }
        Ok(Held { parts, pipes: self.pipes.clone() })
    }

    /// A pipe with the first part of the bytes of `range`: as many as there are and it holds, but some.
    async fn part(&mut self, range: ByteRange) -> io::Result<(Pipe, ByteRange)> {
        let mut pipe = self.pipes.take()?;
        // The lookahead took none of it, unless the payload is shorter than a header.
        let ahead = usize::try_from(range.len).unwrap_or(usize::MAX).min(self.end - self.start);
        pipe.push(&self.inbox[self.start..self.start + ahead])?;
        self.consume(ahead);
        while pipe.held() < range.len {
            let result = match &self.stream {
                ReadStream::Unix(half) => {
                    half.readable().await?;
                    let socket = half.as_ref();
                    socket.try_io(Interest::READABLE, || pipe.take(socket.as_fd(), range.len))
                }
                ReadStream::Tcp(half) => {
                    half.readable().await?;
                    let socket = half.as_ref();
                    socket.try_io(Interest::READABLE, || pipe.take(socket.as_fd(), range.len))
                }
                ReadStream::Other(_) => Err(io::ErrorKind::Unsupported.into()),
            };
            match result {
                Ok(Taken::Some(count)) => self.moved.add(count),
                Ok(Taken::NoMore) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        let part = ByteRange::new(range.offset, pipe.held());
        Ok((pipe, part))
    }
}
