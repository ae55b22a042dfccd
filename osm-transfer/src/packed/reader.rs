//! The end that takes apart.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use zstd::bulk::Decompressor;

use super::{HEAD, MAGIC, MOST, PLAIN, ZSTD};

/// A stream that was compressed by a [`PackedWriter`](super::PackedWriter).
pub struct UnpackedReader<R> {
    from: R,
    decompressor: Decompressor<'static>,
    stage: Stage,
    /// What arrived of the current stage, and how much that is.
    inbox: Vec<u8>,
    have: usize,
    /// Content that was not read yet.
    piece: Vec<u8>,
    start: usize,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Magic,
    Head,
    Content { kind: u8, len: usize },
}

impl Stage {
    fn len(self) -> usize {
        match self {
            Self::Magic => MAGIC.len(),
            Self::Head => HEAD,
            Self::Content { len, .. } => len,
        }
    }
}

impl<R> UnpackedReader<R> {
    /// Takes apart what comes from `from`.
    ///
    /// # Errors
    /// The decompressor cannot be made: there is no memory.
    pub fn new(from: R) -> io::Result<Self> {
        Ok(Self {
            from,
            decompressor: Decompressor::new()?,
            stage: Stage::Magic,
            inbox: vec![0; MOST],
            have: 0,
            piece: Vec::with_capacity(MOST),
            start: 0,
        })
    }

    /// The inbox holds the current stage; the next one.
    fn take(&mut self) -> io::Result<Stage> {
        let bytes = &self.inbox[..self.have];
        Ok(match self.stage {
            Stage::Magic if bytes == MAGIC => Stage::Head,
            Stage::Magic => {
                return Err(wrong("the other end does not compress: both ends must, or neither"));
            }
            Stage::Head => {
                let len = u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize;
                if !matches!(bytes[0], PLAIN | ZSTD) || len == 0 || len > MOST {
                    return Err(wrong("the compressed stream is damaged"));
                }
                Stage::Content { kind: bytes[0], len }
            }
            Stage::Content { kind, .. } => {
                self.start = 0;
                self.piece.clear();
                if kind == ZSTD {
                    // Never beyond its capacity: a frame stands for no more.
                    self.piece.resize(MOST, 0);
                    let len = self
                        .decompressor
                        .decompress_to_buffer(bytes, &mut self.piece[..])
                        .map_err(|_| wrong("the compressed stream is damaged"))?;
                    self.piece.truncate(len);
                } else {
                    self.piece.extend_from_slice(bytes);
                }
                Stage::Head
            }
        })
    }
}

fn wrong(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

impl<R: AsyncRead + Unpin> AsyncRead for UnpackedReader<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.start == this.piece.len() {
            let wanted = this.stage.len();
            while this.have < wanted {
                let mut free = ReadBuf::new(&mut this.inbox[this.have..wanted]);
                ready!(Pin::new(&mut this.from).poll_read(cx, &mut free))?;
                let count = free.filled().len();
                if count == 0 {
                    // Between frames, or before anything was said, it is over.
                    let between = this.have == 0 && !matches!(this.stage, Stage::Content { .. });
                    return Poll::Ready(if between {
                        Ok(())
                    } else {
                        Err(io::ErrorKind::UnexpectedEof.into())
                    });
                }
                this.have += count;
            }
            this.stage = this.take()?;
            this.have = 0;
        }
        let count = into.remaining().min(this.piece.len() - this.start);
        into.put_slice(&this.piece[this.start..this.start + count]);
        this.start += count;
        Poll::Ready(Ok(()))
    }
}

impl<R> std::fmt::Debug for UnpackedReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnpackedReader").field("stage", &self.stage).finish_non_exhaustive()
    }
}
