//! Image data in files: their names, and the way to Glance.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::digest::Hasher;
use super::{Digest, Image};
use crate::error::{Error, ErrorKind, Result};

/// How much of a file is read at once.
pub(super) const CHUNK: usize = 1 << 20;
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

/// How the name of an unfinished file ends.
pub(super) const PART: &str = ".part";

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

pub(crate) fn file_error(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Config, format!("cannot {doing} {}", path.display())).with_source(error)
}
