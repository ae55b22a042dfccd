//! What the machine can do at most: the parts of a copy, without any NBD.
//!
//! Nothing that ends in a fresh file can be faster than the writes below, whatever moves the bytes.

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use rustix::fs::sendfile;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, pipe, splice};
use rustix::time::{ClockId, clock_gettime};

use crate::arguments::Arguments;
use crate::results::Spread;
use crate::{copy, disk};

/// Bytes of a buffer that stays in the processor's cache.
const HOT: usize = 512 << 10;

/// What an unprivileged pipe holds.
const PIPE: usize = 1 << 20;

/// The files that are measured with.
struct Bench {
    folder: tempfile::TempDir,
    from: PathBuf,
    to: PathBuf,
    bytes: u64,
}

type Measure = fn(&Bench, &File) -> Result<()>;

/// What is measured, with a file to write to that is fresh or holds data already.
const MEASURES: [(&str, bool, Measure); 8] = [
    ("memcpy", false, memcpy),
    ("write a hot buffer to a fresh file", true, write_hot),
    ("the same by two threads", true, write_hot_by_two),
    ("write it to an existing file", false, write_hot),
    ("read and write to a fresh file", true, read_write),
    ("splice a file to a fresh file", true, splice_file),
    ("sendfile to a socket, splice to a fresh file", true, through_a_socket),
    ("sendfile to a socket, splice to /dev/null", false, through_a_socket_to_nothing),
];

pub(crate) fn run(arguments: &mut Arguments) -> Result<()> {
    let options = copy::Options::from_arguments(arguments)?;
    let (folder, from, to) = options.disks()?;
    let copy::Options { rounds, mib, folder: dir, .. } = options;
    let bench = Bench { folder, from, to, bytes: mib << 20 };
    let mut seconds: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); MEASURES.len()];
    println!("{mib} MiB in {}, GiB/s: of wall time, and of a second of processor", dir.display());
    for round in 0..=rounds {
        for turn in 0..MEASURES.len() {
            let index = (turn + round as usize) % MEASURES.len();
            let (name, fresh, measure) = MEASURES[index];
            let (wall, cpu) = bench.once(fresh, measure).context(name)?;
            // Round 0 warms up.
            if round > 0 {
                let gib = mib as f64 / 1024.0;
                println!("{round:5}  {name:45} {:6.2} {:6.2}", gib / wall, gib / cpu);
                seconds[index].0.push(gib / wall);
                seconds[index].1.push(gib / cpu);
            }
        }
    }
    println!("\n| what | GiB/s, min median max | of a second of processor |\n|---|---|---|");
    for ((name, ..), (wall, cpu)) in MEASURES.iter().zip(seconds) {
        if let (Some(wall), Some(cpu)) = (Spread::of(wall), Spread::of(cpu)) {
            println!("| {name} | {wall} | {cpu} |");
        }
    }
    Ok(())
}

impl Bench {
    fn once(&self, fresh: bool, measure: Measure) -> Result<(f64, f64)> {
        if fresh {
            if self.to.exists() {
                fs::remove_file(&self.to)?;
            }
            disk::back_memory(self.folder.path(), (self.bytes >> 20) * 3 / 2)?;
        }
        let to = OpenOptions::new().create(true).truncate(false).write(true).open(&self.to)?;
        if to.metadata()?.len() < self.bytes {
            to.set_len(self.bytes)?;
            if !fresh {
                write_hot(self, &to)?;
            }
        }
        let (started, before) = (Instant::now(), cpu());
        measure(self, &to)?;
        Ok((started.elapsed().as_secs_f64(), cpu() - before))
    }
}

/// Seconds of processor that this process has used; the ticks of `measure::cpu_seconds` are too long here.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn memcpy(bench: &Bench, _to: &File) -> Result<()> {
    let from = vec![1_u8; 64 << 20];
    let mut to = vec![0_u8; 64 << 20];
    for _ in 0..bench.bytes.div_ceil(from.len() as u64) {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
    }
    Ok(())
}

fn write_hot(bench: &Bench, to: &File) -> Result<()> {
    write_every(bench, to, 0, 1)
}

/// By turns, as the connections of a client do.
fn write_hot_by_two(bench: &Bench, to: &File) -> Result<()> {
    thread::scope(|scope| {
        let other = scope.spawn(|| write_every(bench, to, 1, 2));
        write_every(bench, to, 0, 2)?;
        other.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?
    })
}

fn write_every(bench: &Bench, to: &File, first: u64, step: usize) -> Result<()> {
    let buffer = vec![1; HOT];
    for offset in (first * HOT as u64..bench.bytes).step_by(step * HOT) {
        to.write_all_at(&buffer, offset)?;
    }
    Ok(())
}

fn read_write(bench: &Bench, to: &File) -> Result<()> {
    let from = File::open(&bench.from)?;
    let mut buffer = vec![0; HOT];
    for offset in (0..bench.bytes).step_by(HOT) {
        from.read_exact_at(&mut buffer, offset)?;
        to.write_all_at(&buffer, offset)?;
    }
    Ok(())
}

fn splice_file(bench: &Bench, to: &File) -> Result<()> {
    let mut offset = 0;
    let from = File::open(&bench.from)?;
    drain(bench, to, |pipe, room| splice(&from, Some(&mut offset), pipe, None, room, SpliceFlags::empty()))
}

fn through_a_socket(bench: &Bench, to: &File) -> Result<()> {
    let (near, far) = UnixStream::pair()?;
    set_socket_send_buffer_size(&near, 4 << 20)?;
    thread::scope(|scope| {
        let sending = scope.spawn(move || send(&bench.from, &near, bench.bytes));
        drain(bench, to, |pipe, room| splice(&far, None, pipe, None, room, SpliceFlags::empty()))?;
        sending.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?
    })
}

fn through_a_socket_to_nothing(bench: &Bench, _to: &File) -> Result<()> {
    through_a_socket(bench, &OpenOptions::new().write(true).open("/dev/null")?)
}

fn send(from: &Path, to: &UnixStream, bytes: u64) -> Result<()> {
    let (from, mut offset) = (File::open(from)?, 0);
    while offset < bytes {
        ensure!(sendfile(to, &from, Some(&mut offset), PIPE)? > 0, "the source ended");
    }
    Ok(())
}

/// Fills a pipe and drains it to the file, until everything is there.
fn drain(
    bench: &Bench,
    to: &File,
    mut fill: impl FnMut(BorrowedFd<'_>, usize) -> rustix::io::Result<usize>,
) -> Result<()> {
    let (out, into) = pipe()?;
    let room = fcntl_setpipe_size(&into, PIPE)?;
    let null = !to.metadata()?.is_file();
    let mut at = 0;
    while at < bench.bytes {
        let mut held = fill(into.as_fd(), room)?;
        ensure!(held > 0, "the source ended");
        while held > 0 {
            let mut offset = at;
            let place = if null { None } else { Some(&mut offset) };
            let moved = splice(&out, None, to, place, held, SpliceFlags::empty())?;
            (held, at) = (held - moved, at + moved as u64);
        }
    }
    Ok(())
}
