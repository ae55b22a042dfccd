//! The end that compresses.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::AsyncWrite;
use zstd::bulk::Compressor;

use super::{Judge, MAGIC, MOST, PLAIN, ZSTD};

/// Fast rather than small: a frame must not take longer than the link would.
const LEVEL: i32 = 1;

/// A stream that compresses what is written to it where that pays. Flush it, and everything is on its way.
#[derive(Debug)]
pub struct PackedWriter<W> {
    to: W,
    /// The frame under way.
    frame: Vec<u8>,
    sent: usize,
    since: Instant,
    /// What a write gave, in one piece.
    piece: Vec<u8>,
    packer: Packer,
}

struct Packer {
    compressor: Compressor<'static>,
    judge: Judge,
    packed: Vec<u8>,
}

impl<W> PackedWriter<W> {
    /// Compresses on the way to `to`.
    ///
    /// # Errors
    /// The compressor cannot be made: there is no memory.
    pub fn new(to: W) -> io::Result<Self> {
        let packer =
            Packer { compressor: Compressor::new(LEVEL)?, judge: Judge::default(), packed: Vec::new() };
        let frame = MAGIC.to_vec();
        Ok(Self { to, frame, sent: 0, since: Instant::now(), piece: Vec::new(), packer })
    }
}

impl Packer {
    /// Adds the frame of `piece` to `frame`.
    fn pack(&mut self, piece: &[u8], frame: &mut Vec<u8>) -> io::Result<()> {
        let mut content = (PLAIN, piece);
        if self.judge.wants(piece.len()) {
            self.packed.resize(zstd::zstd_safe::compress_bound(MOST), 0);
            let began = Instant::now();
            let len = self.compressor.compress_to_buffer(piece, &mut self.packed[..])?;
            self.judge.packed(piece.len(), len, began.elapsed());
            if len < piece.len() {
                content = (ZSTD, &self.packed[..len]);
            }
        }
        let (kind, content) = content;
        frame.push(kind);
        // A frame is short.
        frame.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
        frame.extend_from_slice(content);
        Ok(())
    }
}

impl<W: AsyncWrite + Unpin> PackedWriter<W> {
    /// Sends the frame under way.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.frame.len() {
            let count = ready!(Pin::new(&mut self.to).poll_write(cx, &self.frame[self.sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        if self.sent > 0 {
            self.packer.judge.sent(self.sent, self.since.elapsed());
            self.frame.clear();
            self.sent = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for PackedWriter<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // The magic goes out with the first frame, and so does what a flush has not waited for.
        if this.frame.len() > MAGIC.len() || this.sent > 0 {
            ready!(this.poll_frame(cx))?;
        }
        this.piece.clear();
        for slice in slices {
            let room = MOST - this.piece.len();
            this.piece.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let len = this.piece.len();
        if len > 0 {
            this.packer.pack(&this.piece, &mut this.frame)?;
            this.since = Instant::now();
            // What does not go at once goes with the next write or flush.
            if let Poll::Ready(result) = this.poll_frame(cx) {
                result?;
            }
        }
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_frame(cx))?;
        Pin::new(&mut this.to).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_frame(cx))?;
        Pin::new(&mut this.to).poll_shutdown(cx)
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("judge", &self.judge).finish_non_exhaustive()
    }
}
