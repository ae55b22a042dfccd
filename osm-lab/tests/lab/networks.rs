//! Neutron: networks, addresses, groups, floating IPs.

use osm_lab::Service::Neutron;
use reqwest::Method;
use serde_json::{Value, json};

use super::http::{User, stage, stage_with, text};

async fn network(user: &User, name: &str, cidr: &str) -> (String, String) {
    let made = user.post(Neutron, "networks", json!({"network": {"name": name}})).await;
    let id = text(&made["network"]["id"]);
    let body = json!({"subnet": {"network_id": id, "cidr": cidr, "ip_version": 4, "name": name}});
    let subnet = user.post(Neutron, "subnets", body).await;
    (id, text(&subnet["subnet"]["id"]))
}

async fn public(user: &User) -> String {
    text(&user.get(Neutron, "networks?name=public").await["networks"][0]["id"])
}

#[tokio::test]
async fn a_subnet_gives_out_its_addresses_once() {
    let stage = stage();
    let user = User::tenant(stage.lab.dst()).await;
    let (net, subnet) = network(&user, "n", "192.168.9.0/29").await;
    let shown = user.get(Neutron, &format!("subnets/{subnet}")).await["subnet"].take();
    assert_eq!(shown["gateway_ip"], "192.168.9.1");
    assert_eq!(shown["allocation_pools"], json!([{"start": "192.168.9.2", "end": "192.168.9.6"}]));
    let body = json!({"port": {
        "network_id": net, "mac_address": "fa:16:3e:00:00:01",
        "fixed_ips": [{"subnet_id": subnet, "ip_address": "192.168.9.5"}],
    }});
    let port = user.post(Neutron, "ports", body.clone()).await["port"].take();
    assert_eq!(port["fixed_ips"][0]["ip_address"], "192.168.9.5");
    assert_eq!(port["status"], "DOWN");
    let (status, answer) = user.ask(Neutron, Method::POST, "ports", body).await;
    assert_eq!((status, &answer["NeutronError"]["type"]), (409, &json!("MacAddressInUse")));
    let body = json!({"port": {"network_id": net, "fixed_ips": [{"ip_address": "192.168.9.5"}]}});
    let (status, answer) = user.ask(Neutron, Method::POST, "ports", body).await;
    assert_eq!((status, &answer["NeutronError"]["type"]), (409, &json!("IpAddressAlreadyAllocated")));
    // .2 is DHCP's, .5 is taken: three are left.
    for _ in 0..3 {
        user.post(Neutron, "ports", json!({"port": {"network_id": net}})).await;
    }
    let (status, answer) =
        user.ask(Neutron, Method::POST, "ports", json!({"port": {"network_id": net}})).await;
    assert_eq!((status, &answer["NeutronError"]["type"]), (409, &json!("IpAddressGenerationFailure")));
    let (status, answer) = user.ask(Neutron, Method::DELETE, &format!("networks/{net}"), Value::Null).await;
    assert_eq!((status, &answer["NeutronError"]["type"]), (409, &json!("NetworkInUse")));
}

#[tokio::test]
async fn tenants_may_not_set_what_is_the_operators() {
    let stage = stage();
    let user = User::tenant(stage.lab.src()).await;
    let admin = User::admin(stage.lab.src()).await;
    let attempts = [
        ("networks", json!({"network": {"provider:network_type": "vlan"}})),
        ("networks", json!({"network": {"shared": true}})),
        ("networks", json!({"network": {"router:external": true}})),
        ("networks", json!({"network": {"project_id": admin.project}})),
        ("routers", json!({"router": {"external_gateway_info": {"network_id": "x", "enable_snat": true}}})),
    ];
    for (path, body) in attempts {
        let (status, answer) = user.ask(Neutron, Method::POST, path, body.clone()).await;
        assert_eq!(status, 403, "{body}");
        assert!(text(&answer["NeutronError"]["message"]).contains("disallowed by policy"));
    }
    let (net, _) = network(&user, "n", "10.0.0.0/24").await;
    let body = json!({"port": {"network_id": net, "binding:profile": {"a": "b"}}});
    assert_eq!(user.ask(Neutron, Method::POST, "ports", body).await.0, 403);
    let (status, answer) =
        user.ask(Neutron, Method::POST, "networks", json!({"network": {"dns_domain": "x."}})).await;
    assert_eq!(status, 400);
    assert_eq!(answer["NeutronError"]["message"], "Unrecognized attribute(s) 'dns_domain'");
    let shown = user.get(Neutron, &format!("networks/{net}")).await;
    assert!(shown["network"].get("provider:network_type").is_none());
    let shown = admin.get(Neutron, &format!("networks/{net}")).await;
    assert_eq!(shown["network"]["provider:network_type"], "vxlan");
}

