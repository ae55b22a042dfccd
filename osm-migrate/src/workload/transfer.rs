//! The bytes: copied by two agents joined by a socket pair or by TLS, then hashed on both ends.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::timeout;

use super::disk::Disk;
use super::job::Job;
use super::side::HostDevice;
use super::slots::labels;
use super::tag;
use crate::agent::{AgentCommand, ExportArgs, PullArgs, Report};
use crate::course::Done;
use crate::host::{AgentProcess, AgentStdio};
use crate::{Error, ErrorKind, Event, Result, Step};

/// How long to wait before a copy that broke off is tried again.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

/// How long the serving agent may take to say why it failed.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A disk that is ready to be copied.
pub(super) struct Pair<'d> {
    pub(super) disk: &'d Disk,
    pub(super) from: HostDevice,
    pub(super) to: HostDevice,
    /// The destination volume.
    pub(super) volume: String,
    /// Whether an earlier pass or run may have written to it: then only what differs travels.
    pub(super) seeded: bool,
}

/// The roots of both ends of a copy, in hex.
#[derive(Debug)]
struct Roots {
    source: String,
    copy: String,
}

/// What a copy of a disk took.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// Bytes that travelled.
    pub(super) moved: u64,
    /// What both ends hash to, if it was made in this run.
    roots: Option<Roots>,
}

