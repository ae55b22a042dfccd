//! Disks read from a datastore over HTTPS: no VDDK, no agent on ESXi, the port of the API alone.
//!
//! vSphere serves the file of a disk's bytes, `NAME-flat.vmdk`, by ranges. While a machine has exactly one snapshot,
//! that file is what the snapshot froze: what is written since goes to another one. With older snapshots it is not,
//! and such a disk is refused here.

use async_trait::async_trait;
use osm_transfer::block::{BlockSize, BlockSource, Buffer, ByteRange, Capabilities, Extent, ExtentKind};
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode, Url};

use crate::session::Session;
use crate::{Error, ErrorKind, Moref, Result, VirtualDisk};

/// Requests of this size keep a connection busy without holding much memory.
const PREFERRED: u32 = 1 << 20;
const LARGEST: u32 = 16 << 20;

/// Many small areas wait for the network, not for the datastore.
const PARALLEL: usize = 32;

/// How often bytes are asked for before they are given up, and how long the first pause is; each is twice as long.
const ATTEMPTS: u32 = 6;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

/// A disk as a datastore serves it.
#[derive(Debug)]
pub struct DatastoreDisk {
    session: Session,
    url: Url,
    size: u64,
}

impl DatastoreDisk {
    /// Opens a disk of a snapshot of a machine, as it was configured then.
    ///
    /// # Errors
    /// `Unsupported`: the file that is served is not what the snapshot froze. `NotFound`: there is no such file; vSAN
    /// and vVols serve none. `BadResponse`: it has another size than the disk, or is not served by ranges.
    pub async fn open(session: &Session, machine: &Moref, disk: &VirtualDisk) -> Result<Self> {
        let named = |error: Error| error.with_object(format!("{} ({}) of {machine}", disk.label, disk.key));
        let url = url(session, machine, disk).await.map_err(named)?;
        let found = Self { session: session.clone(), url, size: disk.capacity };
        found.probe().await.map_err(named)?;
        Ok(found)
    }

    /// Whether the file is there, of the size of the disk, and served by ranges.
    async fn probe(&self) -> Result<()> {
        let response = self.ask(ByteRange::new(0, 512.min(self.size))).await?;
        let told = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let total = told.and_then(|text| text.rsplit_once('/')?.1.parse::<u64>().ok());
        if total == Some(self.size) {
            return Ok(());
        }
        let message = format!("the file has {} bytes, the disk {}", total.unwrap_or(0), self.size);
        Err(Error::new(ErrorKind::BadResponse, message).with_object(self.url.path().to_owned()))
    }

    async fn ask(&self, range: ByteRange) -> Result<Response> {
        let header = format!("bytes={}-{}", range.offset, range.end() - 1);
        let response = self.session.get(&self.url, Some(&header)).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => Ok(response),
            status => Err(refused(status).with_object(self.url.path().to_owned())),
        }
    }

    async fn fill(&self, offset: u64, buffer: &mut Buffer) -> Result<()> {
        let mut response = self.ask(ByteRange::new(offset, buffer.len() as u64)).await?;
        let broken = |message: &str| Error::new(ErrorKind::Unreachable, message.to_owned());
        let mut at = 0;
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| broken("the datastore's answer broke off").with_source(error.without_url()))?
        {
            let end = at + chunk.len();
            let room =
                buffer.get_mut(at..end).ok_or_else(|| broken("more bytes came than were asked for"))?;
            room.copy_from_slice(&chunk);
            at = end;
        }
        match at == buffer.len() {
            true => Ok(()),
            false => Err(broken("fewer bytes came than were asked for")),
        }
    }
}

