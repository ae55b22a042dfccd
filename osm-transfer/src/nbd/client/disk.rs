//! The client as a disk: [`BlockSource`] and [`BlockSink`].

use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;

use super::super::wire::Command;
use super::super::wire::consts::*;
use super::Client;
use super::pending::{Outcome, Place};
use super::table::{MAX_PARTS, Operation};
use crate::block::{
    BlockSink, BlockSize, BlockSource, Buffer, ByteRange, Capabilities, Extent, ExtentKind, ZeroMode,
};
use crate::{Error, ErrorKind, Result};

/// How many requests per connection are worth having under way.
const PARALLEL: usize = 16;
/// The parts of one long zero that go out at once.
const ZERO_PARTS: u64 = 16;
/// How much is written at once where zeroes must be written.
const ZERO_WRITE: u64 = 1 << 20;

/// The block sizes that requests keep to.
#[derive(Debug, Clone, Copy)]
struct Limits {
    minimum: u32,
    preferred: u32,
    /// The longest read or write.
    payload: u32,
    /// The longest request without payload.
    effect: u32,
}

impl Client {
    fn limits(&self) -> Limits {
        let (advertised, effect) = match self.negotiated.block_size {
            Some(size) => (size, size.maximum),
            // The specification's defaults; the maximum there is about payload.
            None => (BlockSize { minimum: 1, preferred: 4096, maximum: MAX_PAYLOAD }, u32::MAX),
        };
        let minimum = advertised.minimum;
        let down = |len: u32| (len / minimum * minimum).max(minimum);
        Limits {
            minimum,
            preferred: advertised.preferred,
            payload: down(advertised.maximum.min(MAX_PAYLOAD)),
            effect: down(effect),
        }
    }

    fn check(&self, range: ByteRange, operation: &'static str) -> Result<()> {
        let wrong = |kind, message: String| {
            Err(Error::new(kind, message)
                .with_operation(operation)
                .with_endpoint(&self.endpoint)
                .with_range(range.offset, range.len))
        };
        let size = self.size();
        if range.offset.checked_add(range.len).is_none_or(|end| end > size) {
            return wrong(ErrorKind::OutOfBounds, format!("beyond the end of the export at {size}"));
        }
        let minimum = u64::from(self.limits().minimum);
        if !range.offset.is_multiple_of(minimum) || !range.len.is_multiple_of(minimum) {
            return wrong(
                ErrorKind::Config,
                format!("not aligned to the server's minimum block size {minimum}"),
            );
        }
        Ok(())
    }

    fn check_writable(&self, range: ByteRange, operation: &'static str) -> Result<()> {
        if self.read_only() {
            return Err(Error::new(ErrorKind::ReadOnly, "the export is read-only")
                .with_operation(operation)
                .with_endpoint(&self.endpoint)
                .with_range(range.offset, range.len));
        }
        self.check(range, operation)
    }

    /// Without flush, what must last is asked for with each request.
    fn durable(&self) -> CommandFlags {
        if !self.can(TransmissionFlags::NBD_FLAG_SEND_FLUSH) && self.can(TransmissionFlags::NBD_FLAG_SEND_FUA)
        {
            CommandFlags::NBD_CMD_FLAG_FUA
        } else {
            CommandFlags::empty()
        }
    }

    /// A command without payload over a range of any length, a few parts at a time.
    async fn effect(&self, command: Command, flags: CommandFlags, range: ByteRange) -> Result<()> {
        let part = self.limits().effect;
        let window = u64::from(part).saturating_mul(ZERO_PARTS);
        let mut offset = range.offset;
        while offset < range.end() {
            let range = ByteRange::new(offset, (range.end() - offset).min(window));
            self.submit(Operation { command, flags, range, part, place: None }).await?;
            offset = range.end();
        }
        Ok(())
    }

    /// Says that the bytes are not needed any more (`NBD_CMD_TRIM`); what they read as afterwards
    /// is up to the server. Does nothing where the server cannot.
    ///
    /// # Errors
    /// The range is out of bounds or misaligned, the export is read-only or failed.
    pub async fn trim(&self, range: ByteRange) -> Result<()> {
        self.check_writable(range, "trim")?;
        if !self.can(TransmissionFlags::NBD_FLAG_SEND_TRIM) {
            return Ok(());
        }
        self.effect(Command::Trim, self.durable(), range).await
    }

    async fn payload(&self, command: Command, offset: u64, buffer: Buffer) -> Result<Buffer> {
        let range = ByteRange::new(offset, buffer.len() as u64);
        if range.is_empty() {
            return Ok(buffer);
        }
        let part = self.limits().payload;
        if range.len.div_ceil(u64::from(part)) > MAX_PARTS {
            return Err(Error::new(ErrorKind::Config, "too long for one request")
                .with_endpoint(&self.endpoint)
                .with_range(range.offset, range.len));
        }
        let flags = if command == Command::Write { self.durable() } else { CommandFlags::empty() };
        match self
            .submit(Operation { command, flags, range, part, place: Some(Place::Buffer(buffer)) })
            .await?
        {
            Outcome::Buffer(buffer) => Ok(buffer),
            _ => Err(Error::new(ErrorKind::Io, "the request lost its buffer")),
        }
    }
}

