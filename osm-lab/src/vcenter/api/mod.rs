//! What a vCenter answers over HTTPS.

mod areas;
mod collector;
mod dispatch;
mod fault;
mod folder;
mod listener;
mod mishap;
mod nfc;
mod object;
mod power;
mod sdk;
mod search;
mod session;
mod snapshots;
mod spec;
mod tasks;
mod updates;
mod views;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rustls::ServerConfig;

pub(crate) use self::fault::Fault;
pub(crate) use self::spec::FilterSpec;

use self::listener::TlsListener;
use super::core::Core;
use crate::api::listener::Wire;

/// Serves a vCenter until the runtime ends.
pub(super) fn serve(core: &Arc<Core>, listener: TcpListener, tls: ServerConfig) -> io::Result<()> {
    let listener = TlsListener::start(listener, tls)?;
    let service = Router::new().fallback(answer).with_state(Arc::clone(core));
    let service = service.into_make_service_with_connect_info::<Wire>();
    tokio::spawn(async move {
        // It ends with the runtime, never by itself.
        let _ = axum::serve(listener, service).await;
    });
    Ok(())
}

async fn answer(
    State(core): State<Arc<Core>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response {
    tokio::time::sleep(core.options.latency).await;
    let path = request.uri().path();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match path {
        "/sdk" | "/sdk/" if request.method() == Method::POST => sdk::answer(core, &wire, request).await,
        "/sdk/vimServiceVersions.xml" if reads => {
            ([(header::CONTENT_TYPE, "text/xml")], VERSIONS).into_response()
        }
        path if path.starts_with("/folder/") && reads => folder::answer(core, &wire, request).await,
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The versions of the API that it speaks.
const VERSIONS: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<namespaces version="1.0">
  <namespace>
    <name>urn:vim25</name>
    <version>8.0.3.0</version>
    <priorVersions>
      <version>8.0.2.0</version>
      <version>8.0.1.0</version>
      <version>8.0.0.1</version>
      <version>7.0.3.0</version>
      <version>7.0</version>
      <version>6.9.1</version>
      <version>6.7.3</version>
      <version>6.7</version>
      <version>6.5</version>
      <version>6.0</version>
    </priorVersions>
  </namespace>
</namespaces>
"#;
