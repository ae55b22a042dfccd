//! The messages of the asynchronous phase, as bytes and as values.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::classic;

const MAGIC: u32 = 0xa100_da7a;

pub(super) const ERROR: u32 = 1;
pub(super) const OPEN_SESSION: u32 = 2;
pub(super) const CLOSE_SESSION: u32 = 3;
pub(super) const OPEN_FILE: u32 = 4;
pub(super) const CLOSE_FILE: u32 = 5;
pub(super) const IO: u32 = 7;
pub(super) const SET_SOCK_OPTS: u32 = 9;
pub(super) const DDB_GET: u32 = 11;
pub(super) const QUERY_ALLOCATED_BLOCKS: u32 = 13;
pub(super) const SET_RES_POOL: u32 = 22;

/// No request is longer, and no path.
const LONGEST: u32 = 4096;

/// What a client asks for.
#[derive(Debug)]
pub(super) enum Asked {
    Request(Request),
    Goodbye,
}

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: u32,
    pub(super) operation: u32,
    payload: Vec<u8>,
    /// The path of a disk, or a key.
    pub(super) extra: Vec<u8>,
}

impl Request {
    pub(super) fn u32(&self, at: usize) -> u32 {
        let field = self.payload.get(at..).and_then(|rest| rest.first_chunk());
        field.copied().map_or(0, u32::from_le_bytes)
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        let field = self.payload.get(at..).and_then(|rest| rest.first_chunk());
        field.copied().map_or(0, u64::from_le_bytes)
    }

    /// How long the payload must be.
    fn fits(&self) -> bool {
        let length = self.payload.len();
        match self.kind {
            OPEN_SESSION | DDB_GET => length == 16,
            OPEN_FILE => length == 60,
            IO => length == 44,
            QUERY_ALLOCATED_BLOCKS => length == 48,
            CLOSE_FILE => length == 8 || length == 16,
            CLOSE_SESSION => length == 4 || length == 16,
            SET_SOCK_OPTS => length == 12,
            SET_RES_POOL => length == 4,
            _ => false,
        }
    }
}

/// What comes next; an error when it is nothing that a client may send.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Asked> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    match stream.read_u32_le().await? {
        MAGIC => {}
        classic::GOODBYE => {
            stream.read_exact(&mut [0; classic::SIZE - 4]).await?;
            return Ok(Asked::Goodbye);
        }
        other => return Err(wrong(format!("{other:#x} is no magic number"))),
    }
    let kind = stream.read_u32_le().await?;
    let length = stream.read_u32_le().await?.min(LONGEST);
    let operation = stream.read_u32_le().await?;
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await?;
    let mut request = Request { kind, operation, payload, extra: Vec::new() };
    if !request.fits() {
        return Err(wrong(format!("a request of type {kind} with {length} bytes")));
    }
    let extra = match kind {
        OPEN_FILE => request.u32(0),
        DDB_GET => request.u32(8),
        _ => 0,
    };
    request.extra = vec![0; extra.min(LONGEST) as usize];
    stream.read_exact(&mut request.extra).await?;
    Ok(Asked::Request(request))
}

/// A message: header, payload, extra.
pub(super) fn message(kind: u32, operation: u32, payload: &[u8], extra: &[u8]) -> Vec<u8> {
    let mut message = words(&[MAGIC, kind, payload.len() as u32, operation]);
    message.extend_from_slice(payload);
    message.extend_from_slice(extra);
    message
}

pub(super) fn error(operation: u32, code: u64, text: &str) -> Vec<u8> {
    let mut payload = code.to_le_bytes().to_vec();
    payload.extend(words(&[0, text.len() as u32]));
    message(ERROR, operation, &payload, text.as_bytes())
}

pub(super) fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}
