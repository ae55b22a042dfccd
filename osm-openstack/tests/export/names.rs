//! Names that YAML or a shell would take for something else, and things without any.

use osm_model::{Kind, NameFilter, OS_MIGRATE_VERSION, Resource, ResourceFile, validate};
use osm_openstack::export::export;
use osm_openstack::import::{ImportOptions, Importer, Outcome};
use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use crate::exported;
use crate::fake::Fake;
use crate::support::{self, Cloud, PROJECT};

const NAMES: &[&str] = &[
    "yes",
    "1e3",
    "0x1F",
    "null",
    "~",
    "12:34:56",
    "11:22:33:44:55:06",
    "2020-04-07",
    "it's",
    "say \"hi\"",
    "a: b",
    "- item",
    "#1",
    "trailing ",
    " leading",
    "☃ détaché",
    "🚀",
    "a\u{85}b",
    "\u{feff}bom",
    "a/b\\c",
    "%auth",
    "{brace}",
    "tab\there",
];

fn filled() -> Fake {
    let fake = Fake::default();
    for name in NAMES {
        let network =
            fake.put("networks", json!({"name": name, "description": name, "mtu": 1450, "tags": [name]}));
        fake.put(
            "subnets",
            json!({"name": name, "network_id": network, "cidr": "10.0.0.0/24", "ip_version": 4,
            "gateway_ip": null, "enable_dhcp": true, "description": name, "allocation_pools": [],
            "dns_nameservers": [], "host_routes": [], "tags": []}),
        );
        let group = fake.put("security-groups", json!({"name": name, "description": name}));
        fake.put(
            "security-group-rules",
            json!({"security_group_id": group, "direction": "egress",
            "ethertype": "IPv4", "description": name, "remote_group_id": group, "protocol": null,
            "port_range_min": null, "port_range_max": null, "remote_ip_prefix": null}),
        );
        fake.put(
            "keypairs",
            json!({"name": name, "public_key": format!("ssh-ed25519 AAAA {name}"), "type": "ssh"}),
        );
    }
    fake
}

#[tokio::test]
async fn odd_names_survive_files_and_clouds() {
    let (source, destination) = (filled(), Fake::default());
    let (source, there) = (Cloud::answering(source).await, Cloud::answering(destination.clone()).await);
    let importer = Importer::new(&there.session, &ImportOptions::default());
    for kind in [Kind::Network, Kind::Subnet, Kind::SecurityGroup, Kind::SecurityGroupRule, Kind::Keypair] {
        let mut file = ResourceFile::new();
        file.resources = exported(&source, kind).await;
        assert_eq!(file.resources.len(), NAMES.len(), "{kind}");
        let text = file.to_yaml();
        assert!(validate(&[(kind.file_name().into(), text.clone())]).is_empty(), "{kind}");
        let read = ResourceFile::parse(&text, OS_MIGRATE_VERSION).unwrap().resources;
        assert_eq!(read, file.resources, "{kind}");
        for resource in &read {
            let imported = importer.import(resource).await.unwrap();
            assert_eq!(imported.outcome, Outcome::Created, "{kind} {:?}", resource.filter_name());
        }
        assert_eq!(texts(&exported(&there, kind).await), texts(&read), "{kind}");
        // Each by its own name, and by nothing else.
        for name in NAMES {
            let one = export(&source.session, kind, &NameFilter::exact([*name])).await.unwrap();
            assert_eq!(one.iter().filter_map(Resource::filter_name).collect::<Vec<_>>(), [*name], "{kind}");
        }
    }
}

#[tokio::test]
async fn an_image_without_a_name_does_not_stop_the_others() {
    let fake = Fake::default();
    for name in [json!(null), json!("named")] {
        fake.put("images", json!({"name": name, "owner": PROJECT, "status": "active", "tags": []}));
    }
    let cloud = Cloud::answering(fake).await;
    let names: Vec<_> =
        exported(&cloud, Kind::Image).await.iter().map(|it| it.name().map(str::to_owned)).collect();
    assert_eq!(names, [None, Some("named".to_owned())]);
}

#[tokio::test]
async fn a_volume_without_a_name_does_not_stop_the_others() {
    let volume = |id: &str, name: Value| json!({"id": id, "name": name, "status": "available", "size": 1});
    let list =
        json!({"volumes": [volume("1", json!(null)), volume("2", json!("")), volume("3", json!("named"))]});
    let cloud = Cloud::answering(move |request: &Request| {
        let base = format!("http://{}", request.headers["host"].to_str().unwrap());
        support::versions(request.url.path(), &base)
            .unwrap_or_else(|| ResponseTemplate::new(200).set_body_json(&list))
    })
    .await;
    assert_eq!(exported(&cloud, Kind::DetachedVolume).await.len(), 3);
    let named = export(&cloud.session, Kind::DetachedVolume, &NameFilter::exact(["named"])).await.unwrap();
    assert_eq!(named.len(), 1);
}

/// What people wrote into resources, sorted.
fn texts(resources: &[Resource]) -> Vec<String> {
    let members = ["name", "description", "public_key", "tags", "network_ref", "remote_group_ref"];
    let of = |resource: &Resource| {
        let params = resource.to_node().to_json()["params"].take();
        members.map(|member| params[member].to_string()).concat()
    };
    let mut texts: Vec<String> = resources.iter().map(of).collect();
    texts.sort();
    texts
}
