//! Building servers.

use std::collections::BTreeMap;

use axum::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::block_devices::{self, BlockDevice};
use super::listing::links;
use super::networks::{self, Group};
use super::refuse;
use super::state::{Flavor, Server};
use crate::api::{Answer, Call, Refusal, json};
use crate::clock::{new_hex_id, now};
use crate::cloud::Cloud;
use crate::disk::{self, GIB};
use crate::fault::FaultKind;
use crate::glance;
use crate::quota::Quotas;
use crate::world::World;

/// What a server is created with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    #[serde(rename = "flavorRef")]
    flavor: Value,
    #[serde(rename = "imageRef", default)]
    image: Option<String>,
    #[serde(default)]
    networks: Option<Value>,
    #[serde(default)]
    block_device_mapping_v2: Vec<BlockDevice>,
    #[serde(default)]
    security_groups: Vec<Group>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    description: Option<String>,
    tags: Option<Vec<String>>,
    key_name: Option<String>,
    availability_zone: Option<String>,
    config_drive: Option<Value>,
    user_data: Option<String>,
    #[serde(rename = "OS-DCF:diskConfig", default)]
    disk_config: Option<String>,
    #[serde(rename = "adminPass", default)]
    password: Option<String>,
    #[serde(default)]
    min_count: Option<Value>,
    #[serde(default)]
    max_count: Option<Value>,
    #[serde(default)]
    return_reservation_id: Option<Value>,
    #[serde(default)]
    personality: Option<Value>,
    #[serde(rename = "accessIPv4", default)]
    access_v4: Option<String>,
    #[serde(rename = "accessIPv6", default)]
    access_v6: Option<String>,
    #[serde(default)]
    hostname: Option<String>,
    #[serde(default)]
    trusted_image_certificates: Option<Value>,
}

impl Create {
    /// Keys that came with later versions.
    fn check(&self, call: &Call) -> Result<(), Refusal> {
        let since = [
            ("description", 19, self.description.is_some()),
            ("tags", 52, self.tags.is_some()),
            ("trusted_image_certificates", 63, self.trusted_image_certificates.is_some()),
            ("hostname", 90, self.hostname.is_some()),
        ];
        let early = since.into_iter().find(|(_, minor, given)| *given && !call.at_least(2, *minor));
        if let Some((key, ..)) = early {
            return Err(unexpected(key));
        }
        if self.personality.is_some() && call.at_least(2, 57) {
            return Err(unexpected("personality"));
        }
        if self.networks.is_none() && call.at_least(2, 37) {
            return Err(refuse(
                400,
                "Invalid input for field/attribute server. 'networks' is a required property",
            ));
        }
        let counts = [&self.min_count, &self.max_count].into_iter().flatten();
        if counts.filter(|count| **count != json!(1) && **count != json!("1")).count() > 0 {
            return Err(refuse(400, "The lab builds one server at a time."));
        }
        let _ = (&self.return_reservation_id, &self.access_v4, &self.access_v6);
        Ok(())
    }
}

fn unexpected(key: &str) -> Refusal {
    let message = format!(
        "Invalid input for field/attribute server. Additional properties are not allowed ('{key}' was unexpected)"
    );
    refuse(400, message)
}

/// A zone may be named with a host in it: `nova:node-1`.
fn zone_of(zone: &str) -> &str {
    zone.split(':').next().unwrap_or(zone)
}

fn is_zone(world: &World, zone: &str) -> bool {
    world.zones.contains(zone_of(zone))
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let create: Create = call.read(&body, "server")?;
    create.check(&call)?;
    let mishap = call.mishap(|fault| match fault {
        FaultKind::ServerError(message) => Some(message.clone()),
        _ => None,
    });
    let mut world = call.cloud.world();
    let flavor = flavor(&world, &create.flavor)?;
    quota(&world, &call.caller.project_id, &flavor)?;
    let mut server = Server::new(&create.name, &call.caller.project_id, &call.caller.user_id, flavor);
    server.image_id = image(&world, &server, create.image.as_deref(), &create.block_device_mapping_v2)?;
    if let Some(key) = &create.key_name {
        let known = |pair: &super::Keypair| pair.name == *key && pair.user_id == server.user_id;
        if !world.nova.keypairs.iter().any(known) {
            return Err(refuse(400, "Invalid key_name provided."));
        }
    }
    if let Some(zone) = create.availability_zone.as_ref().filter(|zone| !is_zone(&world, zone)) {
        return Err(refuse(400, format!("The requested availability zone {zone} is not available")));
    }
    if let Some(zone) = create.availability_zone.as_deref().or(world.zones.0.first().map(String::as_str)) {
        server.zone = zone_of(zone).to_owned();
    }
    server.metadata = create.metadata;
    server.description = create.description;
    server.tags = create.tags.unwrap_or_default();
    server.key_name = create.key_name;
    server.user_data = create.user_data;
    server.config_drive =
        create.config_drive.is_some_and(|flag| flag == json!(true) || flag == json!("True"));
    server.manual_disk = create.disk_config.as_deref() == Some("MANUAL");
    let groups = networks::group_ids(&mut world, &server.project_id, &create.security_groups)?;
    let wanted = networks::wanted(&world, &server.project_id, create.networks.as_ref())?;
    // From here on things are made; what was made is taken back when a later one fails.
    let ports = networks::connect(&mut world, &server, &wanted, &groups)?;
    let disks = block_devices::reserve(&call.cloud, &mut world, &mut server, &create.block_device_mapping_v2);
    if let Err(refusal) = disks {
        networks::disconnect(&mut world, &server.id, &ports);
        return Err(refusal);
    }
    let id = server.id.clone();
    // The folder of its devices is there before its first device is.
    let _ = std::fs::create_dir_all(call.cloud.host_dir(&id));
    let mut names: Vec<Value> =
        create.security_groups.iter().map(|group| json!({"name": group.name})).collect();
    if names.is_empty() {
        names.push(json!({"name": "default"}));
    }
    let body = json!({
        "id": id,
        "links": links(&call, "servers", &id),
        "OS-DCF:diskConfig": if server.manual_disk { "MANUAL" } else { "AUTO" },
        "security_groups": names,
        "adminPass": create.password.unwrap_or_else(|| new_hex_id().chars().take(12).collect()),
    });
    world.nova.servers.insert(server);
    build(&call.cloud, id, mishap);
    let mut response = json(202, &json!({"server": body}));
    let location = format!("{}/v2.1/servers/{}", call.url(), body["id"].as_str().unwrap_or_default());
    if let Ok(location) = axum::http::HeaderValue::from_str(&location) {
        response.headers_mut().insert(axum::http::header::LOCATION, location);
    }
    Ok(response)
}

