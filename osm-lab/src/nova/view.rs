//! A server as the API shows it, at each version.

use serde_json::{Map, Value, json};

use super::listing::links;
use super::state::Server;
use crate::api::Call;
use crate::clock::{column, seconds};
use crate::digest::md5;
use crate::world::World;

pub(super) fn view(call: &Call, world: &World, server: &Server, single: bool) -> Value {
    let volumes: Vec<Value> = server
        .disks
        .iter()
        .map(|disk| {
            let mut body = json!({"id": disk.volume_id});
            if call.at_least(2, 3) {
                body["delete_on_termination"] = json!(disk.delete_on_termination);
            }
            body
        })
        .collect();
    let power = match server.vm_state() {
        "active" => 1,
        "stopped" => 4,
        _ => 0,
    };
    let mut body = json!({
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": server.metadata,
        "hostId": if server.launched.is_some() { host_id(server) } else { String::new() },
        "image": image(call, server),
        "flavor": flavor(call, server),
        "created": seconds(server.created),
        "updated": seconds(server.updated),
        "addresses": addresses(world, server),
        "accessIPv4": "",
        "accessIPv6": "",
        "links": links(call, "servers", &server.id),
        "OS-DCF:diskConfig": if server.manual_disk { "MANUAL" } else { "AUTO" },
        "OS-EXT-AZ:availability_zone": server.zone,
        "config_drive": if server.config_drive { "True" } else { "" },
        "key_name": server.key_name,
        "OS-SRV-USG:launched_at": server.launched.map(column),
        "OS-SRV-USG:terminated_at": null,
        "OS-EXT-STS:task_state": server.task,
        "OS-EXT-STS:vm_state": server.vm_state(),
        "OS-EXT-STS:power_state": power,
        "os-extended-volumes:volumes_attached": volumes,
    });
    let groups = groups(world, server);
    if !groups.is_empty() {
        body["security_groups"] = json!(groups);
    }
    if matches!(server.status.as_str(), "ACTIVE" | "BUILD") {
        body["progress"] = json!(0);
    }
    if let Some(fault) = &server.fault {
        body["fault"] = json!({"code": 500, "created": seconds(fault.created), "message": fault.message});
    }
    versioned(call, server, single, &mut body);
    body
}

/// What later versions and administrators see besides.
fn versioned(call: &Call, server: &Server, single: bool, body: &mut Value) {
    let hostname = server.name.to_lowercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    let since = [
        (9, "locked", json!(server.locked)),
        (19, "description", json!(server.description)),
        (26, "tags", json!(server.tags)),
        (63, "trusted_image_certificates", Value::Null),
        (73, "locked_reason", Value::Null),
        (90, "OS-EXT-SRV-ATTR:hostname", json!(hostname)),
        (96, "pinned_availability_zone", json!(server.zone)),
    ];
    for (minor, key, value) in since {
        if call.at_least(2, minor) {
            body[key] = value;
        }
    }
    if single && call.at_least(2, 71) {
        body["server_groups"] = json!([]);
    }
    if call.caller.admin {
        body["OS-EXT-SRV-ATTR:host"] = json!("lab-node");
        body["OS-EXT-SRV-ATTR:hypervisor_hostname"] = json!("lab-node");
        body["OS-EXT-SRV-ATTR:instance_name"] = json!(format!("instance-{}", &server.id[..8]));
        if call.at_least(2, 3) {
            body["OS-EXT-SRV-ATTR:hostname"] = json!(hostname);
            body["OS-EXT-SRV-ATTR:root_device_name"] = json!("/dev/vda");
            body["OS-EXT-SRV-ATTR:user_data"] = json!(server.user_data);
        }
        if call.at_least(2, 16) {
            body["host_status"] = json!("UP");
        }
    }
}

/// The host, made unrecognisable per project.
fn host_id(server: &Server) -> String {
    let id = md5(format!("{}lab-node", server.project_id).as_bytes());
    format!("{id}{}", &id[..24])
}

fn image(call: &Call, server: &Server) -> Value {
    match &server.image_id {
        None => json!(""),
        Some(id) => {
            json!({"id": id, "links": [{"rel": "bookmark", "href": format!("{}/images/{id}", call.url())}]})
        }
    }
}

fn flavor(call: &Call, server: &Server) -> Value {
    let flavor = &server.flavor;
    if !call.at_least(2, 47) {
        let href = format!("{}/flavors/{}", call.url(), flavor.id);
        return json!({"id": flavor.id, "links": [{"rel": "bookmark", "href": href}]});
    }
    json!({
        "vcpus": flavor.vcpus,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "ephemeral": flavor.ephemeral,
        "swap": flavor.swap,
        "original_name": flavor.name,
        "extra_specs": flavor.specs,
    })
}

/// The addresses of a server by network: fixed ones, each followed by the floating ones that lead to it.
pub(super) fn addresses(world: &World, server: &Server) -> Map<String, Value> {
    let neutron = &world.neutron;
    let mut networks = Map::new();
    for port in neutron.ports_of(&server.id) {
        let name = neutron.networks.get(&port.network_id).map(|network| network.base.name.clone());
        let list = networks.entry(name.unwrap_or_default()).or_insert_with(|| json!([]));
        let Value::Array(list) = list else { continue };
        let mut push = |address: std::net::IpAddr, kind: &str| {
            list.push(json!({
                "version": if address.is_ipv4() { 4 } else { 6 },
                "addr": address,
                "OS-EXT-IPS:type": kind,
                "OS-EXT-IPS-MAC:mac_addr": port.mac,
            }));
        };
        for fixed in &port.fixed_ips {
            push(fixed.address, "fixed");
        }
        let leading = neutron.floating_ips.iter().filter(|ip| ip.port_id.as_ref() == Some(&port.base.id));
        for floating in leading {
            push(floating.address, "floating");
        }
    }
    networks
}

fn groups(world: &World, server: &Server) -> Vec<Value> {
    let neutron = &world.neutron;
    let mut names: Vec<&str> = neutron
        .ports_of(&server.id)
        .flat_map(|port| &port.groups)
        .filter_map(|id| neutron.groups.get(id))
        .map(|group| group.base.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| json!({"name": name})).collect()
}
