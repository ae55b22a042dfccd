//! What each fuzz target does with its bytes. The fast tests of osm-transfer include this file and
//! replay the corpus with it.

use std::fs;
use std::future::Future;
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use osm_transfer::Result;
use osm_transfer::block::{
    BlockSink, BlockSize, BlockSource, Buffer, ByteRange, Capabilities, Extent, ExtentKind, ZeroMode,
};
use osm_transfer::journal::{Identity, Journal, Mark};
use osm_transfer::nbd::{Client, ClientOptions, Export, Server, ServerOptions, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Bytes of the disks.
const SIZE: usize = 64 << 10;

/// Nobody may stand still for longer; nobody does, because the bytes end.
const TIMEOUT: Duration = Duration::from_secs(5);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

fn client_options() -> ClientOptions {
    ClientOptions { timeout: TIMEOUT, ..ClientOptions::default() }
}

/// The bytes are what a server says from its greeting on.
pub fn handshake(bytes: &[u8]) {
    let server = Cursor::new(bytes.to_vec());
    block_on(async {
        if let Ok(client) = Client::over(server, tokio::io::sink(), "disk", &client_options()).await {
            let _ = client.close().await;
        }
    });
}

/// The bytes are what a server answers to a read, a long read, a question for extents, a write, zeroes
/// and a flush. The first says whether structured replies were agreed upon.
pub fn replies(bytes: &[u8]) {
    let Some((first, answers)) = bytes.split_first() else { return };
    let (structured, answers) = (first % 2 == 1, answers.to_vec());
    block_on(async {
        let (ours, theirs) = tokio::io::duplex(SIZE * 2);
        let serving = serve_replies(theirs, structured, answers);
        let (reader, writer) = tokio::io::split(ours);
        let options = client_options();
        let asking = async {
            let client = Client::over(reader, writer, "disk", &options).await?;
            let _ = tokio::join!(
                client.read(4096, Buffer::zeroed(512)),
                client.read(0, Buffer::zeroed(SIZE)),
                client.extents(ByteRange::new(0, SIZE as u64)),
                client.write(0, Buffer::zeroed(16)),
                client.zero(ByteRange::new(0, 4096), ZeroMode::Hole),
                client.flush(),
            );
            client.close().await
        };
        let _ = tokio::join!(serving, asking);
    });
}

/// Requests that the client of [`replies`] sends, and what of their bytes is no header.
const REQUESTS: usize = 6 * 28 + 16;

async fn serve_replies(mut wire: tokio::io::DuplexStream, structured: bool, answers: Vec<u8>) {
    let said = async {
        wire.write_all(b"NBDMAGICIHAVEOPT\0\x03").await?;
        wire.read_u32().await?;
        loop {
            let mut header = [0; 16];
            wire.read_exact(&mut header).await?;
            let (option, len) = (&header[8..12], &header[12..]);
            let mut data = vec![0; u32::from_be_bytes(len.try_into().expect("4 bytes")) as usize];
            wire.read_exact(&mut data).await?;
            let reply = |kind: u32, data: &[u8]| {
                let len = (data.len() as u32).to_be_bytes();
                [&0x0003_e889_0455_65a9_u64.to_be_bytes()[..], option, &kind.to_be_bytes(), &len, data]
                    .concat()
            };
            match option[3] {
                8 if structured => wire.write_all(&reply(1, &[])).await?,
                10 => {
                    let context = [&7_u32.to_be_bytes()[..], b"base:allocation"].concat();
                    wire.write_all(&[reply(4, &context), reply(1, &[])].concat()).await?;
                }
                7 => {
                    // HAS_FLAGS, SEND_FLUSH, SEND_TRIM, SEND_WRITE_ZEROES
                    let info = [&[0, 0][..], &(SIZE as u64).to_be_bytes(), &0x65_u16.to_be_bytes()].concat();
                    wire.write_all(&[reply(3, &info), reply(1, &[])].concat()).await?;
                    break;
                }
                _ => wire.write_all(&reply(0x8000_0001, &[])).await?,
            }
        }
        // Without structured replies nothing is asked about extents.
        let mut requests = vec![0; if structured { REQUESTS } else { REQUESTS - 28 }];
        wire.read_exact(&mut requests).await?;
        wire.write_all(&answers).await
    };
    // The client may have hung up.
    let _ = said.await;
}

/// The bytes are what a client says to a server with a read-only and a writable export.
pub fn server(bytes: &[u8]) {
    let client = Cursor::new(bytes.to_vec());
    let disk = Arc::new(Disk(Mutex::new(vec![7; SIZE])));
    let exports = Vec::from([
        Export::writable("disk", Arc::clone(&disk) as _, Arc::clone(&disk) as _),
        Export::read_only("still", disk),
    ]);
    let options = ServerOptions { timeout: TIMEOUT, drain: TIMEOUT, ..ServerOptions::default() };
    let server = Server::new(exports, options);
    block_on(async {
        let _ = server.serve_stream(client, tokio::io::sink()).await;
    });
}

/// The bytes are a URI; what is taken is written, and read again, as the same.
pub fn uri(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(uri) = text.parse::<Uri>() else { return };
    let written = uri.to_string();
    assert_eq!(written.parse::<Uri>().ok().as_ref(), Some(&uri), "{text:?} became {written:?}");
}

/// The bytes are a journal, as a crash or a bad disk left it: what is taken promises nothing impossible
/// and can be continued.
pub fn journal(bytes: &[u8]) {
    let identity =
        Identity { source: "a".to_owned(), source_size: 1 << 20, sink: "b".to_owned(), sink_size: 1 << 20 };
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let path = folder.path().join("journal");
    fs::write(&path, bytes).expect("a file");
    block_on(async {
        let Ok(mut journal) = Journal::open(&path, &identity).await else { return };
        let mark = journal.mark();
        assert!(mark.done <= identity.source_size && mark.copied <= mark.done, "{mark:?}");
        let end = Mark { done: identity.source_size, copied: mark.copied };
        journal.advance(end).expect("it can be continued");
        drop(journal);
        let again = Journal::open(&path, &identity).await.expect("it can be opened again");
        assert_eq!(again.mark(), end);
    });
}

/// A disk in memory.
#[derive(Debug)]
struct Disk(Mutex<Vec<u8>>);

impl Disk {
    fn with<T>(&self, range: ByteRange, act: impl FnOnce(&mut [u8]) -> T) -> T {
        // The server lets nothing through that is out of bounds: a panic here is a finding.
        let mut bytes = self.0.lock().expect("no panic before");
        act(&mut bytes[range.offset as usize..range.end() as usize])
    }
}

#[async_trait]
impl BlockSource for Disk {
    fn size(&self) -> u64 {
        SIZE as u64
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            block_size: BlockSize { minimum: 1, preferred: 4096, maximum: 32 << 10 },
            parallel: 4,
            extents: true,
            fast_zero: true,
            trim: true,
            starts_zeroed: false,
            splice: false,
        }
    }

    async fn read(&self, offset: u64, mut buffer: Buffer) -> Result<Buffer> {
        let range = ByteRange::new(offset, buffer.len() as u64);
        self.with(range, |bytes| buffer.copy_from_slice(bytes));
        Ok(buffer)
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        self.with(range, |_| ());
        // Two of them, where there is room.
        let half = ByteRange::new(range.offset, range.len.div_ceil(2));
        let rest = ByteRange::new(half.end(), range.len - half.len);
        let mut extents = vec![Extent { range: half, kind: ExtentKind::Data }];
        extents.extend((!rest.is_empty()).then_some(Extent { range: rest, kind: ExtentKind::Hole }));
        Ok(extents)
    }
}

#[async_trait]
impl BlockSink for Disk {
    fn size(&self) -> u64 {
        SIZE as u64
    }

    fn capabilities(&self) -> Capabilities {
        BlockSource::capabilities(self)
    }

    async fn write(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        let range = ByteRange::new(offset, buffer.len() as u64);
        self.with(range, |bytes| bytes.copy_from_slice(&buffer));
        Ok(buffer)
    }

    async fn zero(&self, range: ByteRange, _: ZeroMode) -> Result<()> {
        self.with(range, |bytes| bytes.fill(0));
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        Ok(())
    }
}
