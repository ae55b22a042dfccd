//! One connection: requests and replies.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncWrite, split};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::behaviour::NfcRefusal;
use super::disk::{Disk, Fragment, PLAIN, SECTOR, SKIP_ZEROES};
use super::host::{Host, OfRead};
use super::outlet::Outlet;
use super::wire::{self, Asked, Request, message, words};
use super::{classic, entry};

/// The longest buffer that a client may ask for, and what it gets when it does not say.
const LARGEST_BUFFER: u32 = 2 << 20;
const BUFFER: u32 = 64 << 10;

/// What a read is refused with.
const ACCESS: u64 = 0x0d;
const INVALID: u64 = 0x03;

/// How long more requests are waited for when fragments come in any order.
const GATHER: Duration = Duration::from_millis(1);

/// Serves a connection until it ends, or is cut.
pub(super) async fn connection(host: Arc<Host>, stream: TcpStream) {
    let mut cuts = host.cuts.subscribe();
    tokio::select! {
        // How it ended is the client's affair.
        _ = serve(&host, stream) => {}
        _ = cuts.changed() => {}
    }
}

async fn serve(host: &Arc<Host>, stream: TcpStream) -> io::Result<()> {
    let Some(mut stream) = entry::enter(host, stream).await? else { return Ok(()) };
    classic::greet(&mut stream, host.behaviour().version).await?;
    host.connections.fetch_add(1, Ordering::Relaxed);
    let (mut reader, writer) = split(stream);
    let (sender, requests) = mpsc::channel(64);
    let reading = async move {
        while let Ok(asked) = wire::read(&mut reader).await {
            if sender.send(asked).await.is_err() {
                break;
            }
        }
        // What was read before is answered yet; the session ends when there is nothing left.
        drop(sender);
        pending().await
    };
    let session = Session::new(Arc::clone(host), writer);
    tokio::select! {
        ended = session.run(requests) => ended,
        ended = reading => ended,
    }
}

struct Session<W> {
    host: Arc<Host>,
    outlet: Outlet<W>,
    /// The size of a buffer, and how many there are; none before a session is open.
    buffers: Option<(u32, u32)>,
    disks: HashMap<u64, Disk>,
    next: u64,
    /// What is still to be sent of reads.
    queue: VecDeque<Fragment>,
    /// Picks from the queue when it goes out of order.
    dice: u64,
}

impl<W: AsyncWrite + Unpin> Session<W> {
    fn new(host: Arc<Host>, writer: W) -> Self {
        let outlet = Outlet::new(Arc::clone(&host), writer);
        Self { host, outlet, buffers: None, disks: HashMap::new(), next: 7, queue: VecDeque::new(), dice: 1 }
    }

