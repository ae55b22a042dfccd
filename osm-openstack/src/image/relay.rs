//! The data of an image on its way to another cloud, without a file in between.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;

use super::digest::Hasher;
use super::{Digest, Image, ImageObject};
use crate::error::{Error, ErrorKind, Result};

/// What has travelled so far.
struct Travelled {
    bytes: u64,
    hasher: Option<Hasher>,
}

impl Image {
    /// Gives the image `target` of another Glance the data of `source`, at most for `limit`, and gives its
    /// SHA-512; `progress` hears of the bytes so far.
    ///
    /// # Errors
    /// The data broke off, or is not what the source's digest says; then `target` must be deleted.
    pub async fn relay<F>(
        &self,
        source: &ImageObject,
        (there, target): (&Self, &str),
        limit: Duration,
        progress: F,
    ) -> Result<Digest>
    where
        F: Fn(u64) + Send + 'static,
    {
        let data = self.download(&source.id).await?;
        let hasher = Digest::Sha512(String::new()).hasher();
        let travelled = Arc::new(Mutex::new(Travelled { bytes: 0, hasher: Some(hasher) }));
        let seen = Arc::clone(&travelled);
        let data = data.map(move |piece| {
            let piece = piece.map_err(io::Error::other)?;
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.bytes += piece.len() as u64;
            if let Some(hasher) = seen.hasher.as_mut() {
                hasher.update(&piece);
            }
            progress(seen.bytes);
            Ok(piece)
        });
        there.upload(target, data, limit).await?;
        let broken = |message: String| {
            Error::new(ErrorKind::BadResponse, message).with_service("image").with_operation("download image")
        };
        let (bytes, hasher) = {
            let mut travelled = travelled.lock().unwrap_or_else(PoisonError::into_inner);
            (travelled.bytes, travelled.hasher.take())
        };
        if let Some(size) = source.size.filter(|size| *size != bytes) {
            return Err(broken(format!("{bytes} bytes of image {} came, it has {size}", source.id)));
        }
        let digest = hasher.map(Hasher::finish).ok_or_else(|| broken("nothing came".to_owned()))?;
        match source.sha512() {
            Some(expected) if expected != digest => Err(broken(format!(
                "image {} came with digest {}, it has {}",
                source.id,
                digest.value(),
                expected.value()
            ))),
            _ => Ok(digest),
        }
    }

    /// The SHA-512 of an image's data: what Glance says, or, where it says nothing, what comes.
    ///
    /// # Errors
    /// The image cannot be read.
    pub async fn digest(&self, image: &ImageObject) -> Result<Digest> {
        if let Some(digest) = image.sha512() {
            return Ok(digest);
        }
        let mut data = self.download(&image.id).await?;
        let mut hasher = Digest::Sha512(String::new()).hasher();
        while let Some(piece) = data.next().await {
            hasher.update(&piece?);
        }
        Ok(hasher.finish())
    }
}

impl ImageObject {
    fn sha512(&self) -> Option<Digest> {
        Digest::of_image(self.os_hash_algo.as_deref(), self.os_hash_value.as_deref(), None)
    }
}