#[async_trait]
impl BlockSource for Client {
    fn size(&self) -> u64 {
        self.negotiated.size
    }

    fn capabilities(&self) -> Capabilities {
        let limits = self.limits();
        let zeroes = self.can(TransmissionFlags::NBD_FLAG_SEND_WRITE_ZEROES);
        Capabilities {
            block_size: BlockSize {
                minimum: limits.minimum,
                preferred: limits.preferred,
                maximum: limits.payload,
            },
            parallel: self.connections.len() * PARALLEL,
            extents: self.negotiated.allocation.is_some(),
            fast_zero: zeroes,
            trim: zeroes,
            starts_zeroed: false,
            splice: self.plain,
        }
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        self.check(ByteRange::new(offset, buffer.len() as u64), "read")?;
        self.payload(Command::Read, offset, buffer).await
    }

    async fn splice(&self, range: ByteRange, sink: &Arc<dyn BlockSink>) -> Result<Vec<ByteRange>> {
        self.check(range, "read")?;
        let part = self.limits().payload;
        let flags = CommandFlags::empty();
        let place = Some(Place::Sink(Arc::clone(sink)));
        match self.submit(Operation { command: Command::Read, flags, range, part, place }).await? {
            Outcome::Extents(zeroes) => Ok(zeroes.into_iter().map(|extent| extent.range).collect()),
            _ => Err(Error::new(ErrorKind::Io, "the request lost its sink")),
        }
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        self.check(range, "block status")?;
        if range.is_empty() {
            return Err(Error::new(ErrorKind::OutOfBounds, "block status of no bytes")
                .with_endpoint(&self.endpoint)
                .with_range(range.offset, range.len));
        }
        if self.negotiated.allocation.is_none() {
            return Ok(vec![Extent { range, kind: ExtentKind::Data }]);
        }
        let part = self.limits().effect;
        let range = ByteRange::new(range.offset, range.len.min(u64::from(part)));
        let flags = CommandFlags::empty();
        let operation = Operation { command: Command::BlockStatus, flags, range, part, place: None };
        match self.submit(operation).await? {
            Outcome::Extents(extents) => Ok(extents),
            _ => Err(Error::new(ErrorKind::Io, "the request lost its extents")),
        }
    }
}

#[async_trait]
impl BlockSink for Client {
    fn size(&self) -> u64 {
        self.negotiated.size
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = BlockSource::capabilities(self);
        // The bytes of a pipe end wherever the last packet ended.
        Capabilities { splice: self.plain && capabilities.block_size.minimum == 1, ..capabilities }
    }

    async fn write(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        self.check_writable(ByteRange::new(offset, buffer.len() as u64), "write")?;
        self.payload(Command::Write, offset, buffer).await
    }

    async fn splice(&self, range: ByteRange, pipe: &Arc<OwnedFd>) -> Result<()> {
        self.check_writable(range, "write")?;
        let (part, flags) = (self.limits().payload, self.durable());
        let place = Some(Place::Pipe(Arc::clone(pipe)));
        self.submit(Operation { command: Command::Write, flags, range, part, place }).await?;
        Ok(())
    }

    async fn zero(&self, range: ByteRange, mode: ZeroMode) -> Result<()> {
        self.check_writable(range, "write zeroes")?;
        if self.can(TransmissionFlags::NBD_FLAG_SEND_WRITE_ZEROES) {
            let hole = match mode {
                ZeroMode::Hole => CommandFlags::empty(),
                ZeroMode::Allocate => CommandFlags::NBD_CMD_FLAG_NO_HOLE,
            };
            return self.effect(Command::WriteZeroes, hole | self.durable(), range).await;
        }
        let minimum = u64::from(self.limits().minimum);
        let step = (ZERO_WRITE / minimum * minimum).max(minimum).min(range.len.max(minimum));
        let mut zeroes = Buffer::zeroed(usize::try_from(step).unwrap_or(usize::MAX));
        let mut offset = range.offset;
        while offset < range.end() {
            let len = (range.end() - offset).min(step);
            zeroes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
            zeroes = self.payload(Command::Write, offset, zeroes).await?;
            offset += len;
        }
        Ok(())
    }

    /// Where the server has neither flush nor FUA there is nothing to be asked for, and this only
    /// reports writes that failed unnoticed.
    async fn flush(&self) -> Result<()> {
        self.unclaimed()?;
        if !self.can(TransmissionFlags::NBD_FLAG_SEND_FLUSH) {
            return Ok(());
        }
        // One connection speaks for all: several are only opened where the server says so.
        let range = ByteRange::new(0, 0);
        let flags = CommandFlags::empty();
        self.submit(Operation { command: Command::Flush, flags, range, part: 1, place: None }).await?;
        self.unclaimed()
    }
}