    async fn run(mut self, mut requests: mpsc::Receiver<Asked>) -> io::Result<()> {
        loop {
            let asked = match (self.queue.is_empty(), self.host.behaviour().out_of_order) {
                (true, _) => requests.recv().await,
                (false, true) => match timeout(GATHER, requests.recv()).await {
                    Ok(asked) => asked,
                    Err(_) => {
                        self.send_fragment(true).await?;
                        continue;
                    }
                },
                (false, false) => {
                    self.send_fragment(false).await?;
                    continue;
                }
            };
            match asked {
                Some(Asked::Request(request)) => self.answer(request).await?,
                Some(Asked::Goodbye) if self.disks.is_empty() && self.buffers.is_none() => {
                    self.host.goodbyes.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Some(Asked::Goodbye) | None => return Ok(()),
            }
        }
    }

    async fn answer(&mut self, request: Request) -> io::Result<()> {
        let operation = request.operation;
        let reply = match request.kind {
            wire::OPEN_SESSION if request.u32(4) > LARGEST_BUFFER || request.u32(8) == 0 => {
                wire::error(operation, INVALID, "Invalid buffer size or count")
            }
            wire::OPEN_SESSION => {
                let size = if request.u32(4) == 0 { BUFFER } else { request.u32(4) };
                self.buffers = Some((size, request.u32(8)));
                message(request.kind, operation, &[0; 16], &[])
            }
            wire::SET_SOCK_OPTS => message(request.kind, operation, &words(&[0, BUFFER, BUFFER]), &[]),
            wire::SET_RES_POOL => message(request.kind, operation, &[], &[]),
            _ if self.buffers.is_none() => wire::error(operation, INVALID, "No session is open"),
            wire::CLOSE_SESSION => {
                self.buffers = None;
                message(request.kind, operation, &[0; 16], &[])
            }
            wire::OPEN_FILE => self.open(&request),
            wire::CLOSE_FILE => match self.disks.remove(&request.u64(0)) {
                Some(_) => message(request.kind, operation, &[0; 16], &[]),
                None => wire::error(operation, INVALID, "Invalid handle"),
            },
            // Nothing is known of these disks.
            wire::DDB_GET => message(request.kind, operation, &[0; 16], &[]),
            wire::QUERY_ALLOCATED_BLOCKS => self.query(&request)?,
            _ => return self.read(&request).await,
        };
        self.outlet.send(reply).await
    }

    fn open(&mut self, request: &Request) -> Vec<u8> {
        let operation = request.operation;
        let path = String::from_utf8_lossy(&request.extra).into_owned();
        if (request.u32(16), request.u32(20)) != (2, 0x1e) {
            return wire::error(operation, INVALID, "Only disks are opened, and only to be read");
        }
        // Whoever knows the files may be busy with them.
        let found = tokio::task::block_in_place(|| (self.host.files)(&path));
        let opened = found.and_then(|file| Disk::open(&file).map_err(|_| NfcRefusal::not_found(&path)));
        let disk = match opened {
            Ok(disk) => disk,
            Err(NfcRefusal { code, text }) => return wire::error(operation, code, &text),
        };
        let mut payload = [0_u64, self.next].map(u64::to_le_bytes).concat();
        payload.extend(words(&[2, 0x1e, 0]));
        payload.extend(disk.capacity.to_le_bytes());
        payload.extend(words(&[SECTOR as u32, 0, 0, 0, 0, 0]));
        self.disks.insert(self.next, disk);
        self.next += 1;
        message(request.kind, operation, &payload, &[])
    }

    fn query(&mut self, request: &Request) -> io::Result<Vec<u8>> {
        let (chunk, start, count) = (request.u64(16), request.u64(24), request.u64(32));
        let disk = self.disks.get(&request.u64(0)).filter(|_| self.host.behaviour().tells_allocated);
        let bitmap = disk.map(|disk| disk.allocated(chunk, start, count)).transpose()?.flatten();
        let payload = [request.u64(0), 0, chunk, start, count, 0].map(u64::to_le_bytes).concat();
        Ok(match bitmap {
            Some(bitmap) => message(request.kind, request.operation, &payload, &bitmap),
            None => wire::error(request.operation, INVALID, "What is allocated is not known"),
        })
    }

    async fn read(&mut self, request: &Request) -> io::Result<()> {
        let (operation, handle, wanted) = (request.operation, request.u64(0), request.u32(12));
        let (offset, len) = (request.u64(16), request.u64(24));
        let lengths = [request.u32(32), request.u32(36)].map(u64::from);
        let behaviour = self.host.behaviour();
        let may = request.u32(8) == 1
            && [PLAIN, SKIP_ZEROES].contains(&wanted)
            && lengths == [len; 2]
            && self.disks.get(&handle).is_some_and(|disk| disk.may_read(offset, len));
        let Some((size, count)) = self.buffers.filter(|_| may) else {
            return self.outlet.send(wire::error(operation, INVALID, "Invalid read")).await;
        };
        match self.host.befalls_read() {
            Some(OfRead::Stall) => return pending().await,
            Some(OfRead::Error(text)) => {
                self.outlet.send(wire::error(operation, ACCESS, &text)).await?;
                if !behaviour.replies_after_error {
                    return Ok(());
                }
            }
            None => {}
        }
        let total = u32::try_from(len).map_err(io::Error::other)?;
        let most = behaviour.fragment.unwrap_or(size).clamp(1, size);
        for at in (0..total).step_by(most as usize) {
            let len = most.min(total - at);
            self.queue.push_back(Fragment { operation, handle, wanted, offset, total, at, len });
        }
        let reads: HashSet<u32> = self.queue.iter().map(|fragment| fragment.operation).collect();
        self.host.most_reads.fetch_max(reads.len(), Ordering::Relaxed);
        let bytes: u64 = self.queue.iter().map(|fragment| u64::from(fragment.len)).sum();
        if bytes > u64::from(size) * u64::from(count) {
            return self.outlet.send(wire::error(operation, INVALID, "No buffer is free")).await;
        }
        Ok(())
    }

    async fn send_fragment(&mut self, out_of_order: bool) -> io::Result<()> {
        let index = match out_of_order {
            true => {
                self.dice =
                    self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                usize::try_from(self.dice >> 33).unwrap_or(0) % self.queue.len().max(1)
            }
            false => 0,
        };
        let Some(fragment) = self.queue.remove(index) else { return Ok(()) };
        // A disk that was closed meanwhile is read no more.
        let Some(disk) = self.disks.get(&fragment.handle) else { return Ok(()) };
        let Fragment { operation, offset, total, at, len, .. } = fragment;
        let (sent, bytes) = tokio::task::block_in_place(|| disk.read(&fragment))?;
        let mut payload = 0_u64.to_le_bytes().to_vec();
        payload.extend(words(&[1, sent]));
        payload.extend(offset.to_le_bytes());
        payload.extend(words(&[total, at, len, bytes.len() as u32, 0]));
        self.host.bytes.fetch_add(u64::from(len), Ordering::Relaxed);
        self.outlet.send(message(wire::IO, operation, &payload, &bytes)).await
    }
}
