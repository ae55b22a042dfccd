//! References to what belongs to others, or to nobody.

use osm_model::{Kind, Reference, Resource};
use serde_json::json;

use crate::exported;
use crate::fake::Fake;
use crate::support::Cloud;

/// A tenant may not read the project that owns the public network.
#[tokio::test]
async fn an_owner_that_policy_hides_is_left_out() {
    let fake = Fake::default().with_public_network();
    let public = fake.named("networks", "public")["id"].clone();
    fake.put("routers", json!({"name": "r", "external_gateway_info": {"network_id": public}}));
    fake.refuse("GET", "/projects/somebody", 403);
    let cloud = Cloud::answering(fake).await;
    let Resource::Router(router) = exported(&cloud, Kind::Router).await.remove(0) else { unreachable!() };
    let gateway = router.params.external_gateway_refinfo.unwrap().network_ref;
    assert_eq!(gateway, Some(Reference::named("public")));
}

#[tokio::test]
async fn segments_and_router_flavors_have_no_owner() {
    let fake = Fake::default();
    let network = fake.put("networks", json!({"name": "n"}));
    let segment = fake.put("segments", json!({"name": "rack 1", "project_id": null}));
    let flavor = fake.put("flavors", json!({"name": "fast", "project_id": null}));
    fake.put("subnets", json!({"name": "s", "network_id": network, "segment_id": segment}));
    fake.put("routers", json!({"name": "r", "flavor_id": flavor}));
    let cloud = Cloud::answering(fake).await;
    let Resource::Subnet(subnet) = exported(&cloud, Kind::Subnet).await.remove(0) else { unreachable!() };
    assert_eq!(subnet.params.segment_ref, Some(Reference::named("rack 1")));
    let Resource::Router(router) = exported(&cloud, Kind::Router).await.remove(0) else { unreachable!() };
    assert_eq!(router.params.flavor_ref, Some(Reference::named("fast")));
}

/// The format cannot name address groups; without its own the rule would let everybody in.
#[tokio::test]
async fn a_rule_for_an_address_group_is_left_out() {
    let fake = Fake::default();
    let group = fake.put("security-groups", json!({"name": "g"}));
    for addresses in [json!(null), json!("some")] {
        fake.put(
            "security-group-rules",
            json!({"security_group_id": group, "direction": "ingress",
            "ethertype": "IPv4", "remote_address_group_id": addresses}),
        );
    }
    let cloud = Cloud::answering(fake).await;
    assert_eq!(exported(&cloud, Kind::SecurityGroupRule).await.len(), 1);
}
