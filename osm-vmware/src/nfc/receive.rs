//! The receive loop: every reply is checked against the table before its bytes go where they belong.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader};

use super::connection::Shared;
use super::failure::Failure;
use super::skip;
use super::table::{Outcome, Table};
use super::wire::{self, Allocated, FragmentHead, HEADER_LEN, Header, Opened, Refusal};

/// The longest text of an error.
const LONGEST_TEXT: u32 = 64 << 10;

/// How much is read at once of what nobody wants, and of what is small.
const PIECE: usize = 64 << 10;

/// What arrives, and how much did.
struct Incoming<'m, R> {
    reader: BufReader<R>,
    moved: &'m AtomicU64,
}

impl<R: AsyncRead + Unpin> Incoming<'_, R> {
    async fn exact(&mut self, mut room: &mut [u8]) -> io::Result<()> {
        while !room.is_empty() {
            let count = self.reader.read(room).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.moved.fetch_add(count as u64, Ordering::Relaxed);
            room = &mut room[count..];
        }
        Ok(())
    }

    /// So many bytes, which were checked.
    async fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.exact(&mut bytes).await.map(|()| bytes)
    }

    async fn pass_over(&mut self, mut count: u64) -> io::Result<()> {
        let mut piece = [0; 512];
        while count > 0 {
            let part = piece.len().min(usize::try_from(count).unwrap_or(usize::MAX));
            self.exact(&mut piece[..part]).await?;
            count -= part as u64;
        }
        Ok(())
    }

    /// A header; none at the end of the stream.
    async fn header(&mut self) -> Result<Option<Header>, Failure> {
        let mut bytes = [0; HEADER_LEN];
        let first = self.reader.read(&mut bytes).await?;
        if first == 0 {
            return Ok(None);
        }
        self.moved.fetch_add(first as u64, Ordering::Relaxed);
        self.exact(&mut bytes[first..]).await?;
        Header::decode(&bytes).map(Some).ok_or_else(|| Failure::broken("a message without its magic number"))
    }
}

/// Receives until the connection fails or the host closes it.
pub(super) async fn run(shared: &Shared, reader: impl AsyncRead + Unpin) -> Failure {
    let mut incoming = Incoming { reader: BufReader::with_capacity(PIECE, reader), moved: &shared.moved };
    loop {
        match message(shared, &mut incoming).await {
            Ok(()) => {}
            Err(failure) => return failure,
        }
    }
}

async fn message<R: AsyncRead + Unpin>(
    shared: &Shared,
    incoming: &mut Incoming<'_, R>,
) -> Result<(), Failure> {
    let header = incoming.header().await?.ok_or_else(Failure::hung_up)?;
    if header.kind == wire::ERROR {
        return refusal(shared, incoming, header).await;
    }
    let expected = shared.lock().table.expect(&header)?;
    let payload = incoming.bytes(expected.payload).await?;
    let short = || Failure::broken("a reply that is too short");
    let outcome = match header.kind {
        wire::OPEN_FILE => Outcome::Opened(Opened::decode(&payload).ok_or_else(short)?),
        wire::IO => {
            let head = FragmentHead::decode(&payload).ok_or_else(short)?;
            return fragment(shared, incoming, header.operation, head, expected.is_late).await;
        }
        wire::QUERY_ALLOCATED_BLOCKS => {
            let allocated = Allocated::decode(&payload).ok_or_else(short)?;
            if expected.is_late {
                return Ok(incoming.pass_over(Table::late(allocated.bitmap())?).await?);
            }
            // What it says of more than was asked, nobody could make use of.
            let asked = shared.lock().table.chunks(header.operation);
            if allocated.0 != asked {
                return Err(Failure::broken(format!("a bitmap of {} chunks, not {asked}", allocated.0)));
            }
            Outcome::Bitmap(incoming.bytes(usize::try_from(allocated.bitmap()).unwrap_or(0)).await?)
        }
        _ => Outcome::Done,
    };
    let finished = shared.lock().table.done(header.operation, outcome);
    shared.settle(finished);
    Ok(())
}

async fn refusal<R: AsyncRead + Unpin>(
    shared: &Shared,
    incoming: &mut Incoming<'_, R>,
    header: Header,
) -> Result<(), Failure> {
    let mut payload = [0; 16];
    if header.payload as usize != payload.len() {
        return Err(Failure::broken(format!("an error of {} bytes", header.payload)));
    }
    incoming.exact(&mut payload).await?;
    let told = Refusal::decode(&payload).filter(|told| told.text <= LONGEST_TEXT);
    let told = told.ok_or_else(|| Failure::broken("an error whose text has no end"))?;
    let text = incoming.bytes(told.text as usize).await?;
    let finished = shared.lock().table.refuse(header.operation, why(told.code, &text))?;
    shared.settle(finished);
    Ok(())
}

/// What the host tells, as it can be shown.
fn why(code: u64, text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    match text.trim() {
        "" => format!("the host refuses with error {code:#x}"),
        text => format!("the host refuses with error {code:#x}: {text}"),
    }
}

async fn fragment<R: AsyncRead + Unpin>(
    shared: &Shared,
    incoming: &mut Incoming<'_, R>,
    operation: u32,
    head: FragmentHead,
    is_late: bool,
) -> Result<(), Failure> {
    if is_late {
        return Ok(incoming.pass_over(Table::late(u64::from(head.wire))?).await?);
    }
    if head.status != 0 {
        let extra = Table::late(u64::from(head.wire))?;
        let finished = shared.lock().table.refuse(operation, why(head.status, b"the read failed"))?;
        shared.settle(finished);
        return Ok(incoming.pass_over(extra).await?);
    }
    let mut fill = shared.lock().table.fragment(operation, &head)?;
    let room = &mut fill.buffer[fill.into.clone()];
    match head.sent {
        wire::PLAIN => incoming.exact(room).await?,
        _ => {
            let sent = incoming.bytes(head.wire as usize).await?;
            skip::expand(&sent, room)
                .map_err(|_| Failure::broken("runs of a fragment that lie outside it, or over each other"))?;
        }
    }
    let finished = shared.lock().table.filled(fill)?;
    shared.settle(finished);
    Ok(())
}