#[async_trait]
impl BlockSource for DatastoreDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            block_size: BlockSize { minimum: 1, preferred: PREFERRED, maximum: LARGEST },
            parallel: PARALLEL,
            extents: false,
            fast_zero: false,
            trim: false,
            starts_zeroed: false,
            splice: false,
        }
    }

    async fn read(&self, offset: u64, mut buffer: Buffer) -> osm_transfer::Result<Buffer> {
        let range = ByteRange::new(offset, buffer.len() as u64);
        if range.end() > self.size {
            let message = "the range lies beyond the end of the disk";
            return Err(osm_transfer::Error::new(osm_transfer::ErrorKind::OutOfBounds, message)
                .with_range(range.offset, range.len));
        }
        let mut pause = PAUSE;
        for attempt in 1..=ATTEMPTS {
            match self.fill(offset, &mut buffer).await {
                Ok(()) => return Ok(buffer),
                Err(error) if attempt < ATTEMPTS && error.retry() != osm_transfer::Retry::Never => {
                    tracing::debug!(%error, "a range is asked for again");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(error) => {
                    let error = osm_transfer::Error::from(error).with_operation("read");
                    return Err(error.with_range(range.offset, range.len));
                }
            }
        }
        Ok(buffer)
    }

    async fn extents(&self, range: ByteRange) -> osm_transfer::Result<Vec<Extent>> {
        Ok(vec![Extent { range, kind: ExtentKind::Data }])
    }
}

fn refused(status: StatusCode) -> Error {
    let (kind, hint) = match status {
        StatusCode::NOT_FOUND => {
            (ErrorKind::NotFound, "vSAN and vVols serve no such file: read the disk by VDDK")
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => {
            (ErrorKind::Unreachable, "vSphere has no HTTP session left: copy fewer disks at once")
        }
        StatusCode::INTERNAL_SERVER_ERROR => {
            (ErrorKind::Refused, "the file may be locked by the machine: it is only free under a snapshot")
        }
        StatusCode::OK => {
            (ErrorKind::Unsupported, "the server serves no ranges of files: read the disk by VDDK")
        }
        _ => (
            ErrorKind::Refused,
            "the user needs the privileges Datastore.Browse and Datastore.FileManagement",
        ),
    };
    Error::new(kind, format!("the datastore answers {status}")).with_hint(hint)
}

/// Where the bytes of a disk are served.
async fn url(session: &Session, machine: &Moref, disk: &VirtualDisk) -> Result<Url> {
    let hint = "read the disk by VDDK, or remove the machine's other snapshots";
    let unsupported = |message: String| Error::new(ErrorKind::Unsupported, message).with_hint(hint);
    if disk.backing != "FlatVer2" {
        return Err(unsupported(format!("a disk kept as {} has no file of plain bytes", disk.backing)));
    }
    if disk.parents > 0 {
        return Err(unsupported("older snapshots hold a part of its bytes".to_owned()));
    }
    let file = disk.file.as_deref().and_then(flat_file);
    let (datastore, path) = file.ok_or_else(|| {
        unsupported(format!("`{}` is no file of a datastore", disk.file.clone().unwrap_or_default()))
    })?;
    let mut url = session.url().clone();
    url.set_path("/folder");
    url.set_query(None);
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend(path.split('/'));
    }
    let mut query = url.query_pairs_mut();
    if session.about().api_type != "HostAgent" {
        query.append_pair("dcPath", &session.datacenter_of(machine).await?);
    }
    query.append_pair("dsName", &datastore);
    drop(query);
    Ok(url)
}

/// The datastore and the file of bytes of `[datastore] folder/disk.vmdk`.
fn flat_file(file: &str) -> Option<(String, String)> {
    let (datastore, path) = file.strip_prefix('[')?.split_once("] ")?;
    let name = path.strip_suffix(".vmdk")?;
    Some((datastore.to_owned(), format!("{name}-flat.vmdk")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_disk_stand_beside_its_descriptor() {
        let flat = |file: &str| flat_file(file);
        assert_eq!(flat("[ds 1] a b/a b_1.vmdk"), Some(("ds 1".into(), "a b/a b_1-flat.vmdk".into())));
        for wrong in ["", "a/a.vmdk", "[ds] a/a.iso", "[ds]a"] {
            assert_eq!(flat(wrong), None, "{wrong}");
        }
    }
}
