//! Neutron: networks, subnets, routers, ports, security groups.

use serde_json::{Value, json};
use wiremock::Request;

use super::{Answer, World, body_of, filtered, not_found};
use crate::support::PROJECT;

impl World {
    pub(super) fn neutron(&mut self, method: &str, path: &str, request: &Request) -> Answer {
        let parts: Vec<&str> = path.split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", [collection]) => {
                let objects: Vec<Value> =
                    self.list(collection).iter().map(|object| self.shown(collection, object)).collect();
                (200, json!({ plural(collection): filtered(&objects, request) }))
            }
            ("GET", [collection, id]) => match self.get(collection, id) {
                Some(object) => (200, json!({ singular(collection): self.shown(collection, object) })),
                None => not_found(),
            },
            ("POST", [collection]) => {
                let body = body_of(request)[singular(collection)].clone();
                match self.create(collection, body) {
                    Ok(object) => (201, json!({ singular(collection): self.shown(collection, &object) })),
                    Err(refusal) => refusal,
                }
            }
            ("PUT", ["routers", id, "add_router_interface"]) => self.connect(id, &body_of(request)),
            ("PUT", [collection, id, "tags"]) => match self.get_mut(collection, id) {
                Some(object) => {
                    object["tags"] = body_of(request)["tags"].clone();
                    (200, json!({"tags": object["tags"]}))
                }
                None => not_found(),
            },
            ("PUT", [collection, id]) => self.update(collection, id, &body_of(request)[singular(collection)]),
            ("DELETE", [collection, id]) if self.remove(collection, id) => (204, Value::Null),
            _ => not_found(),
        }
    }

    /// An object as the API shows it: a group with its rules.
    fn shown(&self, collection: &str, object: &Value) -> Value {
        let mut shown = object.clone();
        if collection == "security-groups" {
            let rules = self.list("security-group-rules").iter();
            let own = rules.filter(|rule| rule["security_group_id"] == object["id"]);
            shown["security_group_rules"] = own.cloned().collect();
        }
        shown
    }

    fn create(&mut self, collection: &str, body: Value) -> Result<Value, Answer> {
        let mut object = self.stamped(defaults(collection));
        object.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        match collection {
            "ports" => self.address(&mut object)?,
            "security-group-rules" => self.refuse_duplicate(&object)?,
            _ => {}
        }
        let id = self.add(collection, object.clone());
        if collection == "security-groups" {
            for ethertype in ["IPv4", "IPv6"] {
                let rule = json!({"security_group_id": id, "direction": "egress", "ethertype": ethertype});
                self.create("security-group-rules", rule)?;
            }
        }
        Ok(object)
    }

    fn update(&mut self, collection: &str, id: &str, body: &Value) -> Answer {
        let fixed: &[&str] = match collection {
            "ports" | "subnets" => {
                &["network_id", "cidr", "ip_version", "ipv6_address_mode", "id", "project_id"]
            }
            _ => &["availability_zone_hints", "id", "project_id", "status", "revision_number"],
        };
        let changes = body.as_object().unwrap();
        if let Some(key) = changes.keys().find(|key| fixed.contains(&key.as_str())) {
            return refusal(400, "HTTPBadRequest", &format!("Cannot update read-only attribute {key}"));
        }
        match self.get_mut(collection, id) {
            Some(object) => {
                object.as_object_mut().unwrap().extend(changes.clone());
                let object = object.clone();
                (200, json!({ singular(collection): self.shown(collection, &object) }))
            }
            None => not_found(),
        }
    }

    /// Gives a port the addresses asked for; those of slaac subnets cannot be asked for.
    fn address(&mut self, port: &mut Value) -> Result<(), Answer> {
        for fixed in port["fixed_ips"].as_array_mut().unwrap() {
            let subnet = self.get("subnets", fixed["subnet_id"].as_str().unwrap()).unwrap();
            let automatic = subnet["ipv6_address_mode"] == "slaac";
            match (automatic, fixed["ip_address"].as_str()) {
                (true, Some(_)) => {
                    return Err(refusal(400, "AllocationOnAutoAddressSubnet", "cannot be assigned"));
                }
                (true, None) => fixed["ip_address"] = json!("fd00:10:1:0:f816:3eff:fe00:1"),
                _ => {}
            }
            let taken = |other: &Value| other["fixed_ips"].as_array().unwrap().contains(fixed);
            if self.list("ports").iter().any(taken) {
                return Err(refusal(409, "IpAddressAlreadyAllocated", "IP address is in use"));
            }
        }
        Ok(())
    }

    fn refuse_duplicate(&self, rule: &Value) -> Result<(), Answer> {
        let keys = [
            "security_group_id",
            "direction",
            "ethertype",
            "protocol",
            "port_range_min",
            "port_range_max",
            "remote_ip_prefix",
            "remote_group_id",
        ];
        let same = |other: &&Value| keys.iter().all(|key| other[key] == rule[key]);
        match self.list("security-group-rules").iter().find(same) {
            None => Ok(()),
            Some(other) => {
                let message = format!(
                    "Security group rule already exists. Rule id is {}.",
                    other["id"].as_str().unwrap()
                );
                Err(refusal(409, "SecurityGroupRuleExists", &message))
            }
        }
    }

    fn connect(&mut self, router: &str, body: &Value) -> Answer {
        if let Some(port) = body["port_id"].as_str() {
            let port = self.get_mut("ports", port).unwrap();
            if port["device_id"] != "" {
                return refusal(409, "PortInUse", "the port is in use");
            }
            port["device_id"] = json!(router);
            port["device_owner"] = json!("network:router_interface");
            return (200, json!({"port_id": port["id"], "subnet_id": port["fixed_ips"][0]["subnet_id"]}));
        }
        let subnet = self.get("subnets", body["subnet_id"].as_str().unwrap()).unwrap();
        let fixed = json!({"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]});
        let taken = |port: &Value| port["fixed_ips"].as_array().unwrap().contains(&fixed);
        if self.list("ports").iter().any(taken) {
            return refusal(400, "BadRequest", "Router already has a port on subnet");
        }
        let mut port = defaults("ports");
        port["network_id"] = subnet["network_id"].clone();
        port["fixed_ips"] = json!([fixed]);
        port["device_id"] = json!(router);
        port["device_owner"] = json!("network:router_interface");
        let port = self.stamped(port);
        let id = self.add("ports", port);
        (200, json!({"port_id": id, "subnet_id": body["subnet_id"]}))
    }
}

fn defaults(collection: &str) -> Value {
    match collection {
        "networks" => json!({"mtu": 1450, "tags": [], "shared": false, "router:external": false,
            "description": "", "admin_state_up": true, "port_security_enabled": true,
            "availability_zone_hints": []}),
        "subnets" => json!({"tags": [], "description": "", "dns_nameservers": [], "host_routes": [],
            "allocation_pools": [], "service_types": [], "enable_dhcp": true, "ipv6_address_mode": null,
            "ipv6_ra_mode": null, "subnetpool_id": null}),
        "routers" => json!({"tags": [], "description": "", "external_gateway_info": null, "routes": [],
            "availability_zone_hints": [], "admin_state_up": true, "flavor_id": null}),
        "ports" => json!({"device_id": "", "device_owner": "", "fixed_ips": [], "name": ""}),
        "security-groups" => json!({"description": "", "tags": []}),
        _ => json!({"protocol": null, "port_range_min": null, "port_range_max": null,
            "remote_ip_prefix": null, "remote_group_id": null, "description": null}),
    }
}

fn refusal(status: u16, kind: &str, message: &str) -> Answer {
    (status, json!({"NeutronError": {"type": kind, "message": message, "detail": ""}}))
}

fn plural(collection: &str) -> String {
    collection.replace('-', "_")
}

fn singular(collection: &str) -> String {
    plural(collection).trim_end_matches('s').to_owned()
}

impl super::Fake {
    /// What each project has before anybody does anything: the default group with its four rules.
    pub(crate) fn with_default_group(self) -> Self {
        let group =
            self.put("security-groups", json!({"name": "default", "description": "Default security group"}));
        for ethertype in ["IPv4", "IPv6"] {
            let rule = json!({"security_group_id": group, "ethertype": ethertype, "project_id": PROJECT,
                "protocol": null, "port_range_min": null, "port_range_max": null, "remote_ip_prefix": null});
            for (direction, remote) in [("egress", Value::Null), ("ingress", json!(group))] {
                let mut rule = rule.clone();
                rule["direction"] = json!(direction);
                rule["remote_group_id"] = remote;
                self.put("security-group-rules", rule);
            }
        }
        self
    }

    /// An external network of another project.
    pub(crate) fn with_public_network(self) -> Self {
        self.put("networks", json!({"name": "public", "router:external": true, "project_id": "somebody"}));
        self
    }
}
