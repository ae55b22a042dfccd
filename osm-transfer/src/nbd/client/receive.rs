//! The receive loop: headers are checked against the table, payloads go where they belong.

use std::sync::Arc;

use tokio::task::yield_now;

use super::super::transport::{Held, Reader};
use super::super::wire::consts::*;
use super::super::wire::{Chunk, PeerMisbehaved, ReplyHeader, reply_len};
use super::connection::Shared;
use super::failure::Failure;
use super::pending::{Fill, Finished, Place};
use super::table::Reply;
use crate::block::BlockSink;

/// Receives until the connection fails or the server closes it.
pub(super) async fn run(shared: &Arc<Shared>, mut reader: Reader) -> Failure {
    loop {
        match reply(shared, &mut reader).await {
            // The caller gets to work on its bytes, and the send loop to send, before the next
            // reply takes the processor.
            Ok(true) => yield_now().await,
            Ok(false) => {}
            Err(failure) => return failure,
        }
    }
}

/// One reply or chunk; whether an operation ended with it.
async fn reply(shared: &Arc<Shared>, reader: &mut Reader) -> Result<bool, Failure> {
    let Some(magic) = reader.peek(4).await? else { return Err(Failure::hung_up()) };
    let len = reply_len(magic)?;
    let header = reader.peek(len).await?.map(ReplyHeader::decode).transpose()?;
    let Some(header) = header else { return Err(Failure::hung_up()) };
    reader.consume(len);
    let finished = match header {
        ReplyHeader::Simple { error, cookie } => {
            let structured = shared.negotiated.structured;
            let reply = shared.lock().table.simple(cookie, error, structured)?;
            match reply {
                Reply::Fill(fill) => receive(shared, reader, fill).await?,
                Reply::Finished(finished) => finished,
            }
        }
        ReplyHeader::Chunk(_) if !shared.negotiated.structured => {
            return Err(PeerMisbehaved::StructuredReplyNotNegotiated.into());
        }
        ReplyHeader::Chunk(header) => chunk(shared, reader, header).await?,
    };
    let ended = finished.is_some();
    if ended {
        shared.count(&shared.lock());
        shared.settle(finished);
    }
    Ok(ended)
}

async fn chunk(shared: &Arc<Shared>, reader: &mut Reader, chunk: Chunk) -> Result<Option<Finished>, Failure> {
    shared.lock().table.announce(&chunk)?;
    if chunk.kind == NBD_REPLY_TYPE_OFFSET_DATA {
        let offset = u64::from_be_bytes(reader.array().await?);
        let fill = shared.lock().table.data(&chunk, offset)?;
        return receive(shared, reader, fill).await;
    }
    // Bounded by `announce`.
    let mut payload = vec![0; chunk.len as usize];
    reader.read_exact(&mut payload).await?;
    Ok(shared.lock().table.chunk(&chunk, &payload, shared.negotiated.allocation)?)
}

async fn receive(
    shared: &Arc<Shared>,
    reader: &mut Reader,
    mut fill: Fill,
) -> Result<Option<Finished>, Failure> {
    match &mut fill.place {
        Place::Buffer(buffer) => reader.read_exact(&mut buffer[fill.into.clone()]).await?,
        // A disk of this machine: its bytes are still in the processor's cache.
        Place::Sink(sink) if sink.descriptor().is_some() => {
            fill.error = reader.splice(sink.as_ref(), fill.range).await?.err();
        }
        // Another server's, which must not keep us from receiving.
        Place::Sink(sink) => {
            let (sink, held) = (Arc::clone(sink), reader.hold(fill.range).await?);
            shared.lock().table.arrived(&fill)?;
            tokio::spawn(pass_on(Arc::clone(shared), held, sink, fill));
            return Ok(None);
        }
        Place::Pipe(_) => {}
    }
    Ok(shared.lock().table.filled(fill)?)
}

async fn pass_on(shared: Arc<Shared>, held: Held, sink: Arc<dyn BlockSink>, mut fill: Fill) {
    fill.error = held.drain(sink.as_ref()).await.err();
    shared.conclude(|table| table.returned(fill));
}
