//! The work of agents on disks: serve, pull, hash.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use osm_transfer::block::{BlockSink, BlockSource};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::hash::{Digest, hash_disk};
use osm_transfer::nbd::{Client, ClientOptions, Export, Server, ServerOptions};
use osm_transfer::transfer::{Progress, Transfer, Verify};
use rustix::fs::Advice;

use super::delta::{self, Delta, Rest, hash_options};
use super::link::{self, Streams};
use super::report::{Report, Reporter};
use super::stdio::{Reader, Writer};
use super::{ExportArgs, HashArgs, Identity, PullArgs, device, stdio};
use crate::{Error, ErrorKind, Result};

/// How long a destination may be held by another writer: one whose orchestrator was killed ends
/// within a heartbeat, and its last writes a little later.
const LOCK_WAIT: Duration = Duration::from_secs(15);

/// Serves `device`, read-only, until the client leaves, and hashes it: before where digests are compared, else
/// afterwards. What it serves comes from it by the same reading, so the copy is held against another one.
pub(super) async fn serve(
    args: ExportArgs,
    reader: Reader,
    writer: Writer,
    reporter: Reporter,
) -> Result<()> {
    let source = open_source(&args.device).await?;
    Identity::check(args.identity.as_ref(), &args.device)?;
    let streams = match args.link {
        true => link::offer(reader, writer).await?,
        false => vec![(reader, writer)],
    };
    let mut streams = stdio::packed(args.compress, streams)?;
    let offered = match args.delta {
        true => {
            uncached(source.as_ref());
            Some(delta::offer(&source, first(&mut streams)?).await?)
        }
        false => None,
    };
    let server = Server::new(vec![Export::read_only("", Arc::clone(&source))], ServerOptions::default());
    let serving = streams.into_iter().map(|(reader, writer)| server.serve_stream(reader, writer));
    try_join_all(serving).await?;
    let root = match offered {
        Some(root) => root,
        None => root(&source, source.size(), &args.device, Arc::new(())).await?,
    };
    reporter.say(Report::Hashed { size: source.size(), root: root.to_string() });
    Ok(())
}

/// Copies what the stream serves to the device.
pub(super) async fn pull(args: PullArgs, reader: Reader, writer: Writer, reporter: Reporter) -> Result<()> {
    let streams = match args.link.is_empty() {
        true => vec![(reader, writer)],
        false => link::reach(&args.link, reader, writer, &reporter).await?,
    };
    let mut streams = stdio::packed(args.compress, streams)?;
    let sink = open_sink(&args.device, args.size, args.identity.as_ref()).await?;
    let delta = match args.delta {
        true => Some(Delta::find(&args.device, args.size, first(&mut streams)?).await?),
        false => None,
    };
    let client = Arc::new(Client::over_all(streams, "", &ClientOptions::default()).await?);
    if client.size() != args.size {
        let message = format!("the source serves {} bytes, not {}", client.size(), args.size);
        return Err(Error::new(ErrorKind::Agent, message));
    }
    let same = delta.as_ref().map_or(0, Delta::same);
    let source: Arc<dyn BlockSource> = client.clone();
    let progress = Rest { reporter: reporter.clone(), same, size: args.size };
    let transfer =
        Transfer::builder().source(source).sink(sink).verify(Verify::None).progress(Arc::new(progress));
    let transfer = match &delta {
        Some(delta) => transfer.areas(delta.areas.clone()),
        None => transfer,
    };
    let copied = transfer.build()?.run().await.map_err(|error| named(error.into(), &args.device))?;
    // Everything is flushed; a source that is gone now takes nothing away.
    if let Err(error) = client.close().await {
        tracing::debug!(%error, "the source left before the goodbye");
    }
    let root = match delta {
        Some(delta) => delta.root(&args.device).await?,
        None => root(&open_source(&args.device).await?, args.size, &args.device, Arc::new(())).await?,
    };
    let (size, copied, zeroed) = (args.size, copied.copied, copied.zeroed);
    reporter.say(Report::Pulled { size, copied, zeroed, same, root: root.to_string() });
    Ok(())
}

/// The stream of what precedes NBD.
fn first(streams: &mut Streams) -> Result<&mut (Reader, Writer)> {
    streams.first_mut().ok_or_else(|| Error::new(ErrorKind::Agent, "there is no stream to the other agent"))
}

