//! Sending the answer of a request: headers and payload in one write.

use std::io::IoSlice;

use super::super::wire::consts::*;
use super::super::wire::{BlockStatus, Chunk, Command, Errno, ErrorChunk, ReplyHeader, Request};
use super::connection::{Link, lost};
use super::outbox::Lent;
use super::work::{ALLOCATION_ID, Answer, Refusal};
use crate::block::zero_runs;

/// Zeroes shorter than this travel as bytes: a chunk of their own would cost more.
const HOLE_GRANULARITY: usize = 64 << 10;

/// Sends the whole answer; others wait until it is out, or do not try when it came out in part.
pub(super) async fn send(link: &Link, request: &Request, result: Result<Answer, Refusal>) {
    let structured = link.session.structured;
    let cookie = request.cookie;
    // Reads and block status have structured replies, the others are shorter with simple ones.
    let chunked = structured && matches!(request.command, Command::Read | Command::BlockStatus);
    let (head, data) = match result {
        Err(Refusal { errno, message }) if structured => {
            (ErrorChunk { error: errno, message, offset: None }.encode(cookie), None)
        }
        Err(Refusal { errno, .. }) => (ReplyHeader::Simple { error: errno, cookie }.encode(), None),
        Ok(Answer::Status(descriptors)) => {
            let payload = BlockStatus { context: ALLOCATION_ID, descriptors }.encode();
            let mut head = last_chunk(NBD_REPLY_TYPE_BLOCK_STATUS, cookie, payload.len());
            head.extend_from_slice(&payload);
            (head, None)
        }
        Ok(Answer::Data(data)) if chunked && looks_for_holes(link, request) => {
            return send_sparse(link, request, &data).await;
        }
        Ok(Answer::Lent(lent)) => return send_lent(link, lent).await,
        Ok(Answer::Data(data)) => (head_of_data(link, request), Some(data)),
        Ok(Answer::Nothing) if chunked => (last_chunk(NBD_REPLY_TYPE_NONE, cookie, 0), None),
        Ok(Answer::Nothing) => (ReplyHeader::Simple { error: Errno::OK, cookie }.encode(), None),
    };
    write(link, &mut [IoSlice::new(&head), IoSlice::new(data.as_deref().unwrap_or_default())]).await;
}

/// What comes before the bytes of a read that is answered in one piece.
pub(super) fn head_of_data(link: &Link, request: &Request) -> Vec<u8> {
    let cookie = request.cookie;
    if !link.session.structured {
        return ReplyHeader::Simple { error: Errno::OK, cookie }.encode();
    }
    let mut head = last_chunk(NBD_REPLY_TYPE_OFFSET_DATA, cookie, request.len as usize + 8);
    head.extend_from_slice(&request.offset.to_be_bytes());
    head
}

async fn send_lent(link: &Link, mut lent: Lent) {
    let mut writer = link.writer.lock().await;
    if link.is_broken() {
        return;
    }
    let (pipe, bytes) = lent.outbox.outlet();
    match link.moving(writer.send(pipe, bytes)).await {
        Ok(()) => {
            lent.outbox.sent();
            link.outboxes.put(lent);
        }
        Err(error) => link.fail(lost(error)),
    }
}

/// Whether zeroes of this read should not travel: the source knows of no holes, so the client
/// cannot avoid asking for them, and it did not ask for one piece.
pub(super) fn looks_for_holes(link: &Link, request: &Request) -> bool {
    !link.session.export.source.capabilities().extents
        && !request.flags.contains(CommandFlags::NBD_CMD_FLAG_DF)
}

/// The answer of a read in chunks: bytes where there are any, a word where there are zeroes.
async fn send_sparse(link: &Link, request: &Request, data: &[u8]) {
    let runs = zero_runs(data, HOLE_GRANULARITY);
    let mut heads = Vec::with_capacity(runs.len());
    let mut start = 0;
    for (index, (len, zero)) in runs.iter().enumerate() {
        let done = index + 1 == runs.len();
        let flags = if done { ReplyFlags::NBD_REPLY_FLAG_DONE } else { ReplyFlags::empty() };
        let (kind, payload) =
            if *zero { (NBD_REPLY_TYPE_OFFSET_HOLE, 12) } else { (NBD_REPLY_TYPE_OFFSET_DATA, len + 8) };
        let mut head = chunk_head(flags, kind, request.cookie, payload);
        head.extend_from_slice(&(request.offset + start as u64).to_be_bytes());
        if *zero {
            head.extend_from_slice(&u32::try_from(*len).unwrap_or(u32::MAX).to_be_bytes());
        }
        heads.push((head, if *zero { 0..0 } else { start..start + len }));
        start += len;
    }
    let mut slices: Vec<IoSlice<'_>> = heads
        .iter()
        .flat_map(|(head, bytes)| [IoSlice::new(head), IoSlice::new(&data[bytes.clone()])])
        .collect();
    write(link, &mut slices).await;
}

async fn write(link: &Link, slices: &mut [IoSlice<'_>]) {
    let mut writer = link.writer.lock().await;
    if link.is_broken() {
        return;
    }
    if let Err(error) = link.moving(writer.write_vectored(slices)).await {
        link.fail(lost(error));
    }
}

/// The head of the only chunk of a reply.
fn last_chunk(kind: u16, cookie: u64, len: usize) -> Vec<u8> {
    chunk_head(ReplyFlags::NBD_REPLY_FLAG_DONE, kind, cookie, len)
}

fn chunk_head(flags: ReplyFlags, kind: u16, cookie: u64, len: usize) -> Vec<u8> {
    ReplyHeader::Chunk(Chunk { flags, kind, cookie, len: u32::try_from(len).unwrap_or(u32::MAX) }).encode()
}
