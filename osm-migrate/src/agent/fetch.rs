//! `agent fetch`: a frozen disk of a machine of vSphere, copied to a device.
//!
//! ```text
//!   Counted <- Known? <- datastore | nbd            what was ever written is known, or all is read
//!      |
//!   Transfer    the changed areas; then segment by segment from the watermark on
//!      |
//!   Differing? -> Proven? -> Dense? -> device       flush, read back, report
//! ```

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use osm_transfer::block::{BlockSink, BlockSource, ByteRange};
use osm_transfer::decorate::{Counted, Dense, Differing, Known, Proven};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::transfer::{Advance, Progress, Transfer};
use osm_vmware::{DatastoreDisk, Moref, NfcDisk, NfcOptions, Session, SessionConfig};
use tokio::io::{AsyncReadExt as _, BufReader};

use super::disk::{named, open_sink, open_source, uncached};
use super::order::{FetchOrder, GO_ON, RemoteDisk, Vsphere, ranges, read_order};
use super::report::{Report, Reporter};
use super::stdio::Reader;
use super::{FetchArgs, vddk};
use crate::{Error, ErrorKind, Result};

/// Bytes under way at once: several disks are fetched on one host, and each byte is held in a few places.
const IN_FLIGHT: usize = 2 << 20;

pub(super) async fn run(args: FetchArgs, order: Reader, reporter: Reporter) -> Result<()> {
    let mut orders = BufReader::new(order);
    let order: FetchOrder = read_order(&mut orders).await?;
    let (source, opened) = open(&order).await?;
    let source = Arc::new(Counted::new(source));
    let work = Work::new(&args, &order, source.clone(), reporter.clone()).await?;
    reporter.say(opened);
    // Nothing is written before the volume says that it may lack bytes.
    match orders.read_u8().await {
        Ok(GO_ON) => {}
        _ => return Err(Error::new(ErrorKind::Agent, "nobody said that the volume may be written")),
    }
    let work_all = async {
        if order.compare {
            work.copy_areas(vec![ByteRange::new(0, order.size)]).await?;
        } else {
            for area in batches(ranges(&order.changed)) {
                work.copy_areas(area).await?;
            }
            let mut at = order.from;
            while at < order.size {
                let segment = ByteRange::new(at, order.segment.max(1).min(order.size - at));
                work.copy(segment).await?;
                at = segment.end();
                reporter.say(Report::Reached { offset: at });
            }
        }
        Ok::<(), Error>(())
    };
    work_all.await.map_err(|error| named(error, &args.device))?;
    reporter.say(Report::Fetched {
        size: order.size,
        read: source.counts().bytes,
        written: work.written(),
        proven: work.proven_bytes.load(Ordering::Relaxed),
    });
    Ok(())
}

/// Areas in portions: what was written is read back before it piles up.
fn batches(areas: Vec<ByteRange>) -> Vec<Vec<ByteRange>> {
    const MOST: usize = 4096;
    areas.chunks(MOST).map(<[ByteRange]>::to_vec).collect()
}

/// A disk on its way to a device.
struct Work {
    source: Arc<dyn BlockSource>,
    /// The same, with what is known of where it has data.
    known: Arc<dyn BlockSource>,
    sink: Arc<dyn BlockSink>,
    proven: Option<Arc<Proven>>,
    differing: Option<Arc<Differing>>,
    /// The device, to be read.
    copy: Arc<dyn BlockSource>,
    progress: Arc<Sum>,
    proven_bytes: AtomicU64,
}

impl Work {
    async fn new(
        args: &FetchArgs,
        order: &FetchOrder,
        source: Arc<dyn BlockSource>,
        reporter: Reporter,
    ) -> Result<Self> {
        let device: &Path = &args.device;
        if source.size() != order.size {
            let message = format!("the machine's disk has {} bytes, not {}", source.size(), order.size);
            return Err(named(Error::new(ErrorKind::Agent, message), device));
        }
        let known = match &order.allocated {
            Some(areas) => Arc::new(Known::new(Arc::clone(&source), ranges(areas))),
            None => Arc::clone(&source),
        };
        let mut sink = open_sink(device, order.size, args.identity.as_ref()).await?;
        let copy = open_source(device).await?;
        if order.dense {
            sink = Arc::new(Dense::new(sink));
        }
        let proven = order.prove.then(|| Arc::new(Proven::new(Arc::clone(&sink))));
        if let Some(proven) = &proven {
            sink = proven.clone();
        }
        let differing = order.compare.then(|| Arc::new(Differing::new(Arc::clone(&sink), Arc::clone(&copy))));
        if let Some(differing) = &differing {
            sink = differing.clone();
        }
        let rest = order.size - order.from.min(order.size);
        let changed: u64 = order.changed.iter().map(|(_, len)| len).sum();
        let total = if order.compare { order.size } else { rest.saturating_add(changed) };
        let progress = Arc::new(Sum { reporter, total, done: AtomicU64::new(0), zeroed: AtomicU64::new(0) });
        let proven_bytes = AtomicU64::new(0);
        Ok(Self { source, known, sink, proven, differing, copy, progress, proven_bytes })
    }

