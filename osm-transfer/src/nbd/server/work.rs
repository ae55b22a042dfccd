//! Carrying out one request: the checks, then the disk.

use super::super::wire::consts::*;
use super::super::wire::{Command, Descriptor, Errno, Request};
use super::connection::Link;
use super::outbox::Lent;
use super::reply;
use crate::block::{BlockSink, Buffer, ByteRange, ZeroMode};
use crate::{Error, ErrorKind};

/// The number of `base:allocation` in our block status replies.
pub(super) const ALLOCATION_ID: u32 = 1;
/// The most descriptors of one reply; the client asks again for the rest.
const MAX_DESCRIPTORS: usize = 8192;

/// What a request came to.
pub(super) enum Answer {
    Nothing,
    Data(Buffer),
    /// Head and all.
    Lent(Lent),
    Status(Vec<Descriptor>),
}

/// Why a request is refused, for the wire and in words.
pub(super) struct Refusal {
    pub(super) errno: Errno,
    pub(super) message: String,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        if !matches!(error.kind(), ErrorKind::OutOfBounds | ErrorKind::ReadOnly) {
            tracing::warn!(%error, cause = ?std::error::Error::source(&error), "a request failed");
        }
        Self { errno: Errno::of(&error), message: error.to_string() }
    }
}

type Result<T> = std::result::Result<T, Refusal>;

fn refuse<T>(errno: Errno, message: &str) -> Result<T> {
    Err(Refusal { errno, message: message.to_owned() })
}

/// Checks the request and does what it says.
pub(super) async fn carry_out(link: &Link, request: &Request, payload: Option<Buffer>) -> Result<Answer> {
    check_flags(link, request)?;
    let export = &link.session.export;
    let range = ByteRange::new(request.offset, u64::from(request.len));
    match request.command {
        Command::Read => {
            check_range(link, request, Errno::NBD_EINVAL)?;
            if request.len > MAX_PAYLOAD {
                return refuse(Errno::NBD_EOVERFLOW, "longer than the maximum block size");
            }
            if !reply::looks_for_holes(link, request) {
                let head = reply::head_of_data(link, request);
                if let Some(lent) = link.outboxes.fill(export.source.as_ref(), range, &head).await? {
                    return Ok(Answer::Lent(lent));
                }
            }
            let buffer = link.pool.take(request.len as usize);
            if buffer.is_empty() {
                return Ok(Answer::Nothing);
            }
            Ok(Answer::Data(export.source.read(request.offset, buffer).await?))
        }
        Command::BlockStatus => {
            if !link.session.allocation {
                return refuse(Errno::NBD_EINVAL, "no metadata context was negotiated");
            }
            check_range(link, request, Errno::NBD_EINVAL)?;
            status(link, request, range).await
        }
        Command::Write => {
            let sink = writable(link)?;
            check_range(link, request, Errno::NBD_ENOSPC)?;
            match payload {
                Some(payload) if !payload.is_empty() => drop(sink.write(request.offset, payload).await?),
                _ => {}
            }
            force(sink, request).await
        }
        Command::WriteZeroes => {
            let sink = writable(link)?;
            check_range(link, request, Errno::NBD_ENOSPC)?;
            let allocate = request.flags.contains(CommandFlags::NBD_CMD_FLAG_NO_HOLE);
            let mode = if allocate { ZeroMode::Allocate } else { ZeroMode::Hole };
            zero(sink, range, mode).await?;
            force(sink, request).await
        }
        Command::Trim => {
            let sink = writable(link)?;
            check_range(link, request, Errno::NBD_EINVAL)?;
            if sink.capabilities().trim {
                zero(sink, range, ZeroMode::Hole).await?;
            }
            force(sink, request).await
        }
        Command::Flush => {
            if let Some(sink) = &export.sink {
                sink.flush().await?;
            }
            Ok(Answer::Nothing)
        }
        Command::Cache | Command::Disconnect | Command::Other(_) => {
            refuse(Errno::NBD_EINVAL, "unknown command")
        }
    }
}

