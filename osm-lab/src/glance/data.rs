//! The data of images.

use std::io;

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, RANGE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

use super::images::{own, sees};
use super::{missing, refuse};
use crate::api::{Answer, Call, ImageData, Refusal, empty};
use crate::digest::Digests;

pub(super) async fn upload(call: Call, Path(id): Path<String>, request: Request) -> Answer {
    let kind = request.headers().get(CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != ImageData::TYPE) {
        return Err(refuse(415, "The server does not support the media type of this request."));
    }
    {
        let mut world = call.cloud.world();
        let image = own(&call, &mut world, &id)?;
        if image.status != "queued" {
            let message = format!("Image status transition from {} to saving is not allowed", image.status);
            return Err(refuse(409, message));
        }
        if image.disk_format.is_none() || image.container_format.is_none() {
            return Err(refuse(
                400,
                "Properties disk_format, container_format must be set prior to saving data.",
            ));
        }
        image.set("saving");
    }
    let stored = store(&call, &id, request.into_body()).await;
    let mut world = call.cloud.world();
    let image = world.glance.images.get_mut(&id).ok_or_else(|| missing(&id))?;
    match stored {
        Ok((size, digests)) => {
            let (checksum, hash) = digests.finish();
            image.size = Some(size);
            image.virtual_size = (image.disk_format.as_deref() == Some("raw")).then_some(size);
            image.checksum = Some(checksum);
            image.hash = Some(hash);
            image.set("active");
            Ok(empty(204))
        }
        // The upload broke off: the image can be filled again.
        Err(_) => {
            image.set("queued");
            Err(refuse(
                400,
                "Error in store configuration or in the data. Adding images to store is not possible.",
            ))
        }
    }
}

async fn store(call: &Call, id: &str, body: Body) -> io::Result<(u64, Digests)> {
    let mut file = File::create(call.cloud.image_file(id)).await?;
    let (mut size, mut digests) = (0, Digests::new());
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(io::Error::other)?;
        size += chunk.len() as u64;
        digests.update(&chunk);
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    Ok((size, digests))
}

pub(super) async fn download(call: Call, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let image = {
        let world = call.cloud.world();
        let image = world.glance.images.get(&id);
        let image = image.filter(|image| call.caller.admin || sees(image, &call.caller.project_id));
        image.ok_or_else(|| missing(&id))?.clone()
    };
    let size = image.size.unwrap_or(0);
    if image.status != "active" || size == 0 {
        return Ok(empty(204));
    }
    let gone = |_| refuse(404, "Image data not found.");
    let mut file = File::open(call.cloud.image_file(&id)).await.map_err(gone)?;
    let start = headers.get(RANGE).map(start_of).transpose()?.unwrap_or(0);
    if start >= size {
        return Err(refuse(416, "The requested range is not satisfiable."));
    }
    file.seek(io::SeekFrom::Start(start)).await.map_err(gone)?;
    let mut response = Response::new(Body::from_stream(ReaderStream::with_capacity(file, 256 << 10)));
    if start > 0 {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        insert(&mut response, CONTENT_RANGE, &format!("bytes {start}-{}/{size}", size - 1));
    }
    insert(&mut response, CONTENT_TYPE, ImageData::TYPE);
    insert(&mut response, CONTENT_LENGTH, &(size - start).to_string());
    if let Some(checksum) = image.checksum.filter(|_| start == 0) {
        insert(&mut response, HeaderName::from_static("content-md5"), &checksum);
    }
    Ok(response)
}

/// The first byte of `bytes=START-`, the one form that is understood here.
fn start_of(range: &HeaderValue) -> Result<u64, Refusal> {
    let range = range.to_str().ok().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    range.and_then(|start| start.parse().ok()).ok_or_else(|| refuse(416, "The range is not understood."))
}

fn insert(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
