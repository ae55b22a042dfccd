//! Block storage v3.

mod actions;
mod create;
mod limits;
mod listing;
mod metadata;
mod snapshots;
mod state;
mod types;
mod upload;
mod version;
mod volumes;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use create::{VolumeSpec, make as make_volume};
pub(crate) use snapshots::{SnapshotSpec, make as make_snapshot};
pub(crate) use state::{Attachment, BlockStorage, Volume, VolumeType};
pub(crate) use types::set as set_types;
pub(crate) use volumes::remove as remove_volume;

use crate::api::{Call, Context, Refusal};
use crate::cloud::Service;

pub(crate) fn routes() -> Router<Context> {
    let project = Router::new()
        .route("/volumes", get(volumes::list).post(create::create))
        .route("/volumes/detail", get(volumes::detail))
        .route("/volumes/summary", get(volumes::summary))
        .route("/volumes/{id}", get(volumes::show).put(volumes::update).delete(volumes::delete))
        .route("/volumes/{id}/action", post(actions::act))
        .route("/volumes/{id}/metadata", get(metadata::list).post(metadata::merge).put(metadata::replace))
        .route(
            "/volumes/{id}/metadata/{key}",
            get(metadata::show).put(metadata::set).delete(metadata::remove),
        )
        .route("/snapshots", get(snapshots::list).post(snapshots::create))
        .route("/snapshots/detail", get(snapshots::detail))
        .route("/snapshots/{id}", get(snapshots::show).put(snapshots::update).delete(snapshots::delete))
        .route(
            "/snapshots/{id}/metadata",
            get(metadata::of_snapshot).post(metadata::merge_snapshot).put(metadata::replace_snapshot),
        )
        .route("/types", get(types::list))
        .route("/types/{id}", get(types::show))
        .route("/limits", get(limits::limits))
        .route("/os-quota-sets/{project}", get(limits::quotas).put(limits::update))
        .route("/os-quota-sets/{project}/defaults", get(limits::defaults))
        .route("/os-availability-zone", get(types::zones))
        .route("/extensions", get(types::extensions));
    Router::new()
        .route("/", get(version::all))
        .route("/v3", get(version::one))
        .route("/v3/", get(version::one))
        .route("/v3/{project_id}/", get(version::nothing))
        .nest("/v3/{project_id}", project)
}

fn missing(kind: &str, id: &str) -> Refusal {
    Refusal::new(Service::Cinder, 404, format!("{kind} {id} could not be found."))
}

fn invalid(message: impl AsRef<str>) -> Refusal {
    Refusal::new(Service::Cinder, 400, message)
}

/// The refusal of a request whose URL names another project than its token.
fn own_url(call: &Call) -> Result<(), Refusal> {
    let named = call.path.split('/').nth(2).unwrap_or_default();
    if named == call.caller.project_id {
        return Ok(());
    }
    let message = format!(
        "Malformed request URL: URL's project_id '{named}' doesn't match Context's project_id '{}'",
        call.caller.project_id
    );
    Err(invalid(message))
}

fn admin_only(call: &Call, rule: &str) -> Result<(), Refusal> {
    if call.caller.admin {
        return Ok(());
    }
    Err(call.refuse(403, format!("Policy doesn't allow {rule} to be performed.")))
}
