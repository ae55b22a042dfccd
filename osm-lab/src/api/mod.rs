//! What the five services share of HTTP.

mod call;
pub(crate) mod gate;
pub(crate) mod listener;
mod page;
mod refusal;
mod version;

use std::io;
use std::net::TcpListener;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

pub(crate) use call::{Call, Caller, Query};
pub(crate) use gate::ImageData;
pub(crate) use page::page;
pub(crate) use refusal::Refusal;
pub(crate) use version::Microversion;

use crate::cloud::{Cloud, Service};
use crate::{cinder, glance, keystone, neutron, nova};

/// What every handler can reach.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) cloud: Cloud,
    pub(crate) service: Service,
}

/// What a handler answers.
pub(crate) type Answer = Result<Response, Refusal>;

/// A JSON answer.
pub(crate) fn json(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(body)).into_response()
}

/// An answer without a body.
pub(crate) fn empty(status: u16) -> Response {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

/// Serves one service on one port until the runtime ends.
pub(crate) fn serve(cloud: &Cloud, service: Service, listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let context = Context { cloud: cloud.clone(), service };
    let routes = match service {
        Service::Keystone => keystone::routes(),
        Service::Nova => nova::routes(),
        Service::Neutron => neutron::routes(),
        Service::Cinder => cinder::routes(),
        Service::Glance => glance::routes(),
    };
    let routes: Router = routes
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(context.clone(), gate::pass))
        .with_state(context);
    let service = routes.into_make_service_with_connect_info::<listener::Wire>();
    tokio::spawn(async move {
        // It ends with the runtime, never by itself.
        let _ = axum::serve(listener::LabListener(listener), service).await;
    });
    Ok(())
}

async fn not_found(call: Call) -> Refusal {
    call.refuse(404, "The resource could not be found.")
}
