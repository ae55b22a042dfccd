//! Compute v2.1.

mod actions;
mod attachments;
mod block_devices;
mod create;
mod delete;
mod flavors;
mod history;
mod images;
mod interfaces;
mod keypairs;
mod limits;
mod listing;
mod metadata;
mod networks;
mod servers;
mod state;
mod tags;
mod version;
mod view;

use axum::Router;
use axum::routing::{get, post, put};

pub(crate) use attachments::complete as plug_in;
pub(crate) use keypairs::fingerprint;
pub(crate) use state::{Compute, Disk, Flavor, Keypair, Server};

use crate::api::{Call, Context, Refusal};
use crate::cloud::Service;
use crate::world::World;

pub(crate) fn routes() -> Router<Context> {
    let server = Router::new()
        .route("/", get(servers::show).put(servers::update).delete(delete::delete))
        .route("/action", post(actions::act))
        .route("/os-instance-actions", get(history::list))
        .route("/metadata", get(metadata::list).post(metadata::merge).put(metadata::replace))
        .route("/metadata/{key}", get(metadata::show).put(metadata::set).delete(metadata::remove))
        .route("/tags", get(tags::list).put(tags::replace).delete(tags::clear))
        .route("/tags/{tag}", get(tags::check).put(tags::add).delete(tags::remove))
        .route("/ips", get(interfaces::ips))
        .route("/os-security-groups", get(interfaces::groups))
        .route("/os-interface", get(interfaces::list).post(interfaces::attach))
        .route("/os-interface/{port}", get(interfaces::show).delete(interfaces::detach))
        .route("/os-volume_attachments", get(attachments::list).post(attachments::attach))
        .route("/os-volume_attachments/{volume}", get(attachments::show).delete(attachments::detach));
    let v2 = Router::new()
        .route("/servers", get(servers::list).post(create::create))
        .route("/servers/detail", get(servers::detail))
        .nest("/servers/{id}", server)
        .route("/flavors", get(flavors::list).post(flavors::create))
        .route("/flavors/detail", get(flavors::detail))
        .route("/flavors/{id}", get(flavors::show).put(flavors::describe).delete(flavors::delete))
        .route("/flavors/{id}/os-flavor-access", get(flavors::access))
        .route("/flavors/{id}/action", post(flavors::action))
        .route("/flavors/{id}/os-extra_specs", get(flavors::specs).post(flavors::add_specs))
        .route("/flavors/{id}/os-extra_specs/{key}", put(flavors::set_spec).delete(flavors::remove_spec))
        .route("/os-keypairs", get(keypairs::list).post(keypairs::create))
        .route("/os-keypairs/{name}", get(keypairs::show).delete(keypairs::delete))
        .route("/limits", get(limits::limits))
        .route("/os-quota-sets/{project}", get(limits::quotas).put(limits::update))
        .route("/os-quota-sets/{project}/detail", get(limits::details))
        .route("/os-availability-zone", get(limits::zones))
        .route("/os-server-groups", get(limits::server_groups))
        .route("/extensions", get(limits::extensions));
    Router::new()
        .route("/", get(version::all))
        .route("/v2.1", get(version::one))
        .route("/v2.1/", get(version::one))
        .nest("/v2.1", v2)
}

fn refuse(status: u16, message: impl AsRef<str>) -> Refusal {
    Refusal::new(Service::Nova, status, message)
}

fn no_server(id: &str) -> Refusal {
    refuse(404, format!("Instance {id} could not be found."))
}

fn admin_only(call: &Call, rule: &str) -> Result<(), Refusal> {
    if call.caller.admin {
        return Ok(());
    }
    Err(refuse(403, format!("Policy doesn't allow {rule} to be performed.")))
}

/// The server, if the caller may see it; then it may change it too.
fn own<'a>(call: &Call, world: &'a mut World, id: &str) -> Result<&'a mut Server, Refusal> {
    let server = world.nova.servers.get_mut(id).filter(|server| call.caller.sees(&server.project_id));
    server.ok_or_else(|| no_server(id))
}

/// What Nova answers when another service refuses: its own words around the other's message.
fn passed_on(refusal: &Refusal) -> Refusal {
    let message = refusal.message();
    match refusal.status() {
        413 => refuse(403, message),
        409 => refuse(409, message),
        _ => refuse(400, message),
    }
}
