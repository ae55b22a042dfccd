//! Areas of a disk that changed: vSphere's changed block tracking, asked page by page.

use osm_transfer::Retry;
use osm_transfer::block::ByteRange;

use crate::session::Session;
use crate::soap::{Element, Request};
use crate::{ChangeId, DeviceKey, Error, ErrorKind, Moref, Result};

/// Keys of messages by which vSphere tells why it cannot say what changed.
const NO_TRACK: &str = "cbt.noTrack";
const NO_EPOCH: &str = "cbt.noEpoch";
const CANNOT: &str = "cbt.cannotGetChanges";

/// How often a page is asked for again whose failure may pass.
const ATTEMPTS: u32 = 3;

/// What an area list begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// Nothing: all areas that were ever written.
    Ever,
    /// What a copy contains.
    Change(ChangeId),
}

impl Session {
    /// The areas of a disk of `capacity` bytes that were written between `since` and a snapshot, in order. There may
    /// be more than changed, never fewer.
    ///
    /// # Errors
    /// `CbtReset`: the line of changes was begun anew since. `CbtUnavailable`: no record is kept. `NotFound`: the
    /// snapshot is gone. `BadResponse`: an answer contradicts the disk, or makes no progress.
    pub async fn changed_areas(
        &self,
        machine: &Moref,
        snapshot: &Moref,
        disk: DeviceKey,
        since: &Since,
        capacity: u64,
    ) -> Result<Vec<ByteRange>> {
        let since = match since {
            Since::Ever => "*".to_owned(),
            Since::Change(id) => id.to_string(),
        };
        let mut areas = Vec::new();
        let mut at = 0;
        // To ask at the end of the disk is an error; an empty page before it is not the end.
        while at < capacity {
            let request = Request::new("QueryChangedDiskAreas", machine)
                .reference("snapshot", snapshot)
                .text("deviceKey", &disk.to_string())
                .text("startOffset", &at.to_string())
                .text("changeId", &since);
            let answer = self.page(&request).await?;
            let page = answer.child("returnval").cloned().unwrap_or_default();
            at = read_page(&page, at, capacity, &mut areas)
                .map_err(|error| error.with_object(format!("disk {disk} of {machine}")))?;
        }
        Ok(areas)
    }

    async fn page(&self, request: &Request) -> Result<Element> {
        let mut attempt = 1;
        loop {
            let error = match self.call(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => judged(error),
            };
            if error.retry() == Retry::Never || attempt == ATTEMPTS {
                return Err(error);
            }
            tracing::debug!(%error, "changed areas are asked for again");
            tokio::time::sleep(std::time::Duration::from_millis(200) * attempt).await;
            attempt += 1;
        }
    }
}

/// Adds the areas of a page that begins at `at`; gives where the next one begins.
fn read_page(page: &Element, at: u64, capacity: u64, areas: &mut Vec<ByteRange>) -> Result<u64> {
    let wrong = |message: String| Error::new(ErrorKind::BadResponse, message);
    let number = |element: &Element, name: &str| {
        let text = element.text_at(&[name]);
        let number = text.and_then(|text| text.parse::<u64>().ok());
        number.ok_or_else(|| wrong(format!("a page of changes has no usable {name}")))
    };
    let (start, length) = (number(page, "startOffset")?, number(page, "length")?);
    let end = start.checked_add(length).filter(|end| *end > at && *end <= capacity);
    // What a page covers counts, not what its areas add up to.
    let Some(end) = end.filter(|_| start <= at) else {
        return Err(wrong(format!(
            "a page of changes from {at} on covers {length} bytes from {start} of a disk of {capacity}"
        )));
    };
    for area in page.all("changedArea") {
        let area = ByteRange::new(number(area, "start")?, number(area, "length")?);
        if area.is_empty() || area.end() > capacity {
            let message = format!("an area of changes at {area} of a disk of {capacity} bytes");
            return Err(wrong(message).with_hint("the disk was resized or replaced: look at it in vSphere"));
        }
        areas.push(area);
    }
    Ok(end)
}

/// What a failed question for changes means; by the key of the message, and by the property that is wrong.
fn judged(error: Error) -> Error {
    let text = error.to_string();
    let says = |key: &str| error.keys().iter().any(|known| known.contains(key)) || text.contains(key);
    let reset = "every block is compared instead";
    match error.fault() {
        Some("FileFault") if says(NO_TRACK) || says(NO_EPOCH) => error
            .with_kind(ErrorKind::CbtUnavailable)
            .with_hint("vSphere keeps no record of changes of this disk: enable changed block tracking"),
        Some("FileFault") if says(CANNOT) => error.with_kind(ErrorKind::CbtReset).with_hint(reset),
        // The file with the record could not be opened: it may be in use.
        Some("FileFault") => error.with_kind(ErrorKind::CbtReset).with_retry(Retry::Safe),
        Some("InvalidArgument") if error.property() == Some("changeId") => {
            error.with_kind(ErrorKind::CbtReset).with_hint(reset)
        }
        Some("InvalidArgument") if error.property() == Some("deviceKey") => error
            .with_kind(ErrorKind::CbtUnavailable)
            .with_hint("the machine has no such disk any more, or it keeps no record of changes"),
        Some("InvalidArgument") if error.property() == Some("startOffset") => error
            .with_kind(ErrorKind::BadResponse)
            .with_hint("the disk was resized since its snapshot was taken: run again"),
        Some("InvalidArgument") if error.property() == Some("snapshot") => {
            error.with_kind(ErrorKind::NotFound)
        }
        Some("MethodNotFound" | "InvalidRequest") => {
            error.with_kind(ErrorKind::CbtUnavailable).with_hint("this server has no changed block tracking")
        }
        Some("SystemError" | "RuntimeFault" | "TaskInProgress") => error.with_retry(Retry::Safe),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(start: u64, length: u64, areas: &[(u64, u64)]) -> Element {
        let areas: String = areas
            .iter()
            .map(|(start, len)| {
                format!("<changedArea><start>{start}</start><length>{len}</length></changedArea>")
            })
            .collect();
        Element::parse(&format!("<r><startOffset>{start}</startOffset><length>{length}</length>{areas}</r>"))
            .unwrap()
    }

    fn read(page: &Element, at: u64) -> Result<(u64, usize)> {
        let mut areas = Vec::new();
        let next = read_page(page, at, 1000, &mut areas)?;
        Ok((next, areas.len()))
    }

    #[test]
    fn a_page_without_areas_is_a_step_and_not_the_end() {
        assert_eq!(read(&page(0, 400, &[]), 0).unwrap(), (400, 0));
        assert_eq!(read(&page(400, 600, &[(500, 100), (900, 100)]), 400).unwrap(), (1000, 2));
    }

    #[test]
    fn a_page_that_contradicts_the_disk_is_refused() {
        for wrong in [
            page(0, 0, &[]),
            page(0, 1001, &[]),
            page(500, 100, &[]),
            page(0, 100, &[(900, 101)]),
            page(0, 100, &[(0, 0)]),
            Element::parse("<r><length>10</length></r>").unwrap(),
        ] {
            assert_eq!(read(&wrong, 0).unwrap_err().kind(), ErrorKind::BadResponse);
        }
    }
}