#[tokio::test]
async fn a_group_begins_with_egress_rules_and_holds_each_rule_once() {
    let stage = stage();
    let user = User::tenant(stage.lab.dst()).await;
    let groups = user.get(Neutron, "security-groups?name=default").await;
    assert_eq!(groups["security_groups"][0]["security_group_rules"].as_array().unwrap().len(), 4);
    let made = user.post(Neutron, "security-groups", json!({"security_group": {"name": "web"}})).await;
    let group = made["security_group"].clone();
    let rules = group["security_group_rules"].as_array().unwrap();
    assert!(rules.len() == 2 && rules.iter().all(|rule| rule["direction"] == "egress"));
    assert_eq!(rules[0]["belongs_to_default_sg"], false);
    // Names may repeat.
    user.post(Neutron, "security-groups", json!({"security_group": {"name": "web"}})).await;
    let rule = json!({"security_group_rule": {
        "security_group_id": group["id"], "direction": "ingress", "protocol": "TCP",
        "port_range_min": 80, "port_range_max": 80, "remote_ip_prefix": "0.0.0.0/0",
    }});
    let made = user.post(Neutron, "security-group-rules", rule.clone()).await;
    assert_eq!(made["security_group_rule"]["protocol"], "tcp");
    let (status, answer) = user.ask(Neutron, Method::POST, "security-group-rules", rule).await;
    assert_eq!((status, &answer["NeutronError"]["type"]), (409, &json!("SecurityGroupRuleExists")));
    let (status, answer) = user
        .ask(Neutron, Method::POST, "security-groups", json!({"security_group": {"name": "default"}}))
        .await;
    assert_eq!(status, 409);
    assert_eq!(answer["NeutronError"]["type"], "SecurityGroupDefaultAlreadyExists");
}

#[tokio::test]
async fn a_floating_ip_needs_a_way_to_its_port() {
    let stage = stage();
    let user = User::tenant(stage.lab.dst()).await;
    let (net, subnet) = network(&user, "n", "192.168.9.0/24").await;
    let external = public(&user).await;
    let port = user.post(Neutron, "ports", json!({"port": {"network_id": net}})).await;
    let port = text(&port["port"]["id"]);
    let wanted = json!({"floatingip": {"floating_network_id": external, "port_id": port}});
    let (status, answer) = user.ask(Neutron, Method::POST, "floatingips", wanted.clone()).await;
    assert_eq!(status, 404);
    assert_eq!(answer["NeutronError"]["type"], "ExternalGatewayForFloatingIPNotFound");
    assert_eq!(user.cloud.counts().floating_ips, 0);
    let body = json!({"router": {"name": "r", "external_gateway_info": {"network_id": external}}});
    let router = user.post(Neutron, "routers", body).await["router"].take();
    assert_eq!(router["external_gateway_info"]["enable_snat"], true);
    let path = format!("routers/{}", text(&router["id"]));
    let added =
        user.put(Neutron, &format!("{path}/add_router_interface"), json!({"subnet_id": subnet})).await;
    assert_eq!(added["subnet_ids"], json!([subnet]));
    let made = user.post(Neutron, "floatingips", wanted.clone()).await["floatingip"].take();
    assert_eq!((&made["status"], &made["router_id"]), (&json!("ACTIVE"), &router["id"]));
    assert_eq!(user.ask(Neutron, Method::POST, "floatingips", wanted).await.0, 409);
    let remove = format!("{path}/remove_router_interface");
    let (status, answer) = user.ask(Neutron, Method::PUT, &remove, json!({"subnet_id": subnet})).await;
    assert_eq!((status, &answer["NeutronError"]["type"]), (409, &json!("RouterInterfaceInUseByFloatingIP")));
    assert_eq!(user.ask(Neutron, Method::DELETE, &path, Value::Null).await.0, 409);
    let fip = format!("floatingips/{}", text(&made["id"]));
    let freed = user.put(Neutron, &fip, json!({"floatingip": {"port_id": null}})).await;
    assert_eq!(freed["floatingip"]["status"], "DOWN");
    assert_eq!(user.delete(Neutron, &fip).await, 204);
    user.put(Neutron, &remove, json!({"subnet_id": subnet})).await;
    assert_eq!(user.delete(Neutron, &path).await, 204);
}