impl Job<'_> {
    /// Copies disks, several at once. One that was copied completely from the same point before the
    /// last crash is not copied again; it is verified all the same.
    pub(super) async fn copy_disks(&self, pairs: &[Pair<'_>], point: &str) -> Result<Done<Vec<Copied>>> {
        let mut copies = Vec::new();
        for pair in pairs {
            copies.push(self.copy_disk(pair, point));
        }
        let copies = stream::iter(copies).buffered(self.options().disks.max(1));
        let copied: Vec<Copied> = copies.try_collect().await?;
        let moved: u64 = copied.iter().map(|copied| copied.moved).sum();
        let way = self.link.way();
        let detail = format!("{} disks, {} MiB travelled{way}", pairs.len(), moved.div_ceil(1 << 20));
        Ok(Done::new(copied, detail))
    }

    async fn copy_disk(&self, pair: &Pair<'_>, point: &str) -> Result<Copied> {
        check_sizes(pair)?;
        let evidence = format!("{} {point}", pair.volume);
        let recorded = self.course.recorded(Step::CopyDisks, &pair.disk.key).await?;
        if recorded.is_some_and(|recorded| recorded.data.as_deref() == Some(&evidence)) {
            return Ok(Copied::default());
        }
        let labels = labels(&self.place(pair.disk), self.workload);
        let _places = self.slots.copying(&labels).await?;
        let copied = self.pull_patiently(pair).await.map_err(|error| {
            if error.context().object.is_some() { error } else { error.with_object(pair.disk.label.clone()) }
        })?;
        self.course.record(Step::CopyDisks, &pair.disk.key, Some(&evidence)).await?;
        Ok(copied)
    }

    /// Copies a disk, and goes on where a host or the way to it fails for a while: what has arrived is compared, and
    /// does not travel again.
    async fn pull_patiently(&self, pair: &Pair<'_>) -> Result<Copied> {
        let mut seeded = pair.seeded;
        for pause in PAUSES {
            let error = match self.pull(pair, seeded).await {
                Err(error) if is_passing(&error) => error,
                ended => return ended,
            };
            let message = format!(
                "the copy of {} broke off and goes on in {} s: {}",
                pair.disk.label,
                pause.as_secs(),
                error.chain()
            );
            self.course.warn(message).await;
            tokio::time::sleep(pause).await;
            seeded = true;
        }
        self.pull(pair, seeded).await
    }

    async fn pull(&self, pair: &Pair<'_>, seeded: bool) -> Result<Copied> {
        let addresses = self.link.addresses(self.src, self.dst, self.migration.events.as_ref()).await;
        let stdio = if addresses.is_empty() { AgentStdio::Bulk } else { AgentStdio::Talk };
        let (near, far) = UnixStream::pair()?;
        let size = pair.from.size;
        let export = AgentCommand::Export(ExportArgs {
            device: pair.from.path.clone(),
            identity: Some(pair.from.identity.clone()),
            compress: self.options().compress,
            delta: seeded,
            link: !addresses.is_empty(),
        });
        let mut server = self.src.host.spawn(export, stdio(OwnedFd::from(near))).await?;
        let pull = AgentCommand::Pull(PullArgs {
            device: pair.to.path.clone(),
            size,
            identity: Some(pair.to.identity.clone()),
            compress: self.options().compress,
            delta: seeded,
            link: addresses.to_vec(),
        });
        let mut client = self.dst.host.spawn(pull, stdio(OwnedFd::from(far))).await?;
        let disk = pair.disk;
        let heard = |report: &Report| {
            if let Report::Progress { copied, zeroed, total } = report {
                self.course.progress(&disk.device, &disk.label, *copied, *zeroed, *total);
            }
        };
        // The serving agent is listened to as well: what it says explains a copy that fails, and what it has read
        // says what the copy must be.
        let (pulled, served) = match tokio::try_join!(client.last_report(heard), server.last_report(|_| {})) {
            Ok(reports) => reports,
            Err(error) => return Err(self.blame(&mut server, error).await),
        };
        match (pulled, served) {
            (
                Some(Report::Pulled { size: pulled, copied: moved, zeroed, same, root: copy }),
                Some(Report::Hashed { size: served, root: source }),
            ) if pulled == size && served == size => {
                self.course.progress(&disk.device, &disk.label, moved, zeroed + same, size);
                Ok(Copied { moved, roots: Some(Roots { source, copy }) })
            }
            _ => Err(Error::new(ErrorKind::Agent, "the copy ended without a result")),
        }
    }

    /// When the stream breaks, both ends fail; the one that says why is believed.
    async fn blame(&self, server: &mut AgentProcess, error: Error) -> Error {
        match timeout(LAST_WORDS, server.last_report(|_| {})).await {
            Ok(Err(served)) if served.kind() != ErrorKind::Transfer => {
                let message = format!("{}; the other end: {error}", served.chain());
                Error::new(served.kind(), message)
            }
            _ => error,
        }
    }

    /// Compares the hashes of both ends of every pair; equal ones become complete.
    pub(super) async fn verify_disks(
        &self,
        pairs: &[Pair<'_>],
        copied: Vec<Copied>,
        point: &str,
    ) -> Result<Done<()>> {
        let mut checks = Vec::new();
        for (pair, copied) in pairs.iter().zip(copied) {
            checks.push(self.verify_disk(pair, copied.roots, point));
        }
        stream::iter(checks).buffer_unordered(self.options().disks.max(1)).try_collect::<Vec<()>>().await?;
        Ok(Done::new((), format!("{} disks are equal", pairs.len())))
    }

    /// Whether a copy that has told what both ends hash to is what its source was.
    pub(super) async fn check_roots(&self, pair: &Pair<'_>, copied: &Copied) -> Result<()> {
        match &copied.roots {
            Some(Roots { source, copy }) => self.check_equal(pair, source, copy).await,
            None => Ok(()),
        }
    }

    async fn check_equal(&self, pair: &Pair<'_>, source: &str, copy: &str) -> Result<()> {
        if source == copy {
            return Ok(());
        }
        // Whatever the cause, the next run copies it again.
        self.migration.state.forget(&self.course.claim, Step::CopyDisks).await?;
        let message = format!("the copy hashes to {copy}, its source to {source}");
        Err(Error::new(ErrorKind::Mismatch, message)
            .with_object(format!("volume {} of {}", pair.volume, pair.disk.label))
            .with_hint("the copy is kept; run again to copy this disk anew, and suspect the storage"))
    }

    async fn verify_disk(&self, pair: &Pair<'_>, roots: Option<Roots>, point: &str) -> Result<()> {
        let size = pair.from.size;
        let Roots { source, copy } = match roots {
            Some(roots) => roots,
            // It was copied, and then the run ended.
            None => {
                let (source, copy) = tokio::try_join!(
                    self.src.host.hash(pair.from.hash_args(size)),
                    self.dst.host.hash(pair.to.hash_args(size)),
                )?;
                Roots { source, copy }
            }
        };
        self.check_equal(pair, &source, &copy).await?;
        self.complete_copy(pair.disk, &pair.volume, point, source).await
    }

    /// Marks a copy as complete: what it hashes to is what its source hashed to at this point.
    pub(super) async fn complete_copy(
        &self,
        disk: &Disk,
        copy: &str,
        point: &str,
        digest: String,
    ) -> Result<()> {
        let complete = [(tag::STATE, tag::COMPLETE), (tag::POINT, point), (tag::DIGEST, digest.as_str())];
        self.dst.tag_volume(copy, tag::pairs(complete)).await?;
        self.course.record(Step::VerifyDisks, &disk.key, Some(&digest)).await?;
        let (workload, volume) = (self.name.to_owned(), disk.label.clone());
        self.course.emit(Event::DiskVerified { workload, volume, digest }).await;
        Ok(())
    }
}

/// Whether a copy may succeed another time: a host or the way to it failed, not a disk or a check.
fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Host | ErrorKind::Transfer | ErrorKind::Agent)
}

fn check_sizes(pair: &Pair<'_>) -> Result<()> {
    let (from, to) = (pair.from.size, pair.to.size);
    if to >= from {
        return Ok(());
    }
    let message = format!("the destination device has {to} bytes, the source {from}");
    Err(Error::new(ErrorKind::Blocked, message)
        .with_object(format!("{} and {}", show(&pair.from.path), show(&pair.to.path)))
        .with_hint("choose a volume type whose volumes are not smaller"))
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
