//! The work of agents on disks: serve, pull, hash.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use osm_transfer::block::BlockSource;
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::hash::{HashOptions, hash_disk};
use osm_transfer::nbd::{Client, ClientOptions, Export, Server, ServerOptions};
use osm_transfer::transfer::{Transfer, Verify};

use super::report::{Report, Reporter};
use super::stdio::{Reader, Writer};
use super::{HashArgs, PullArgs, device};
use crate::{Error, ErrorKind, Result};

/// How long a destination may be held by another writer: one whose orchestrator was killed ends
/// within a heartbeat, and its last writes a little later.
const LOCK_WAIT: Duration = Duration::from_secs(15);

/// Serves `device`, read-only, until the client leaves.
pub(super) async fn serve(device: PathBuf, reader: Reader, writer: Writer) -> Result<()> {
    let source = open_source(&device).await?;
    let server = Server::new(vec![Export::read_only("", source)], ServerOptions::default());
    Ok(server.serve_stream(reader, writer).await?)
}

/// Copies what the stream serves to the device.
pub(super) async fn pull(args: PullArgs, reader: Reader, writer: Writer, reporter: Reporter) -> Result<()> {
    let client = Arc::new(Client::over(reader, writer, "", &ClientOptions::default()).await?);
    if client.size() != args.size {
        let message = format!("the source serves {} bytes, not {}", client.size(), args.size);
        return Err(Error::new(ErrorKind::Agent, message));
    }
    let room = device::size(&args.device).map_err(|error| named(error.into(), &args.device))?;
    if room < args.size {
        let message = format!("the destination has {room} bytes, the source {}", args.size);
        return Err(named(Error::new(ErrorKind::Agent, message), &args.device));
    }
    let options = OpenOptions { lock_wait: LOCK_WAIT, ..OpenOptions::default() };
    let sink = Endpoint::File(args.device.clone())
        .open_sink(args.size, &options)
        .await
        .map_err(|error| named(error.into(), &args.device))?;
    let source: Arc<dyn BlockSource> = client.clone();
    let transfer = Transfer::builder()
        .source(source)
        .sink(sink)
        .verify(Verify::None)
        .progress(Arc::new(reporter.clone()))
        .build()?;
    let copied = transfer.run().await.map_err(|error| named(error.into(), &args.device))?;
    // Everything is flushed; a source that is gone now takes nothing away.
    if let Err(error) = client.close().await {
        tracing::debug!(%error, "the source left before the goodbye");
    }
    reporter.say(Report::Pulled { size: copied.size, copied: copied.copied, zeroed: copied.zeroed });
    Ok(())
}

/// Hashes the first bytes of the device.
pub(super) async fn hash(args: HashArgs, reporter: Reporter) -> Result<()> {
    let source = open_source(&args.device).await?;
    if source.size() < args.size {
        let message = format!("the device has {} bytes, less than {}", source.size(), args.size);
        return Err(named(Error::new(ErrorKind::Agent, message), &args.device));
    }
    let options = HashOptions { limit: Some(args.size), ..HashOptions::default() };
    let hash = hash_disk(&source, &options, Arc::new(reporter.clone()))
        .await
        .map_err(|error| named(error.into(), &args.device))?;
    reporter.say(Report::Hashed { size: hash.size, root: hash.root.to_string() });
    Ok(())
}

async fn open_source(device: &Path) -> Result<Arc<dyn BlockSource>> {
    let endpoint = Endpoint::File(device.to_owned());
    endpoint.open_source(&OpenOptions::default()).await.map_err(|error| named(error.into(), device))
}

fn named(error: Error, device: &Path) -> Error {
    error.with_object(device.display().to_string())
}
