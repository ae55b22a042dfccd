//! What was done to servers.

use axum::extract::Path;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::own;
use super::state::Server;
use crate::api::{Answer, Call, json};
use crate::clock::{column, new_id, now};

/// Something that was asked for and begun.
#[derive(Debug, Clone)]
pub(crate) struct Action {
    name: &'static str,
    request_id: String,
    started: Timestamp,
}

impl Server {
    /// Notes what is begun.
    pub(super) fn note(&mut self, name: &'static str) {
        let request_id = format!("req-{}", new_id());
        self.history.push(Action { name, request_id, started: now() });
    }
}

/// The latest first.
pub(super) async fn list(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    let server = own(&call, &mut world, &id)?;
    let view = |action: &Action| -> Value {
        json!({
            "action": action.name,
            "instance_uuid": server.id,
            "message": null,
            "project_id": server.project_id,
            "request_id": action.request_id,
            "start_time": column(action.started),
            "user_id": server.user_id,
        })
    };
    let rows: Vec<Value> = server.history.iter().rev().map(view).collect();
    Ok(json(200, &json!({"instanceActions": rows})))
}
