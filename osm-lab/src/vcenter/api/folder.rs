//! `/folder`: the bytes of the files of a datastore.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::mishap::Mishap;
use super::{sdk, session};
use crate::api::listener::Wire;
use crate::vcenter::core::{Call, Core};
use crate::vcenter::seed::{DiskKind, Power};
use crate::vcenter::world::{DATACENTER_NAME, World};

/// How much is read at once.
const PIECE: u64 = 1 << 20;

pub(super) async fn answer(core: Arc<Core>, wire: &Wire, request: Request) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let path = decoded(uri.path());
    let range = request.headers().get(header::RANGE).and_then(|value| value.to_str().ok());
    let range = range.map(str::to_owned);
    let name = format!("{method} /folder");
    let body = range.clone().unwrap_or_default();
    core.record(Call { method: name.clone(), object: path.clone(), body });

    let mishap = Mishap::of(&core, wire, &name, &path).await;
    if let Some(instead) = mishap.instead() {
        return instead;
    }
    let place = Place::of(&path, uri.query().unwrap_or_default());
    let (cookie, basic) = (sdk::cookie(request.headers()), basic(request.headers()));
    let looked = Arc::clone(&core);
    let found = tokio::task::spawn_blocking(move || {
        let known = basic.is_some_and(|(user, password)| session::is_user(&user, &password));
        if !known && session::alive(&looked, cookie.as_deref()).is_none() {
            return Err(StatusCode::UNAUTHORIZED);
        }
        let file = looked.look(|world| place.file(world))?;
        let file = File::open(file).map_err(|_| StatusCode::NOT_FOUND)?;
        let size = file.metadata().map_err(|_| StatusCode::NOT_FOUND)?.len();
        Ok((file, size))
    });
    let response = match found.await {
        Ok(Ok((file, size))) => serve(&core, &method, range.as_deref(), file, size),
        Ok(Err(StatusCode::UNAUTHORIZED)) => {
            let realm = [(header::WWW_AUTHENTICATE, "Basic realm=\"VMware HTTP server\"")];
            (StatusCode::UNAUTHORIZED, realm).into_response()
        }
        Ok(Err(StatusCode::INTERNAL_SERVER_ERROR)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "The file is locked.\n").into_response()
        }
        Ok(Err(status)) => status.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    mishap.hit(response)
}

/// A file of a datastore.
struct Place {
    datacenter: Vec<String>,
    datastore: Vec<String>,
    path: String,
}

impl Place {
    fn of(path: &str, query: &str) -> Self {
        // Some clients encode these twice, which a vCenter takes, too.
        let parameter = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let value = pairs.into_iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
            let once = decoded(&value.replace('+', " "));
            let twice = decoded(&once);
            vec![once, twice]
        };
        let path = path.trim_start_matches("/folder/").to_owned();
        Self { datacenter: parameter("dcPath"), datastore: parameter("dsName"), path }
    }

    /// The file with the bytes; what is locked is an internal error, as it is of a vCenter.
    fn file(&self, world: &World) -> Result<PathBuf, StatusCode> {
        if !self.datacenter.iter().any(|name| name == DATACENTER_NAME) {
            return Err(StatusCode::NOT_FOUND);
        }
        let path = self.path.strip_suffix("-flat.vmdk").ok_or(StatusCode::NOT_FOUND)?;
        let disks =
            world.machines.iter().flat_map(|machine| machine.disks.iter().map(move |disk| (machine, disk)));
        let found = disks.into_iter().find(|(_, disk)| {
            let facts = &disk.facts;
            facts.kind == DiskKind::Flat && facts.path == path && self.datastore.contains(&facts.datastore)
        });
        let (machine, disk) = found.ok_or(StatusCode::NOT_FOUND)?;
        match machine.base_image(disk.facts.key) {
            Some(image) => Ok(image.to_owned()),
            None if machine.power == Power::On => Err(StatusCode::INTERNAL_SERVER_ERROR),
            None => Ok(disk.live.clone()),
        }
    }
}

fn serve(core: &Arc<Core>, method: &Method, range: Option<&str>, file: File, size: u64) -> Response {
    let (status, begins, ends) = match range.map(|range| bounds(range, size)) {
        None => (StatusCode::OK, 0, size),
        Some(Some((begins, ends))) => (StatusCode::PARTIAL_CONTENT, begins, ends),
        Some(None) => {
            let whole = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, whole).into_response();
        }
    };
    let mut head = HeaderMap::new();
    let mut insert = |name, value: String| value.parse().map(|value| head.insert(name, value)).map(drop);
    // These are digits and known words, which are always good.
    let _ = insert(header::CONTENT_TYPE, "application/octet-stream".to_owned());
    let _ = insert(header::ACCEPT_RANGES, "bytes".to_owned());
    let _ = insert(header::CONTENT_LENGTH, (ends - begins).to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        let _ = insert(header::CONTENT_RANGE, format!("bytes {begins}-{}/{size}", ends - 1));
    }
    let body = match *method {
        Method::HEAD => Body::empty(),
        _ => pieces(Arc::clone(core), file, begins, ends),
    };
    (status, head, body).into_response()
}

/// The bytes of a range: the end is not part of it.
fn pieces(core: Arc<Core>, file: File, begins: u64, ends: u64) -> Body {
    let file = Arc::new(file);
    Body::from_stream(futures_util::stream::try_unfold(begins, move |at| {
        let (file, core) = (Arc::clone(&file), Arc::clone(&core));
        async move {
            let length = usize::try_from(PIECE.min(ends - at)).map_err(io::Error::other)?;
            if length == 0 {
                return Ok::<_, io::Error>(None);
            }
            let read = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; length];
                file.read_exact_at(&mut piece, at).map(|()| piece)
            });
            let piece = read.await.map_err(io::Error::other)??;
            core.count_bytes(length);
            Ok(Some((Bytes::from(piece), at + length as u64)))
        }
    }))
}

/// What `bytes=a-b`, `bytes=a-` or `bytes=-n` means for a file; none where that is nothing.
fn bounds(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.trim().strip_prefix("bytes=")?.split_once('-')?;
    let (begins, ends) = match (first.trim(), last.trim()) {
        ("", count) => (size.saturating_sub(count.parse().ok()?), size),
        (first, "") => (first.parse().ok()?, size),
        (first, last) => (first.parse().ok()?, last.parse::<u64>().ok()?.saturating_add(1).min(size)),
    };
    (begins < ends).then_some((begins, ends))
}

/// Who asks, by HTTP Basic.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let bytes = BASE64_STANDARD.decode(value.strip_prefix("Basic ")?.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// A text with its percent-encoding undone; what is none stays.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let pair = text.get(index + 1..index + 3).filter(|_| bytes[index] == b'%');
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                index += 3;
            }
            None => {
                plain.push(bytes[index]);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_what_it_covers_of_the_file() {
        assert_eq!(bounds("bytes=0-9", 100), Some((0, 10)));
        assert_eq!(bounds("bytes=90-200", 100), Some((90, 100)));
        assert_eq!(bounds("bytes=90-", 100), Some((90, 100)));
        assert_eq!(bounds("bytes=-5", 100), Some((95, 100)));
        for none in ["bytes=100-", "bytes=5-4", "bytes=x-", "5-6", "bytes=-"] {
            assert_eq!(bounds(none, 100), None, "{none}");
        }
    }

    #[test]
    fn encoding_is_undone_once() {
        assert_eq!(decoded("/folder/a%20b/%C3%A4%2525.vmdk%"), "/folder/a b/ä%25.vmdk%");
        assert_eq!(decoded("%é"), "%é");
    }
}
