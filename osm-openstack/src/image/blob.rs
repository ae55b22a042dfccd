//! Image data in files: downloaded, checked, uploaded.
//!
//! A download goes to a `.part` file that gets its real name only when its
//! digest is right, so a file with the real name is complete.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::digest::Hasher;
use super::{Digest, Image, ImageObject};
use crate::error::{Error, ErrorKind, Result, Retry};

/// How much of a file is read at once.
const CHUNK: usize = 1 << 20;
/// The longest file name that common file systems take.
const LONGEST_NAME: usize = 255;

/// The file that holds the data of an image, in the folder of image data: `ID-NAME`.
///
/// What a file name cannot hold is replaced, and a name too long is cut; the id makes it unique.
pub fn file_name(id: &str, name: &str) -> String {
    let mut file_name = format!("{id}-{name}").replace(['/', '\0'], "_");
    // Room for the ending of an unfinished file.
    let mut end = file_name.len().min(LONGEST_NAME - PART.len());
    while !file_name.is_char_boundary(end) {
        end -= 1;
    }
    file_name.truncate(end);
    file_name
}

const PART: &str = ".part";

/// The file with the data of an image, whatever its name was; none when there is none, or several.
pub(crate) fn of_id(folder: &Path, id: &str) -> Option<PathBuf> {
    let start = format!("{id}-");
    let is_of = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with(&start) && !name.ends_with(PART) && path.is_file()
    };
    let mut found =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_of);
    found.next().filter(|_| found.next().is_none())
}

impl Image {
    /// Writes the data of an image to a file, unless that file is there and as long as the image.
    /// Returns whether data was moved.
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
        let mut outcome = self.receive(image, &part).await;
        if let Err(error) = &outcome
            && (error.kind(), error.retry()) == (ErrorKind::ServerFault, Retry::Safe)
        {
            tracing::warn!(%error, image = image.id, "the data is fetched once more");
            outcome = self.receive(image, &part).await;
        }
        if outcome.is_err() {
            // Glance sends from the start or not at all, so the rest is of no use.
            let _ = fs::remove_file(&part).await;
        }
        outcome?;
        fs::rename(&part, path).await.map_err(|error| file_error("rename", &part, error))?;
        Ok(true)
    }

    async fn receive(&self, image: &ImageObject, part: &Path) -> Result<()> {
        let mut data = self.download(&image.id).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => gone(image, error),
            _ => error,
        })?;
        let header = data.header("content-md5").map(str::to_owned);
        let checksum = header.as_deref().or(image.checksum.as_deref());
        let expected =
            Digest::of_image(image.os_hash_algo.as_deref(), image.os_hash_value.as_deref(), checksum);
        let mut hasher = expected.as_ref().map(Digest::hasher);
        let mut file = File::create(part).await.map_err(|error| file_error("create", part, error))?;
        let mut length = 0_u64;
        while let Some(chunk) = data.next().await {
            let chunk = chunk?;
            length += chunk.len() as u64;
            if let Some(hasher) = &mut hasher {
                hasher.update(&chunk);
            }
            file.write_all(&chunk).await.map_err(|error| file_error("write", part, error))?;
        }
        if let Some(size) = image.size.filter(|size| *size != length) {
            return Err(broken(image, format!("{length} bytes came, it has {size}")));
        }
        check(image, expected.as_ref(), hasher.map(Hasher::finish).as_ref())?;
        file.sync_all().await.map_err(|error| file_error("write", part, error))
    }

    /// Gives an image the data of a file, at most for `limit`; with `expected`, a file of another
    /// digest is not accepted.
    ///
    /// # Errors
    /// `Config` when the file cannot be read or has another digest. In the latter case the image
    /// has the wrong data: it must be deleted.
    pub async fn upload_from(
        &self,
        id: &str,
        path: &Path,
        expected: Option<&Digest>,
        limit: Duration,
    ) -> Result<()> {
        let file = File::open(path).await.map_err(|error| file_error("open", path, error))?;
        let hasher = Arc::new(Mutex::new(expected.map(Digest::hasher)));
        self.upload(id, pieces(file, Arc::clone(&hasher)), limit).await?;
        let computed = hasher.lock().unwrap_or_else(PoisonError::into_inner).take().map(Hasher::finish);
        match (expected, computed) {
            (Some(expected), Some(computed)) if *expected != computed => {
                let message = format!(
                    "{} has digest {}, the image exported had {}: delete the file and export the image again",
                    path.display(),
                    computed.value(),
                    expected.value()
                );
                Err(Error::new(ErrorKind::Config, message)
                    .with_service("image")
                    .with_operation("upload image"))
            }
            _ => Ok(()),
        }
    }
}

/// A file piece by piece, hashed on the way.
fn pieces(
    file: File,
    hasher: Arc<Mutex<Option<Hasher>>>,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
    futures_util::stream::try_unfold((file, hasher), |(mut file, hasher)| async move {
        let mut piece = BytesMut::with_capacity(CHUNK);
        while piece.len() < CHUNK && file.read_buf(&mut piece).await? > 0 {}
        if piece.is_empty() {
            return Ok(None);
        }
        if let Some(hasher) = hasher.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            hasher.update(&piece);
        }
        Ok(Some((piece.freeze(), (file, hasher))))
    })
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

pub(crate) fn file_error(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Config, format!("cannot {doing} {}", path.display())).with_source(error)
}