    /// Copies a part of the disk; what is known to be zeroes is not read.
    async fn copy(&self, part: ByteRange) -> Result<()> {
        self.transfer(Arc::clone(&self.known), vec![part]).await
    }

    async fn copy_areas(&self, areas: Vec<ByteRange>) -> Result<()> {
        self.transfer(Arc::clone(&self.source), areas).await
    }

    async fn transfer(&self, source: Arc<dyn BlockSource>, areas: Vec<ByteRange>) -> Result<()> {
        let transfer = Transfer::builder()
            .source(source)
            .sink(Arc::clone(&self.sink))
            .areas(areas)
            .in_flight(IN_FLIGHT)
            .progress(Arc::new(Part(Arc::clone(&self.progress))));
        let done = transfer.build()?.run().await?;
        self.progress.add(done.copied, done.zeroed);
        if let Some(proven) = &self.proven {
            uncached(self.copy.as_ref());
            self.proven_bytes.fetch_add(proven.prove(&self.copy).await?, Ordering::Relaxed);
        }
        Ok(())
    }

    fn written(&self) -> u64 {
        match &self.differing {
            Some(differing) => differing.written(),
            None => self.progress.done.load(Ordering::Relaxed) + self.progress.zeroed.load(Ordering::Relaxed),
        }
    }
}

/// Progress of one transfer after another.
struct Sum {
    reporter: Reporter,
    total: u64,
    done: AtomicU64,
    zeroed: AtomicU64,
}

impl Sum {
    fn add(&self, copied: u64, zeroed: u64) {
        self.done.fetch_add(copied, Ordering::Relaxed);
        self.zeroed.fetch_add(zeroed, Ordering::Relaxed);
    }
}

struct Part(Arc<Sum>);

impl Progress for Part {
    fn advance(&self, advance: Advance) {
        let Sum { reporter, total, done, zeroed } = &*self.0;
        let copied = done.load(Ordering::Relaxed) + advance.copied;
        reporter.advance(Advance {
            copied,
            zeroed: zeroed.load(Ordering::Relaxed) + advance.zeroed,
            total: *total,
        });
    }
}

/// Opens the disk by the first way that leads to it.
async fn open(order: &FetchOrder) -> Result<(Arc<dyn BlockSource>, Report)> {
    let mut instead_of = Vec::new();
    let mut last = Error::new(ErrorKind::Agent, "no way to the machine's disk was given");
    for way in &order.ways {
        match Box::pin(open_by(way)).await {
            Ok(source) => return Ok((source, Report::Opened { by: way.word().to_owned(), instead_of })),
            Err(error) => {
                instead_of.push(format!("{}: {}", way.word(), error.chain()));
                last = error;
            }
        }
    }
    match instead_of.len() {
        0 | 1 => Err(last),
        _ => {
            let message = format!("the machine's disk cannot be read: {}", instead_of.join("; "));
            Err(Error::new(last.kind(), message))
        }
    }
}

async fn open_by(way: &RemoteDisk) -> Result<Arc<dyn BlockSource>> {
    match way {
        RemoteDisk::Datastore { vsphere, machine, disk } => {
            let session = connect(vsphere).await?;
            let machine = Moref::new("VirtualMachine", machine);
            Ok(Arc::new(DatastoreDisk::open(&session, &machine, disk).await?))
        }
        RemoteDisk::Vddk { libdir, vsphere, machine, snapshot, file } => {
            // Without the library, vSphere need not be asked.
            osm_vmware::vddk::library_path(libdir)?;
            let session = connect(vsphere).await?;
            let (server, port) = session.endpoint();
            let order = vddk::VddkOrder {
                libdir: libdir.clone(),
                server: server.to_owned(),
                port,
                thumbprint: session.sha1_thumbprint().await?,
                user: vsphere.user.clone(),
                password: vsphere.password.clone(),
                machine: machine.clone(),
                snapshot: snapshot.clone(),
                file: file.clone(),
            };
            Ok(Arc::new(vddk::open_in_child(&order).await?))
        }
        RemoteDisk::Nfc { vsphere, machine, disk } => {
            let session = connect(vsphere).await?;
            let machine = Moref::new("VirtualMachine", machine);
            Ok(Arc::new(NfcDisk::open(&session, &machine, disk, NfcOptions::default()).await?))
        }
        RemoteDisk::Nbd { uri } => {
            let endpoint: Endpoint = uri.parse()?;
            Ok(endpoint.open_source(&OpenOptions::default()).await?)
        }
    }
}

async fn connect(vsphere: &Vsphere) -> Result<Session> {
    let Vsphere { server, user, password, authorities, thumbprint } = vsphere.clone();
    let thumbprint = thumbprint.as_deref().map(str::parse).transpose()?;
    let config = SessionConfig { server, user, password: password.0, authorities, thumbprint };
    Ok(Session::connect(config).await?)
}
