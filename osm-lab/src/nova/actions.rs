//! What can be done to a server.

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::state::Server;
use super::{admin_only, images, own, refuse};
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::cloud::Cloud;
use crate::fault::FaultKind;
use crate::world::World;

pub(super) async fn act(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let actions: Map<String, Value> = call.read(&body, "")?;
    let Some((name, value)) = actions.iter().next() else {
        return Err(refuse(400, "Malformed request body"));
    };
    let mut world = call.cloud.world();
    let server = own(&call, &mut world, &id)?;
    let unlocks = matches!(name.as_str(), "unlock" | "lock" | "createImage" | "os-getConsoleOutput");
    if server.locked && !call.caller.admin && !unlocks {
        return Err(refuse(409, format!("Instance {id} is locked")));
    }
    match name.as_str() {
        "os-stop" => {
            begin(server, "stop", &["ACTIVE", "ERROR"], "powering-off")?;
            end(&call.cloud, id, "SHUTOFF", None);
        }
        "os-start" => {
            begin(server, "start", &["SHUTOFF"], "powering-on")?;
            let mishap = call.mishap(|fault| match fault {
                FaultKind::ServerError(message) => Some(message.clone()),
                _ => None,
            });
            end(&call.cloud, id, "ACTIVE", mishap);
        }
        "reboot" => {
            begin(server, "reboot", &["ACTIVE", "SHUTOFF"], "rebooting")?;
            "REBOOT".clone_into(&mut server.status);
            end(&call.cloud, id, "ACTIVE", None);
        }
        "createImage" => return images::create(&call, &mut world, &id, value),
        "lock" => server.locked = true,
        "unlock" => server.locked = false,
        "os-getConsoleOutput" => {
            let login = format!("{} login: ", server.name);
            let keys = world.nova.host_key.as_ref().map(|key| {
                format!("-----BEGIN SSH HOST KEY KEYS-----\n{key}\n-----END SSH HOST KEY KEYS-----\n")
            });
            return Ok(json(200, &json!({"output": keys.unwrap_or_default() + &login})));
        }
        "addSecurityGroup" => group(&mut world, &id, value, true)?,
        "removeSecurityGroup" => group(&mut world, &id, value, false)?,
        "os-resetState" => {
            admin_only(&call, "os_compute_api:os-admin-actions:reset_state")?;
            let active = value["state"] == "active";
            server.set(if active { "ACTIVE" } else { "ERROR" });
        }
        _ => return Err(refuse(400, format!("There is no such action: {name}"))),
    }
    Ok(empty(202))
}

fn begin(server: &mut Server, what: &'static str, from: &[&str], task: &str) -> Result<(), Refusal> {
    let id = &server.id;
    if let Some(task) = &server.task {
        return Err(refuse(409, format!("Cannot '{what}' instance {id} while it is in task_state {task}")));
    }
    if !from.contains(&server.status.as_str()) {
        let state = server.vm_state();
        return Err(refuse(409, format!("Cannot '{what}' instance {id} while it is in vm_state {state}")));
    }
    server.task = Some(task.to_owned());
    server.note(what);
    Ok(())
}

fn end(cloud: &Cloud, id: String, status: &'static str, mishap: Option<String>) {
    cloud.later(move |cloud| {
        let mut world = cloud.world();
        if let Some(server) = world.nova.servers.get_mut(&id) {
            match mishap {
                Some(message) => server.fail(&message),
                None => server.set(status),
            }
        }
        let running = status == "ACTIVE";
        for port in world.neutron.ports.iter_mut().filter(|port| port.device_id == id) {
            port.active = running;
            port.base.touch();
        }
    });
}

#[derive(Deserialize)]
struct GroupName {
    name: String,
}

fn group(world: &mut World, server_id: &str, value: &Value, add: bool) -> Result<(), Refusal> {
    let wanted: Result<GroupName, _> = serde_json::from_value(value.clone());
    let GroupName { name } = wanted.map_err(|error| refuse(400, error.to_string()))?;
    let server = world.nova.servers.get(server_id);
    let project = server.map(|server| server.project_id.clone()).unwrap_or_default();
    let here = |group: &&crate::neutron::Group| {
        group.base.project_id == project && (group.base.name == name || group.base.id == name)
    };
    let group = world.neutron.groups.iter().find(here).map(|group| group.base.id.clone());
    let group = group
        .ok_or_else(|| refuse(404, format!("Security group {name} not found for project {project}.")))?;
    for port in world.neutron.ports.iter_mut().filter(|port| port.device_id == server_id) {
        port.groups.retain(|id| *id != group);
        if add {
            port.groups.push(group.clone());
        }
        port.base.touch();
    }
    Ok(())
}