async fn zero(sink: &dyn BlockSink, range: ByteRange, mode: ZeroMode) -> Result<()> {
    if !range.is_empty() {
        sink.zero(range, mode).await?;
    }
    Ok(())
}

/// `NBD_CMD_FLAG_FUA`: done only when it would survive a power loss.
async fn force(sink: &dyn BlockSink, request: &Request) -> Result<Answer> {
    if request.flags.contains(CommandFlags::NBD_CMD_FLAG_FUA) {
        sink.flush().await?;
    }
    Ok(Answer::Nothing)
}

fn writable(link: &Link) -> Result<&dyn BlockSink> {
    match &link.session.export.sink {
        Some(sink) => Ok(&**sink),
        None => refuse(Errno::NBD_EPERM, "the export is read-only"),
    }
}

/// The flags that belong to the command, and were advertised.
fn check_flags(link: &Link, request: &Request) -> Result<()> {
    let mut known = match request.command {
        Command::Write | Command::Trim => CommandFlags::NBD_CMD_FLAG_FUA,
        Command::WriteZeroes => CommandFlags::NBD_CMD_FLAG_FUA | CommandFlags::NBD_CMD_FLAG_NO_HOLE,
        // Asks for one piece: then zeroes travel as bytes.
        Command::Read if link.session.structured => CommandFlags::NBD_CMD_FLAG_DF,
        Command::BlockStatus => CommandFlags::NBD_CMD_FLAG_REQ_ONE,
        _ => CommandFlags::empty(),
    };
    let fast = link.session.export.sink.as_ref().is_some_and(|sink| sink.capabilities().fast_zero);
    if request.command == Command::WriteZeroes && fast {
        known |= CommandFlags::NBD_CMD_FLAG_FAST_ZERO;
    }
    // FUA may come with any command and means nothing to those that write nothing.
    known |= CommandFlags::NBD_CMD_FLAG_FUA;
    if request.flags.difference(known).is_empty() {
        return Ok(());
    }
    refuse(Errno::NBD_EINVAL, "command flags that the command does not have")
}

fn check_range(link: &Link, request: &Request, beyond: Errno) -> Result<()> {
    let export = &link.session.export;
    let end = request.offset.checked_add(u64::from(request.len));
    if end.is_none_or(|end| end > export.source.size()) {
        return refuse(beyond, "beyond the end of the export");
    }
    let minimum = u64::from(export.block_size().minimum);
    if !request.offset.is_multiple_of(minimum) || !u64::from(request.len).is_multiple_of(minimum) {
        return refuse(Errno::NBD_EINVAL, "not aligned to the minimum block size");
    }
    Ok(())
}

async fn status(link: &Link, request: &Request, range: ByteRange) -> Result<Answer> {
    if range.is_empty() {
        return refuse(Errno::NBD_EINVAL, "block status of no bytes");
    }
    let one = request.flags.contains(CommandFlags::NBD_CMD_FLAG_REQ_ONE);
    let mut descriptors: Vec<Descriptor> = Vec::new();
    let mut offset = range.offset;
    'asking: while offset < range.end() {
        let rest = ByteRange::new(offset, range.end() - offset);
        for extent in link.session.export.source.extents(rest).await? {
            let flags = Descriptor::flags_of(extent.kind);
            let next = extent.range.end().min(range.end());
            // The whole run fits: it lies in a range of 32 bits.
            let len = u32::try_from(next.saturating_sub(offset)).unwrap_or(u32::MAX);
            let full = if one { 1 } else { MAX_DESCRIPTORS } == descriptors.len();
            match descriptors.last_mut() {
                Some(last) if last.flags == flags => last.len += len,
                _ if full => break 'asking,
                _ => descriptors.push(Descriptor { len, flags }),
            }
            if next <= offset {
                return refuse(Errno::NBD_EIO, "the source told of an empty extent");
            }
            offset = next;
        }
    }
    Ok(Answer::Status(descriptors))
}