/// Opens the device that is to be written, and keeps other writers away from it.
pub(super) async fn open_sink(
    device: &Path,
    size: u64,
    identity: Option<&Identity>,
) -> Result<Arc<dyn BlockSink>> {
    let room = device::size(device).map_err(|error| named(error.into(), device))?;
    if room < size {
        let message = format!("the destination has {room} bytes, the source {size}");
        return Err(named(Error::new(ErrorKind::Agent, message), device));
    }
    let options = OpenOptions { lock_wait: LOCK_WAIT, ..OpenOptions::default() };
    let sink = Endpoint::File(device.to_owned())
        .open_sink(size, &options)
        .await
        .map_err(|error| named(error.into(), device))?;
    Identity::check(identity, device)?;
    Ok(sink)
}

/// Hashes the first bytes of the device.
pub(super) async fn hash(args: HashArgs, reporter: Reporter) -> Result<()> {
    let source = open_source(&args.device).await?;
    Identity::check(args.identity.as_ref(), &args.device)?;
    if source.size() < args.size {
        let message = format!("the device has {} bytes, less than {}", source.size(), args.size);
        return Err(named(Error::new(ErrorKind::Agent, message), &args.device));
    }
    let root = root(&source, args.size, &args.device, Arc::new(reporter.clone())).await?;
    reporter.say(Report::Hashed { size: args.size, root: root.to_string() });
    Ok(())
}

/// What the first `size` bytes of a disk hash to, read anew.
async fn root(
    disk: &Arc<dyn BlockSource>,
    size: u64,
    device: &Path,
    progress: Arc<dyn Progress>,
) -> Result<Digest> {
    uncached(disk.as_ref());
    let hash = hash_disk(disk, &hash_options(size), progress).await;
    Ok(hash.map_err(|error| named(error.into(), device))?.root)
}

/// Lets go of a disk's cached pages: what was written may be in memory only, which says nothing of the disk.
pub(super) fn uncached(disk: &dyn BlockSource) {
    if let Some(disk) = disk.descriptor()
        && let Err(error) = rustix::fs::fadvise(disk, 0, None, Advice::DontNeed)
    {
        tracing::debug!(%error, "cached pages stay");
    }
}

pub(super) async fn open_source(device: &Path) -> Result<Arc<dyn BlockSource>> {
    let endpoint = Endpoint::File(device.to_owned());
    endpoint.open_source(&OpenOptions::default()).await.map_err(|error| named(error.into(), device))
}

