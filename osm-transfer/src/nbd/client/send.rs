//! The send loop: everything queued, in as few writes as possible.

use std::io::{self, IoSlice};

use super::super::transport::Writer;
use super::super::wire::consts::CommandFlags;
use super::super::wire::{Command, REQUEST_LEN, Request};
use super::connection::Shared;
use super::failure::Failure;
use super::table::{Frame, Payload};

/// How many frames go into one write.
const BATCH: usize = 64;

/// Sends until the connection is closed or fails.
pub(super) async fn run(shared: &Shared, mut writer: Writer) -> Failure {
    loop {
        let Some(batch) = next(shared) else { return goodbye(writer).await };
        if batch.is_empty() {
            shared.wake.notified().await;
            continue;
        }
        if let Err(error) = write(&mut writer, &batch).await {
            return Failure::stream(error);
        }
        for frame in batch {
            shared.conclude(|table| table.sent(frame.operation, frame.payload));
        }
    }
}

/// Everything in one write, but for what is in pipes.
async fn write(writer: &mut Writer, batch: &[Frame]) -> io::Result<()> {
    let mut slices = Vec::with_capacity(batch.len());
    for frame in batch {
        let Payload::Pipe(pipe, lens) = &frame.payload else {
            gather(frame, &mut slices);
            continue;
        };
        for (header, len) in frame.headers.iter().zip(lens) {
            slices.push(IoSlice::new(header));
            writer.write_vectored(&mut slices).await?;
            slices.clear();
            writer.send(pipe, *len).await?;
        }
    }
    writer.write_vectored(&mut slices).await
}

/// What is queued; `None` when the connection is to be closed and everything is answered.
fn next(shared: &Shared) -> Option<Vec<Frame>> {
    let mut state = shared.lock();
    if state.closing && state.queue.is_empty() && state.table.is_empty() {
        return None;
    }
    let count = state.queue.len().min(BATCH);
    Some(state.queue.drain(..count).collect())
}

/// Header, its payload, the next header, its payload.
fn gather<'a>(frame: &'a Frame, slices: &mut Vec<IoSlice<'a>>) {
    match &frame.payload {
        Payload::Buffer(buffer, part) => {
            for (header, payload) in frame.headers.iter().zip(buffer.chunks(*part)) {
                slices.push(IoSlice::new(header));
                slices.push(IoSlice::new(payload));
            }
        }
        _ => slices.push(IoSlice::new(frame.headers.as_flattened())),
    }
}

async fn goodbye(mut writer: Writer) -> Failure {
    let request =
        Request { flags: CommandFlags::empty(), command: Command::Disconnect, cookie: 0, offset: 0, len: 0 };
    let bytes: [u8; REQUEST_LEN] = request.encode();
    // The server may have left already: everything was answered, nothing is lost.
    let _ = writer.write(&bytes).await;
    let _ = writer.shutdown().await;
    Failure::closed()
}
