//! Flavors and their extra specs.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::listing::{answer, links};
use super::state::Flavor;
use super::{admin_only, refuse};
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::clock::new_id;
use crate::world::World;

fn view(call: &Call, flavor: &Flavor) -> Value {
    let swap = if flavor.swap == 0 && !call.at_least(2, 75) { json!("") } else { json!(flavor.swap) };
    let mut body = json!({
        "id": flavor.id,
        "name": flavor.name,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "swap": swap,
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral,
        "OS-FLV-DISABLED:disabled": false,
        "vcpus": flavor.vcpus,
        "os-flavor-access:is_public": flavor.public,
        "rxtx_factor": flavor.rxtx,
        "links": links(call, "flavors", &flavor.id),
    });
    if call.at_least(2, 55) {
        body["description"] = json!(flavor.description);
    }
    if call.at_least(2, 61) {
        body["extra_specs"] = json!(flavor.specs);
    }
    body
}

fn rows<'a>(call: &Call, world: &'a World) -> Vec<&'a Flavor> {
    let number = |name: &str| call.query.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let public = call.query.get("is_public").filter(|_| call.caller.admin).map(str::to_ascii_lowercase);
    let matches = |flavor: &&Flavor| {
        let seen = match public.as_deref() {
            None => flavor.public || flavor.access.contains(&call.caller.project_id),
            Some("true" | "1") => flavor.public,
            Some("false" | "0") => !flavor.public,
            Some(_) => true,
        };
        seen && flavor.disk >= number("minDisk") && flavor.ram >= number("minRam")
    };
    let mut rows: Vec<&Flavor> = world.nova.flavors.iter().filter(matches).collect();
    rows.sort_by(|left, right| left.id.cmp(&right.id));
    rows
}

pub(super) async fn list(call: Call) -> Answer {
    let world = call.cloud.world();
    answer(&call, "flavors", rows(&call, &world), |flavor| {
        let mut body =
            json!({"id": flavor.id, "name": flavor.name, "links": links(&call, "flavors", &flavor.id)});
        if call.at_least(2, 55) {
            body["description"] = json!(flavor.description);
        }
        body
    })
}

pub(super) async fn detail(call: Call) -> Answer {
    let world = call.cloud.world();
    answer(&call, "flavors", rows(&call, &world), |flavor| view(&call, flavor))
}

fn find<'a>(call: &Call, world: &'a mut World, id: &str) -> Result<&'a mut Flavor, Refusal> {
    let caller = &call.caller;
    let seen =
        |flavor: &&mut Flavor| flavor.public || caller.admin || flavor.access.contains(&caller.project_id);
    let flavor = world.nova.flavors.get_mut(id).filter(seen);
    flavor.ok_or_else(|| refuse(404, format!("Flavor {id} could not be found.")))
}

