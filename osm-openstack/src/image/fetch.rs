//! Image data from Glance to files.
//!
//! The data goes to a `.part` file that gets its real name only when its digest is right, so a file
//! with the real name is complete. What came before a connection broke, or before the process
//! ended, is kept: the next attempt asks for the rest.

use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::blob::{CHUNK, PART, file_error};
use super::digest::Hasher;
use super::{Digest, Image, ImageObject};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::Download;

/// How often in a row an attempt may bring nothing.
const IDLE_ATTEMPTS: u32 = 2;

impl Image {
    /// Writes the data of an image to a file, unless that file is there and as long as the image.
    /// Returns whether data was moved. What an earlier call could not finish is continued.
    ///
    /// # Errors
    /// `BadResponse` when the data has another digest or length than the image should have; the
    /// file is not made then.
    pub async fn download_to(&self, image: &ImageObject, path: &Path) -> Result<bool> {
        let there = fs::metadata(path).await.ok().filter(std::fs::Metadata::is_file);
        if there.is_some_and(|file| image.size.is_none_or(|size| file.len() == size)) {
            return Ok(false);
        }
        let part = part_of(path);
        let (mut idle, mut resume) = (0, true);
        loop {
            let begun = if resume { beginning(image, &part).await } else { 0 };
            let Err(error) = self.receive(image, &part, begun).await else { break };
            if error.kind() == ErrorKind::BadResponse {
                let _ = fs::remove_file(&part).await;
            }
            // Not every store can begin in the middle, and what was begun earlier may be at fault.
            if begun > 0 && (error.kind() == ErrorKind::BadResponse || error.context().status == Some(416)) {
                resume = false;
                continue;
            }
            idle = if length_of(&part).await > begun { 0 } else { idle + 1 };
            let again = (error.kind(), error.retry()) == (ErrorKind::ServerFault, Retry::Safe);
            if !again || idle == IDLE_ATTEMPTS {
                return Err(error);
            }
            tracing::warn!(%error, image = image.id, "the rest of the data is fetched");
        }
        fs::rename(&part, path).await.map_err(|error| file_error("rename", &part, error))?;
        Ok(true)
    }

    /// Fetches what comes after the first `begun` bytes, which are in the file.
    async fn receive(&self, image: &ImageObject, part: &Path, begun: u64) -> Result<()> {
        let mut data = self.download_from(&image.id, begun).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => gone(image, error),
            _ => error,
        })?;
        // Glance may send everything all the same.
        let kept = if starts_at(&data) == Some(begun) { begun } else { 0 };
        let header = data.header("content-md5").map(str::to_owned);
        let checksum = header.as_deref().or(image.checksum.as_deref());
        let expected =
            Digest::of_image(image.os_hash_algo.as_deref(), image.os_hash_value.as_deref(), checksum);
        let mut hasher = expected.as_ref().map(Digest::hasher);
        let mut file = if kept > 0 {
            let mut file = File::options().read(true).append(true).open(part).await;
            if let (Ok(file), Some(hasher)) = (&mut file, &mut hasher) {
                hash(file, hasher).await.map_err(|error| file_error("read", part, error))?;
            }
            file
        } else {
            File::create(part).await
        }
        .map_err(|error| file_error("open", part, error))?;
        let mut length = kept;
        let written = loop {
            let Some(chunk) = data.next().await else { break Ok(()) };
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => break Err(error),
            };
            length += chunk.len() as u64;
            if image.size.is_some_and(|size| size < length) {
                return Err(broken(image, "more came than it has".to_owned()));
            }
            if let Some(hasher) = &mut hasher {
                hasher.update(&chunk);
            }
            file.write_all(&chunk).await.map_err(|error| file_error("write", part, error))?;
        };
        // Also when it broke off: what is in the file then is the beginning for the next attempt.
        file.sync_all().await.map_err(|error| file_error("write", part, error))?;
        written?;
        if let Some(size) = image.size.filter(|size| *size != length) {
            return Err(broken(image, format!("{length} bytes came, it has {size}")));
        }
        check(image, expected.as_ref(), hasher.map(Hasher::finish).as_ref())
    }
}

/// The length of what an earlier attempt left; nothing, unless a digest will tell whether it fits.
async fn beginning(image: &ImageObject, part: &Path) -> u64 {
    let provable = image.os_hash_value.is_some() || image.checksum.is_some();
    let there = length_of(part).await;
    if provable && image.size.is_some_and(|size| there < size) { there } else { 0 }
}

async fn length_of(part: &Path) -> u64 {
    fs::metadata(part).await.map_or(0, |file| file.len())
}

/// Where the data begins, when it is not all.
fn starts_at(data: &Download) -> Option<u64> {
    let range = data.header("content-range")?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.parse().ok()
}

/// Hashes a file from its start.
async fn hash(file: &mut File, hasher: &mut Hasher) -> std::io::Result<()> {
    let mut piece = vec![0; CHUNK];
    loop {
        match file.read(&mut piece).await? {
            0 => return Ok(()),
            length => hasher.update(&piece[..length]),
        }
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(PART);
    part.into()
}

fn check(image: &ImageObject, expected: Option<&Digest>, computed: Option<&Digest>) -> Result<()> {
    match (expected, computed) {
        (Some(expected), Some(computed)) if expected != computed => Err(broken(
            image,
            format!("it came with digest {}, it should have {}", computed.value(), expected.value()),
        )),
        _ => Ok(()),
    }
}

fn gone(image: &ImageObject, error: Error) -> Error {
    let name = image.name.as_deref().unwrap_or_default();
    let message = format!(
        "the cloud has lost the data of image `{name}` ({}): delete the image there, or filter it out",
        image.id
    );
    Error::new(ErrorKind::NotFound, message)
        .with_service("image")
        .with_operation("download image")
        .with_source(error)
}

fn broken(image: &ImageObject, how: String) -> Error {
    let name = image.name.as_deref().unwrap_or_default();
    Error::new(ErrorKind::BadResponse, format!("the data of image `{name}` ({}) is broken: {how}", image.id))
        .with_service("image")
        .with_operation("download image")
        .with_retry(Retry::Safe)
}