pub(super) fn named(error: Error, device: &Path) -> Error {
    error.with_object(device.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt as _;
    use std::path::PathBuf;

    use tokio::net::UnixStream;

    use super::*;

    const SIZE: u64 = 8 << 20;

    struct Disks {
        dir: tempfile::TempDir,
    }

    impl Disks {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let source = File::create(dir.path().join("source")).unwrap();
            source.set_len(SIZE).unwrap();
            source.write_all_at(&[0xa5; 70_000], 1 << 20).unwrap();
            source.write_all_at(b"the end", SIZE - 7).unwrap();
            Self { dir }
        }
        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }
        fn target(&self, size: u64, fill: u8) {
            fs::write(self.path("target"), vec![fill; usize::try_from(size).unwrap()]).unwrap();
        }
        /// Both agents over one socket pair.
        async fn copy(
            &self,
            size: u64,
            compress: bool,
            delta: bool,
        ) -> (Result<()>, Result<()>, Vec<Report>) {
            let (near, far) = UnixStream::pair().unwrap();
            let (reporter, inbox) = Reporter::to_channel();
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            let args = PullArgs {
                device: self.path("target"),
                size,
                identity: None,
                compress,
                delta,
                link: Vec::new(),
            };
            let export =
                ExportArgs { device: self.path("source"), identity: None, compress, delta, link: false };
            let (served, pulled) = tokio::join!(
                Box::pin(serve(export, Box::new(near_read), Box::new(near_write), reporter.clone())),
                Box::pin(pull(args, Box::new(far_read), Box::new(far_write), reporter)),
            );
            (served, pulled, inbox.into_iter().collect())
        }
        async fn root(&self, name: &str, size: u64) -> String {
            let (reporter, inbox) = Reporter::to_channel();
            hash(HashArgs { device: self.path(name), size, identity: None }, reporter).await.unwrap();
            match inbox.into_iter().last() {
                Some(Report::Hashed { root, .. }) => root,
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_pulled_disk_is_equal_whatever_was_there_before() {
        let disks = Disks::new();
        for compress in [false, true] {
            disks.target(SIZE, 0xff);
            let (served, pulled, reports) = disks.copy(SIZE, compress, false).await;
            served.unwrap();
            pulled.unwrap();
            let root = disks.root("source", SIZE).await;
            let told = |report: &Report| matches!(report, Report::Pulled { root: it, .. } | Report::Hashed { root: it, .. } if *it == root);
            assert!(
                reports.len() == 2 && reports.iter().all(told),
                "both agents tell what they have read: {reports:?}"
            );
            assert_eq!(fs::read(disks.path("source")).unwrap(), fs::read(disks.path("target")).unwrap());
            assert_eq!(disks.root("source", SIZE).await, disks.root("target", SIZE).await);
        }
    }

    #[tokio::test]
    async fn the_tail_of_a_larger_destination_is_neither_written_nor_hashed() {
        let disks = Disks::new();
        disks.target(SIZE + 4096, 0xff);
        disks.copy(SIZE, false, false).await.1.unwrap();
        let target = fs::read(disks.path("target")).unwrap();
        assert!(target[usize::try_from(SIZE).unwrap()..].iter().all(|byte| *byte == 0xff));
        assert_eq!(disks.root("source", SIZE).await, disks.root("target", SIZE).await);
    }

    #[tokio::test]
    async fn another_size_than_expected_is_refused_before_a_byte_is_written() {
        let disks = Disks::new();
        disks.target(SIZE, 0xff);
        let (_, pulled, _) = disks.copy(SIZE + 512, false, false).await;
        assert_eq!(pulled.unwrap_err().kind(), ErrorKind::Agent);
        assert!(fs::read(disks.path("target")).unwrap().iter().all(|byte| *byte == 0xff));
    }

    #[tokio::test]
    async fn a_destination_too_small_is_refused() {
        let disks = Disks::new();
        disks.target(SIZE - 512, 0xff);
        let (_, pulled, _) = disks.copy(SIZE, false, false).await;
        assert!(pulled.unwrap_err().to_string().contains("destination has"));
    }

    #[tokio::test]
    async fn a_device_that_is_another_volumes_is_neither_written_nor_read() {
        let disks = Disks::new();
        disks.target(SIZE, 0xff);
        let by_id = disks.path("by-id");
        fs::create_dir(&by_id).unwrap();
        std::os::unix::fs::symlink(disks.path("source"), by_id.join("virtio-0e9ff1ab-fb8d-4c12-8")).unwrap();
        let volume = "0e9ff1ab-fb8d-4c12-81c4-29d519d09cb9".to_owned();
        let identity = Some(Identity { volume, devices: Some(by_id) });
        let (near, far) = UnixStream::pair().unwrap();
        let (reporter, _inbox) = Reporter::to_channel();
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        // The source is what the name leads to, the target is not.
        let export = ExportArgs {
            device: disks.path("source"),
            identity: identity.clone(),
            compress: false,
            delta: false,
            link: false,
        };
        let pull_args = PullArgs {
            device: disks.path("target"),
            size: SIZE,
            identity: identity.clone(),
            compress: false,
            delta: false,
            link: Vec::new(),
        };
        let (served, pulled) = tokio::join!(
            Box::pin(serve(export, Box::new(near_read), Box::new(near_write), reporter.clone())),
            Box::pin(pull(pull_args, Box::new(far_read), Box::new(far_write), reporter.clone())),
        );
        // Nobody came for what it serves.
        assert!(served.is_err());
        assert_eq!(pulled.unwrap_err().kind(), ErrorKind::Host);
        assert!(fs::read(disks.path("target")).unwrap().iter().all(|byte| *byte == 0xff));
        let hashed = hash(HashArgs { device: disks.path("target"), size: SIZE, identity }, reporter).await;
        assert_eq!(hashed.unwrap_err().kind(), ErrorKind::Host);
    }

    #[tokio::test]
    async fn a_source_that_breaks_off_is_an_error() {
        let disks = Disks::new();
        disks.target(SIZE, 0xff);
        let (near, far) = UnixStream::pair().unwrap();
        drop(near);
        let (reporter, inbox) = Reporter::to_channel();
        let (read, write) = far.into_split();
        let args = PullArgs {
            device: disks.path("target"),
            size: SIZE,
            identity: None,
            compress: false,
            delta: false,
            link: Vec::new(),
        };
        assert!(pull(args, Box::new(read), Box::new(write), reporter).await.is_err());
        assert_eq!(inbox.into_iter().count(), 0, "no result was reported");
    }
}
