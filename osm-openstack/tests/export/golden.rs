//! The same answers of a real cloud give the same files that OS Migrate 1.0.5 wrote from them.
//!
//! On purpose different from OS Migrate, where it loses what a user has:
//! - name servers of a subnet keep their order (it sorts them; here they are sorted before the
//!   comparison);
//! - hidden images are exported too (this tenant has none).

use osm_model::{Kind, NameFilter, OS_MIGRATE_VERSION, Resource, ResourceFile};
use osm_openstack::export::{Exporter, export};

use crate::recorded::Recorded;
use crate::support::Cloud;

async fn exported(kind: Kind, filter: &NameFilter) -> String {
    let cloud = Cloud::answering(Recorded::load()).await;
    let mut file = ResourceFile::new();
    file.resources = export(&cloud.session, kind, filter).await.unwrap();
    for resource in &mut file.resources {
        if let Resource::Subnet(subnet) = resource {
            subnet.params.dns_nameservers.sort();
        }
    }
    file.to_yaml()
}

macro_rules! same_file {
    ($($name:ident $kind:ident $file:literal)*) => {$(
        #[tokio::test]
        async fn $name() {
            let expected = include_str!(concat!("../golden/export/", $file));
            assert_eq!(exported(Kind::$kind, &NameFilter::all()).await, expected);
        }
    )*};
}

same_file! {
    networks Network "networks.yml"
    subnets Subnet "subnets.yml"
    routers Router "routers.yml"
    router_interfaces RouterInterface "router_interfaces.yml"
    security_groups SecurityGroup "security_groups.yml"
    security_group_rules SecurityGroupRule "security_group_rules.yml"
    images Image "images.yml"
    keypairs Keypair "keypairs.yml"
    workloads Workload "workloads.yml"
    detached_volumes DetachedVolume "detached_volumes.yml"
}

#[tokio::test]
async fn flavors() {
    let filter = NameFilter::regex("^gp").unwrap().or(NameFilter::exact(["1.5e3"]));
    assert_eq!(exported(Kind::Flavor, &filter).await, include_str!("../golden/export/flavors.yml"));
}

#[tokio::test]
async fn a_filter_chooses_rules_by_their_group_and_interfaces_by_their_router() {
    let cloud = Cloud::answering(Recorded::load()).await;
    let rules =
        export(&cloud.session, Kind::SecurityGroupRule, &NameFilter::exact(["gp-web"])).await.unwrap();
    assert_eq!(rules.len(), 7);
    assert!(rules.iter().all(|rule| rule.filter_name() == Some("gp-web")));
    let router = NameFilter::exact(["gp-router"]);
    let interfaces = export(&cloud.session, Kind::RouterInterface, &router).await.unwrap();
    assert_eq!(interfaces.len(), 3);
}

#[tokio::test]
async fn references_cost_a_request_a_type_not_a_request_each() {
    let cloud = Cloud::answering(Recorded::load()).await;
    let exporter = Exporter::new(&cloud.session);
    let all = NameFilter::all();
    for kind in [Kind::Network, Kind::Subnet, Kind::SecurityGroup, Kind::SecurityGroupRule] {
        assert!(!exporter.export(kind, &all).await.unwrap().is_empty());
    }
    // Four lists, networks and groups for references, the list of groups for rules, two documents.
    let reads = cloud.reads().await;
    assert!(reads <= 9, "{reads} requests");
}

#[tokio::test]
async fn what_was_exported_reads_back_as_it_is() {
    for kind in Kind::IN_ORDER {
        let text = exported(kind, &NameFilter::all()).await;
        let file = ResourceFile::parse(&text, OS_MIGRATE_VERSION).unwrap();
        assert_eq!(file.to_yaml(), text, "{kind}");
    }
}
