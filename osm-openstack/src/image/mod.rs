//! The Image service: images and their data.
//!
//! [`Image`] is one session's view of Glance. Data is streamed; it is
//! never held in memory as a whole. It moves from and to files (`fetch`, [`blob`]).

pub mod blob;
mod digest;
mod fetch;
mod relay;
mod wire;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStream;
use reqwest::Method;

use crate::compute::gone_is_fine;
use crate::error::Result;
use crate::http::Download;
use crate::session::{Service, ServiceKind, Session};
use crate::wait::{Observation, Poll, wait_for};

pub use digest::Digest;
pub use wire::*;

/// The media type of a list of changes.
const PATCH: &str = "application/openstack-images-v2.1-json-patch";

impl Session {
    /// The Image service of this cloud.
    ///
    /// # Errors
    /// When the catalog has none, or it cannot be reached.
    pub async fn image(&self) -> Result<Image> {
        Ok(Image { service: self.service(ServiceKind::Image).await? })
    }
}

/// Glance.
#[derive(Clone)]
pub struct Image {
    service: Service,
}

impl Image {
    /// The service itself, for what has no method here.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// An image; none when there is no such id.
    pub async fn get(&self, id: &str) -> Result<Option<ImageObject>> {
        let request = self.service.request("show image", Method::GET, format!("images/{id}"));
        match request.decode().await {
            Ok(image) => Ok(Some(image)),
            Err(error) if error.kind() == crate::error::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The images that match, of whoever they are.
    pub async fn list(&self, filter: &ImageFilter) -> Result<Vec<ImageObject>> {
        let mut query: Vec<(&str, &str)> = Vec::new();
        // Glance reads a value with a comma or a quote as a list; those are found by looking at all.
        let plain = |value: &&str| !value.contains([',', '"', ':']);
        query.extend(filter.name.as_deref().filter(plain).map(|name| ("name", name)));
        query.extend(filter.owner.as_deref().map(|owner| ("owner", owner)));
        query.extend(filter.properties.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        if filter.hidden {
            query.push(("os_hidden", "true"));
        }
        let images: Vec<ImageObject> = self.service.list("list images", "images", &query, "images").await?;
        Ok(images.into_iter().filter(|image| filter.matches(image)).collect())
    }

    /// Makes an image without data.
    ///
    /// # Errors
    /// `Ambiguous` when the answer was lost: look for the image before making another.
    pub async fn create(&self, image: &CreateImage) -> Result<ImageObject> {
        self.service.request("create image", Method::POST, "images").json(image).decode().await
    }

    /// Changes an image.
    pub async fn update(&self, id: &str, changes: &[Change]) -> Result<ImageObject> {
        self.service
            .request("update image", Method::PATCH, format!("images/{id}"))
            .header("content-type", PATCH)
            .json(changes)
            .decode()
            .await
    }

    /// Deletes an image; one that is gone already is fine.
    pub async fn delete(&self, id: &str) -> Result<()> {
        let request = self.service.request("delete image", Method::DELETE, format!("images/{id}"));
        gone_is_fine(request.empty().await)
    }

    /// Gives an image its data, at most for `limit`. An image takes data once only.
    pub async fn upload<S>(&self, id: &str, data: S, limit: Duration) -> Result<()>
    where
        S: TryStream<Ok = Bytes, Error = io::Error> + Send + 'static,
    {
        self.service
            .request("upload image", Method::PUT, format!("images/{id}/file"))
            .stream(data)
            .timeout(limit)
            .empty()
            .await
    }

    /// The data of an image as it comes.
    pub async fn download(&self, id: &str) -> Result<Download> {
        self.download_from(id, 0).await
    }

    /// The data of an image from this byte on. When the answer has no `content-range`, it is all of it.
    pub async fn download_from(&self, id: &str, start: u64) -> Result<Download> {
        let request = self.service.request("download image", Method::GET, format!("images/{id}/file"));
        let request = if start > 0 { request.header("range", &format!("bytes={start}-")) } else { request };
        request.download().await
    }

    /// Waits until an image is in one of these statuses.
    ///
    /// # Errors
    /// `State` when it is deleted or gone; `Timeout`.
    pub async fn wait(&self, id: &str, statuses: &[&str], limit: Duration) -> Result<ImageObject> {
        let what = format!("image {id} in status {}", statuses.join(" or "));
        wait_for(&what, limit, Poll::default(), || async {
            Ok(match self.get(id).await? {
                None => Observation::Failed("it is gone".to_owned()),
                Some(image) if statuses.contains(&image.status.as_str()) => Observation::Ready(image),
                Some(image) if matches!(image.status.as_str(), "killed" | "deleted" | "pending_delete") => {
                    Observation::failed(&image.status, None)
                }
                Some(image) => Observation::Pending(image.status),
            })
        })
        .await
    }
}