pub(super) async fn show(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    Ok(json(200, &json!({"flavor": view(&call, find(&call, &mut world, &id)?)})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    ram: u64,
    vcpus: u64,
    disk: u64,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    swap: u64,
    #[serde(rename = "OS-FLV-EXT-DATA:ephemeral", default)]
    ephemeral: u64,
    #[serde(default)]
    rxtx_factor: Option<f64>,
    #[serde(rename = "os-flavor-access:is_public", default)]
    public: Option<bool>,
    #[serde(default)]
    description: Option<String>,
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    admin_only(&call, "os_compute_api:os-flavor-manage:create")?;
    let create: Create = call.read(&body, "flavor")?;
    if create.description.is_some() && !call.at_least(2, 55) {
        return Err(refuse(400, "Additional properties are not allowed ('description' was unexpected)"));
    }
    let mut world = call.cloud.world();
    let id = create.id.filter(|id| id != "auto").unwrap_or_else(new_id);
    if world.nova.flavors.iter().any(|flavor| flavor.name == create.name) {
        return Err(refuse(409, format!("Flavor with name {} already exists.", create.name)));
    }
    if world.nova.flavors.get(&id).is_some() {
        return Err(refuse(409, format!("Flavor with ID {id} already exists.")));
    }
    let flavor = Flavor {
        id,
        name: create.name,
        ram: create.ram,
        disk: create.disk,
        vcpus: create.vcpus,
        swap: create.swap,
        ephemeral: create.ephemeral,
        rxtx: create.rxtx_factor.unwrap_or(1.0),
        public: create.public.unwrap_or(true),
        description: create.description,
        specs: BTreeMap::new(),
        access: Vec::new(),
    };
    let body = view(&call, &flavor);
    world.nova.flavors.insert(flavor);
    Ok(json(200, &json!({"flavor": body})))
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    admin_only(&call, "os_compute_api:os-flavor-manage:delete")?;
    let mut world = call.cloud.world();
    find(&call, &mut world, &id)?;
    world.nova.flavors.remove(&id);
    Ok(empty(202))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Describe {
    description: Option<String>,
}

pub(super) async fn describe(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    admin_only(&call, "os_compute_api:os-flavor-manage:update")?;
    if !call.at_least(2, 55) {
        return Err(refuse(404, "The resource could not be found."));
    }
    let Describe { description } = call.read(&body, "flavor")?;
    let mut world = call.cloud.world();
    let flavor = find(&call, &mut world, &id)?;
    flavor.description = description;
    Ok(json(200, &json!({"flavor": view(&call, flavor)})))
}

fn access_view(flavor: &Flavor) -> Value {
    let rows: Vec<Value> =
        flavor.access.iter().map(|project| json!({"flavor_id": flavor.id, "tenant_id": project})).collect();
    json!({"flavor_access": rows})
}

pub(super) async fn access(call: Call, Path(id): Path<String>) -> Answer {
    admin_only(&call, "os_compute_api:os-flavor-access")?;
    let mut world = call.cloud.world();
    let flavor = find(&call, &mut world, &id)?;
    if flavor.public {
        return Err(refuse(404, "Access list not available for public flavors."));
    }
    Ok(json(200, &access_view(flavor)))
}

#[derive(Deserialize)]
struct Tenant {
    tenant: String,
}

pub(super) async fn action(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    admin_only(&call, "os_compute_api:os-flavor-access:add_tenant_access")?;
    let Tenant { tenant } = call.read(&body, "addTenantAccess")?;
    let mut world = call.cloud.world();
    if world.keystone.projects.get(&tenant).is_none() {
        return Err(refuse(400, format!("Project ID {tenant} is not a valid project.")));
    }
    let flavor = find(&call, &mut world, &id)?;
    if flavor.public {
        return Err(refuse(409, "Can not add access to a public flavor."));
    }
    if flavor.access.contains(&tenant) {
        return Err(refuse(
            409,
            format!("Flavor access already exists for flavor {id} and project {tenant} combination."),
        ));
    }
    flavor.access.push(tenant);
    Ok(json(200, &access_view(flavor)))
}

pub(super) async fn specs(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    Ok(json(200, &json!({"extra_specs": find(&call, &mut world, &id)?.specs})))
}

pub(super) async fn add_specs(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    admin_only(&call, "os_compute_api:os-flavor-extra-specs:create")?;
    let given: BTreeMap<String, String> = call.read(&body, "extra_specs")?;
    let mut world = call.cloud.world();
    find(&call, &mut world, &id)?.specs.extend(given.clone());
    Ok(json(200, &json!({"extra_specs": given})))
}

pub(super) async fn set_spec(call: Call, Path((id, key)): Path<(String, String)>, body: Bytes) -> Answer {
    admin_only(&call, "os_compute_api:os-flavor-extra-specs:update")?;
    let mut given: BTreeMap<String, String> = call.read(&body, "")?;
    let value = given.remove(&key).ok_or_else(|| refuse(400, "Request body and URI mismatch"))?;
    let mut world = call.cloud.world();
    find(&call, &mut world, &id)?.specs.insert(key.clone(), value.clone());
    Ok(json(200, &json!({key: value})))
}

pub(super) async fn remove_spec(call: Call, Path((id, key)): Path<(String, String)>) -> Answer {
    admin_only(&call, "os_compute_api:os-flavor-extra-specs:delete")?;
    let mut world = call.cloud.world();
    let removed = find(&call, &mut world, &id)?.specs.remove(&key);
    removed.ok_or_else(|| refuse(404, format!("Flavor {id} has no extra specs with key {key}.")))?;
    Ok(empty(200))
}
