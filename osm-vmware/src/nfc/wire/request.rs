//! What we ask for.

use super::fields::words;
use super::{CLOSE_FILE, CLOSE_SESSION, IO, OPEN_FILE, OPEN_SESSION, QUERY_ALLOCATED_BLOCKS, frame};

/// The file is a disk, and is only read.
const DISK: u32 = 2;
const READ_ONLY: u32 = 0x1e;

/// The direction of a read.
const FROM_DISK: u32 = 1;

/// Opens the session, with so many buffers of this size at the host.
pub(in super::super) fn open_session(operation: u32, buffer_size: u32, buffers: u32) -> Vec<u8> {
    frame(OPEN_SESSION, operation, &words(&[0, buffer_size, buffers, 0]), &[])
}

/// Opens a disk: `[datastore] folder/disk.vmdk`.
pub(in super::super) fn open_file(operation: u32, path: &str) -> Vec<u8> {
    let mut payload = [0; 15];
    payload[0] = path.len() as u32;
    payload[4] = DISK;
    payload[5] = READ_ONLY;
    frame(OPEN_FILE, operation, &words(&payload), path.as_bytes())
}

/// Reads bytes, sent in this way.
pub(in super::super) fn read(operation: u32, handle: u64, offset: u64, len: u32, sent: u32) -> Vec<u8> {
    let mut payload = handle.to_le_bytes().to_vec();
    payload.extend_from_slice(&words(&[FROM_DISK, sent]));
    payload.extend_from_slice(&offset.to_le_bytes());
    payload.extend_from_slice(&u64::from(len).to_le_bytes());
    payload.extend_from_slice(&words(&[len, len, 0]));
    frame(IO, operation, &payload, &[])
}

/// Asks which of `count` chunks are allocated; `start` is a multiple of `chunk`, both in bytes.
pub(in super::super) fn query(operation: u32, handle: u64, chunk: u64, start: u64, count: u64) -> Vec<u8> {
    let payload = [handle, 0, chunk, start, count, 0].map(u64::to_le_bytes).concat();
    frame(QUERY_ALLOCATED_BLOCKS, operation, &payload, &[])
}

/// Closes a disk.
pub(in super::super) fn close_file(operation: u32, handle: u64) -> Vec<u8> {
    frame(CLOSE_FILE, operation, &handle.to_le_bytes(), &[])
}

/// Closes the session.
pub(in super::super) fn close_session(operation: u32) -> Vec<u8> {
    frame(CLOSE_SESSION, operation, &words(&[0]), &[])
}
