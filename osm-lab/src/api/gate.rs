//! What happens to every request before and after its handler: it is recorded, faults hit it, and the answer
//! gets its request id.

use std::io;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;

use crate::api::call::Asked;
use crate::api::listener::Wire;
use crate::api::{Context, Microversion, Refusal};
use crate::clock::new_id;
use crate::cloud::{RecordedRequest, Service};
use crate::fault::FaultKind;
use crate::flight::Flight;

/// The largest body but image data.
const LARGEST_BODY: usize = 8 << 20;

/// The media type of image data, which is streamed and not recorded.
pub(crate) struct ImageData;

impl ImageData {
    pub(crate) const TYPE: &'static str = "application/octet-stream";
}

pub(super) async fn pass(
    State(context): State<Context>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
    next: Next,
) -> Response {
    let Context { cloud, service } = context;
    let _under_way = Flight::of(&cloud, service);
    let method = request.method().to_string();
    let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    let headers = request.headers().clone();
    let quiet = path == "/" && request.method() == Method::GET;
    let mut request = match record(&cloud, service, &method, &path, request).await {
        Ok(request) => request,
        Err(refusal) => return refusal.into_response(),
    };

    let (mut mishaps, mut cut, mut cut_after, mut instead) = (Vec::new(), false, None, None);
    for fault in cloud.take_faults(service, &method, &path) {
        match fault {
            FaultKind::Latency(time) => tokio::time::sleep(time).await,
            FaultKind::Status(status, seconds) => {
                let message = "The server is currently unavailable. Please try again at a later time.";
                instead = Some(Refusal::new(service, status, message).retry_after(seconds));
            }
            FaultKind::Drop => {
                wire.cut();
                instead = Some(Refusal::new(service, 503, ""));
            }
            FaultKind::DropReply => cut = true,
            FaultKind::CutBody(length) => cut_after = Some(length),
            FaultKind::ExpireTokens => cloud.expire_tokens(),
            other => mishaps.push(other),
        }
    }
    let mut response = match instead {
        Some(refusal) => refusal.into_response(),
        None => {
            let (path, query) = path.split_once('?').unwrap_or((&path, ""));
            let (path, query) = (path.to_owned(), query.to_owned());
            request.extensions_mut().insert(Asked { path, query, mishaps });
            next.run(request).await
        }
    };
    if cut {
        wire.cut();
    }
    if let Some(length) = cut_after {
        response = response.map(|body| cut_body(body, length));
    }
    stamp(&mut response, service);
    if let (Some(word), false) = (Microversion::word(service), quiet)
        && let Ok(version) = Microversion::of(&headers, service, cloud.newer())
    {
        insert(&mut response, "openstack-api-version", &format!("{word} {version}"));
    }
    response
}

/// The first `length` bytes, then an error, on which the connection is closed.
pub(crate) fn cut_body(body: Body, length: usize) -> Body {
    let pieces =
        futures_util::stream::try_unfold((body.into_data_stream(), length), |(mut body, left)| async move {
            if left == 0 {
                // What was sent so far goes out first.
                tokio::task::yield_now().await;
                return Err(io::Error::other("cut"));
            }
            let Some(piece) = body.next().await else { return Ok(None) };
            let mut piece = piece.map_err(io::Error::other)?;
            piece.truncate(left);
            let left = left - piece.len();
            Ok(Some((piece, (body, left))))
        });
    Body::from_stream(pieces)
}

/// Notes the request and hands it on with its body readable again.
async fn record(
    cloud: &crate::Cloud,
    service: Service,
    method: &str,
    path: &str,
    request: Request,
) -> Result<Request, Refusal> {
    let data = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == ImageData::TYPE);
    let (parts, body) = request.into_parts();
    let (body, text) = if data {
        (body, String::new())
    } else {
        let bytes = to_bytes(body, LARGEST_BODY).await;
        let bytes = bytes.map_err(|_| Refusal::new(service, 413, "Request is too large."))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (Body::from(bytes), text)
    };
    cloud.record(RecordedRequest { service, method: method.to_owned(), path: path.to_owned(), body: text });
    Ok(Request::from_parts(parts, body))
}

fn stamp(response: &mut Response, service: Service) {
    let id = format!("req-{}", new_id());
    insert(response, "x-openstack-request-id", &id);
    if matches!(service, Service::Nova | Service::Cinder) {
        insert(response, "x-compute-request-id", &id);
    }
}

fn insert(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}