fn flavor(world: &World, wanted: &Value) -> Result<Flavor, Refusal> {
    let wanted = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
    // A reference may be a link; its last part is the id.
    let id = wanted.rsplit('/').next().unwrap_or_default();
    let flavor = world.nova.flavors.get(id).cloned();
    flavor.ok_or_else(|| refuse(400, format!("Flavor {id} could not be found.")))
}

/// The image whose bytes become the root disk.
fn image(
    world: &World,
    server: &Server,
    wanted: Option<&str>,
    devices: &[BlockDevice],
) -> Result<Option<String>, Refusal> {
    let Some(id) = wanted.filter(|id| !id.is_empty()) else {
        if devices.iter().any(BlockDevice::is_root) {
            return Ok(devices
                .iter()
                .find(|device| device.is_local_image())
                .and_then(|device| device.uuid.clone()));
        }
        return Err(refuse(400, "Invalid imageRef provided."));
    };
    let image = world.glance.images.get(id).filter(|image| glance::sees(image, &server.project_id));
    let image = image.ok_or_else(|| refuse(400, format!("Image {id} could not be found.")))?;
    if image.status != "active" {
        return Err(refuse(400, format!("Image {id} is not active.")));
    }
    let needed = image.min_disk.max(image.virtual_size.or(image.size).unwrap_or(0).div_ceil(GIB));
    let local = !devices.iter().any(|device| device.is_root() && !device.is_local_image());
    if local && server.flavor.disk > 0 && server.flavor.disk < needed {
        return Err(refuse(400, "Flavor's disk is too small for requested image."));
    }
    if server.flavor.ram < image.min_ram {
        return Err(refuse(400, "Flavor's memory is too small for requested image."));
    }
    Ok(local.then(|| id.to_owned()))
}

fn quota(world: &World, project_id: &str, flavor: &Flavor) -> Result<(), Refusal> {
    let own = || world.nova.servers.iter().filter(|server| server.project_id == project_id);
    let sum = |pick: fn(&Flavor) -> u64| own().map(|server| pick(&server.flavor)).sum::<u64>();
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let rows = [
        ("instances", world.quotas.instances, own().count(), 1),
        ("cores", world.quotas.cores, number(sum(|flavor| flavor.vcpus)), number(flavor.vcpus)),
        ("ram", world.quotas.ram, number(sum(|flavor| flavor.ram)), number(flavor.ram)),
    ];
    for (name, limit, used, more) in rows {
        if !Quotas::allows(limit, used, more) {
            let message = format!(
                "Quota exceeded for {name}: Requested {more}, but already used {used} of {limit} {name}"
            );
            return Err(refuse(403, message));
        }
    }
    Ok(())
}

/// Brings a server from `BUILD` to where it ends.
fn build(cloud: &Cloud, id: String, mishap: Option<String>) {
    cloud.later(move |cloud| {
        if let Some(message) = mishap {
            if let Some(server) = cloud.world().nova.servers.get_mut(&id) {
                server.fail(&message);
            }
            return;
        }
        let root = {
            let mut world = cloud.world();
            match block_devices::ready(&world, &id) {
                block_devices::Ready::No => {
                    drop(world);
                    return build(cloud, id, None);
                }
                block_devices::Ready::Never(message) => {
                    if let Some(server) = world.nova.servers.get_mut(&id) {
                        server.fail(&message);
                    }
                    return;
                }
                block_devices::Ready::Yes => {}
            }
            let Some(server) = world.nova.servers.get_mut(&id) else { return };
            server.task = Some("spawning".to_owned());
            server.image_id.clone().map(|image| (image, server.flavor.disk))
        };
        let copied = match root {
            Some((image, size)) => {
                disk::copy(&cloud.image_file(&image), &cloud.root_disk_file(&id), size * GIB)
            }
            None => Ok(()),
        };
        finish(cloud, &id, copied.is_ok());
    });
}

fn finish(cloud: &Cloud, id: &str, good: bool) {
    let mut world = cloud.world();
    if !good {
        if let Some(server) = world.nova.servers.get_mut(id) {
            server.fail("Build of instance aborted: the root disk could not be written.");
        }
        return;
    }
    let disks = world.nova.servers.get(id).map(|server| server.disks.clone()).unwrap_or_default();
    for disk in &disks {
        super::attachments::complete(cloud, &mut world, id, disk);
    }
    for port in world.neutron.ports.iter_mut().filter(|port| port.device_id == id) {
        port.active = true;
        port.base.touch();
    }
    if let Some(server) = world.nova.servers.get_mut(id) {
        server.set("ACTIVE");
        server.launched = Some(now());
    }
}
