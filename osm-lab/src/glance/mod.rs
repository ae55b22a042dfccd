//! Images v2.

mod create;
mod data;
mod images;
mod patch;
mod state;
mod tags;
mod version;

use axum::Router;
use axum::routing::{get, put};

pub(crate) use images::sees;
pub(crate) use state::{Image, Images};

use crate::api::{Context, Refusal};
use crate::cloud::Service;

pub(crate) fn routes() -> Router<Context> {
    Router::new()
        .route("/", get(version::choices))
        .route("/versions", get(version::all))
        .route("/v2/images", get(images::list).post(create::create))
        .route("/v2/images/{id}", get(images::show).patch(patch::patch).delete(images::delete))
        .route("/v2/images/{id}/file", get(data::download).put(data::upload))
        .route("/v2/images/{id}/tags/{tag}", put(tags::add).delete(tags::remove))
        .route("/v2/images/{id}/members", get(tags::members).post(tags::share))
        .route("/v2/schemas/image", get(version::schema))
}

fn missing(id: &str) -> Refusal {
    refuse(404, format!("No image found with ID {id}"))
}

fn refuse(status: u16, message: impl AsRef<str>) -> Refusal {
    Refusal::new(Service::Glance, status, message)
}
