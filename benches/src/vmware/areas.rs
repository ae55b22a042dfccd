//! Changed areas, one after another and many at once.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use osm_lab::vcenter::VCenter;
use osm_transfer::block::{BlockSource, Buffer, ByteRange};
use osm_transfer::decorate::Proven;
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::transfer::Transfer;
use osm_vmware::{DatastoreDisk, Session, SessionConfig};

use super::{FAR, machine, vcenter};
use crate::measure::Run;
use crate::results::{RawFile, Row, Spread};

/// Bytes of the disk, and of an area.
const SIZE: u64 = 4 << 30;
const AREA: u64 = 64 << 10;

pub(super) fn run(dir: &Path, rounds: u32) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("osm-bench-").tempdir_in(dir)?;
    let vcenter = vcenter(folder.path(), FAR, [machine("app01", 1, SIZE, 1 << 20)])?;
    let areas = random_areas();
    let vm = "app01";
    for area in &areas {
        vcenter.guest_write(vm, 2000, area.offset, &super::bytes(area.len))?;
    }
    super::head(&format!(
        "delta: {} areas of 64 KiB of a disk of {} GiB, each answer after {} ms",
        areas.len(),
        SIZE >> 30,
        FAR.as_millis()
    ));
    let runtime = tokio::runtime::Runtime::new()?;
    let disk = runtime.block_on(open(&vcenter, folder.path()))?;
    let target = folder.path().join("copy");
    std::fs::File::create(&target)?.set_len(SIZE)?;
    let mut raw = RawFile::append("vmware-delta")?;
    let mut ratios = Vec::new();
    for round in 0..=rounds {
        let mut walls = [0.0; 2];
        let turns = if round % 2 == 0 { [false, true] } else { [true, false] };
        for (turn, ours) in turns.into_iter().enumerate() {
            let began = Instant::now();
            match ours {
                true => runtime.block_on(at_once(&disk, &target, &areas))?,
                false => runtime.block_on(one_by_one(&disk, &target, &areas))?,
            }
            // In this process, beside the server: its processor time is not told apart.
            let run = Run { wall: began.elapsed().as_secs_f64(), cpu: 0.0, peak_kib: 0 };
            let tool = if ours { "many at once" } else { "one by one" };
            super::tell(round, tool, &run);
            walls[usize::from(ours)] = run.wall;
            let turn = u32::try_from(turn).unwrap_or(0) + 1;
            raw.write(SIZE >> 20, &Row { round, turn, tool: tool.to_owned(), run, server_cpu: 0.0 })?;
        }
        if round > 0 {
            ratios.push(walls[0] / walls[1]);
        }
    }
    let spread = Spread::of(ratios).context("no round was measured")?;
    println!(
        "times as fast: {spread} (wanted: 10); many at once is flushed and read back, one by one is neither"
    );
    Ok(())
}

/// A hundredth of the disk.
fn random_areas() -> Vec<ByteRange> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut places: Vec<u64> = (0..SIZE / AREA / 100).map(|_| next() % (SIZE / AREA)).collect();
    places.sort_unstable();
    places.dedup();
    places.into_iter().map(|place| ByteRange::new(place * AREA, AREA)).collect()
}

/// The disk of the machine, under a snapshot.
async fn open(vcenter: &VCenter, folder: &Path) -> Result<Arc<dyn BlockSource>> {
    let session = Session::connect(SessionConfig {
        server: vcenter.url(),
        user: VCenter::USER.to_owned(),
        password: VCenter::PASSWORD.to_owned().into(),
        authorities: Some(std::fs::read_to_string(folder.join("ca.pem"))?),
        thumbprint: None,
    })
    .await?;
    let machine = session.machines().await?.first().context("there is a machine")?.moref();
    let snapshot = session.take_snapshot(&machine, "bench", "", false).await?;
    let frozen = snapshot.disks.first().context("it has a disk")?;
    Ok(Arc::new(DatastoreDisk::open(&session, &machine, &frozen.disk).await?))
}

/// As the kit does it: an area is read, then written, then the next; no flush.
async fn one_by_one(disk: &Arc<dyn BlockSource>, target: &Path, areas: &[ByteRange]) -> Result<()> {
    let file = std::fs::File::options().write(true).open(target)?;
    for area in areas {
        let buffer = disk.read(area.offset, Buffer::zeroed(usize::try_from(area.len)?)).await?;
        file.write_all_at(&buffer, area.offset)?;
    }
    Ok(())
}

/// As an agent does it.
async fn at_once(disk: &Arc<dyn BlockSource>, target: &Path, areas: &[ByteRange]) -> Result<()> {
    let endpoint = Endpoint::File(target.to_owned());
    let sink = endpoint.open_sink(SIZE, &OpenOptions::default()).await?;
    let copy = endpoint.open_source(&OpenOptions::default()).await?;
    let proven = Arc::new(Proven::new(sink));
    let transfer = Transfer::builder().source(Arc::clone(disk)).sink(proven.clone()).areas(areas.to_vec());
    let report = transfer.build()?.run().await?;
    let asked: u64 = areas.iter().map(|area| area.len).sum();
    let shown = proven.prove(&copy).await?;
    ensure!(shown >= asked && report.copied + report.zeroed >= asked, "not everything was copied");
    Ok(())
}
