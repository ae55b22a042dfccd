//! Sending the answer of a request: header and payload in one write.

use std::io::IoSlice;

use super::super::wire::consts::*;
use super::super::wire::{BlockStatus, Chunk, Command, Errno, ErrorChunk, ReplyHeader, Request};
use super::connection::{Link, lost};
use super::work::{ALLOCATION_ID, Answer, Refusal};

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
        Ok(Answer::Data(data)) if chunked => {
            let mut head = last_chunk(NBD_REPLY_TYPE_OFFSET_DATA, cookie, data.len() + 8);
            head.extend_from_slice(&request.offset.to_be_bytes());
            (head, Some(data))
        }
        Ok(Answer::Nothing) if chunked => (last_chunk(NBD_REPLY_TYPE_NONE, cookie, 0), None),
        Ok(Answer::Data(data)) => (ReplyHeader::Simple { error: Errno::OK, cookie }.encode(), Some(data)),
        Ok(Answer::Nothing) => (ReplyHeader::Simple { error: Errno::OK, cookie }.encode(), None),
    };
    let mut writer = link.writer.lock().await;
    if link.is_broken() {
        return;
    }
    let mut slices = [IoSlice::new(&head), IoSlice::new(data.as_deref().unwrap_or_default())];
    if let Err(error) = link.moving(writer.write_vectored(&mut slices)).await {
        link.fail(lost(error));
    }
}

/// The head of the only chunk of a reply.
fn last_chunk(kind: u16, cookie: u64, len: usize) -> Vec<u8> {
    let flags = ReplyFlags::NBD_REPLY_FLAG_DONE;
    ReplyHeader::Chunk(Chunk { flags, kind, cookie, len: u32::try_from(len).unwrap_or(u32::MAX) }).encode()
}