#[tokio::test]
async fn any_attribute_filters_and_pages_are_linked() {
    let stage = stage_with(|options| options.page_size = 3);
    let user = User::tenant(stage.lab.src()).await;
    for index in 0..5 {
        user.post(Neutron, "networks", json!({"network": {"name": format!("n{index}")}})).await;
    }
    let own = format!("networks?project_id={}", user.project);
    let first = user.get(Neutron, &own).await;
    assert_eq!(first["networks"].as_array().unwrap().len(), 3);
    let next = text(&first["networks_links"][0]["href"]);
    let request = user.http.get(next).header("x-auth-token", &user.token);
    let second: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(second["networks"].as_array().unwrap().len(), 2);
    let two = user.get(Neutron, "networks?name=n1&name=n2&fields=name").await;
    let mut names: Vec<String> =
        two["networks"].as_array().unwrap().iter().map(|network| text(&network["name"])).collect();
    names.sort();
    assert_eq!(names, ["n1", "n2"]);
    assert!(two["networks"][0].get("id").is_none());
    assert_eq!(user.ask(Neutron, Method::GET, "networks?nonsense=1", Value::Null).await.0, 400);
    assert_eq!(user.get(Neutron, "networks?router:external=True").await["networks"][0]["name"], "public");
    let id = text(&first["networks"][0]["id"]);
    let tags = user.put(Neutron, &format!("networks/{id}/tags"), json!({"tags": ["b", "a"]})).await;
    assert_eq!(tags["tags"], json!(["a", "b"]));
    let tagged = user.get(Neutron, "networks?tags=a,b").await;
    assert_eq!(tagged["networks"][0]["id"], id.as_str());
}

#[tokio::test]
async fn automatic_addresses_come_by_themselves() {
    let stage = stage();
    let user = User::tenant(stage.lab.src()).await;
    let (net, _) = network(&user, "n", "10.10.1.0/24").await;
    let body = json!({"subnet": {
        "network_id": net, "cidr": "fd00:10:1::/64", "ip_version": 6,
        "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac",
    }});
    let slaac = text(&user.post(Neutron, "subnets", body).await["subnet"]["id"]);
    let mac = "fa:16:3e:00:aa:01";
    let body = json!({"port": {"network_id": net, "mac_address": mac}});
    let port = user.post(Neutron, "ports", body).await["port"].take();
    assert_eq!(port["fixed_ips"][1]["ip_address"], "fd00:10:1:0:f816:3eff:fe00:aa01");
    let fixed = json!([{"subnet_id": slaac, "ip_address": "fd00:10:1::5"}]);
    let body = json!({"port": {"network_id": net, "fixed_ips": fixed}});
    let (status, answer) = user.ask(Neutron, Method::POST, "ports", body).await;
    assert_eq!((status, &answer["NeutronError"]["type"]), (400, &json!("AllocationOnAutoAddressSubnet")));
    let id = text(&port["id"]);
    let body = json!({"port": {"network_id": net}});
    let (status, answer) = user.ask(Neutron, Method::PUT, &format!("ports/{id}"), body).await;
    assert_eq!(status, 400);
    assert_eq!(answer["NeutronError"]["message"], "Cannot update read-only attribute network_id");
}

#[tokio::test]
async fn quotas_are_kept() {
    let stage = stage();
    let user = User::tenant(stage.lab.src()).await;
    user.cloud.set_quotas(|quotas| quotas.networks = 1);
    user.post(Neutron, "networks", json!({"network": {}})).await;
    let (status, answer) = user.ask(Neutron, Method::POST, "networks", json!({"network": {}})).await;
    assert_eq!(status, 409);
    assert_eq!(answer["NeutronError"]["message"], "Quota exceeded for resources: ['network'].");
    let details = user.get(Neutron, &format!("quotas/{}/details.json", user.project)).await;
    assert_eq!(details["quota"]["network"], json!({"limit": 1, "used": 1, "reserved": 0}));
}
