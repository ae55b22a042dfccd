//! Nova: servers, their disks, their images.

use std::fs;
use std::os::unix::fs::FileExt;

use osm_lab::Service::{Cinder, Glance, Neutron, Nova};
use reqwest::Method;
use serde_json::{Value, json};

use super::http::{Stage, User, slow_stage, stage, text};

struct Tenant {
    _stage: Stage,
    user: User,
    image: String,
    flavor: String,
    network: String,
}

/// A tenant of `src` with a network and a public image to boot.
async fn tenant() -> Tenant {
    tenant_on(stage()).await
}

async fn tenant_on(stage: Stage) -> Tenant {
    let user = User::tenant(stage.lab.src()).await;
    let made = user.post(Neutron, "networks", json!({"network": {"name": "n"}})).await;
    let network = text(&made["network"]["id"]);
    let subnet = json!({"subnet": {"network_id": network, "cidr": "10.1.0.0/24", "ip_version": 4}});
    user.post(Neutron, "subnets", subnet).await;
    let image = text(&user.get(Glance, "images?name=os_migrate_conv").await["images"][0]["id"]);
    let flavors = user.get(Nova, "flavors/detail").await;
    let flavors = flavors["flavors"].as_array().unwrap();
    let flavor = text(&flavors.iter().find(|flavor| flavor["name"] == "m1.tiny").unwrap()["id"]);
    Tenant { _stage: stage, user, image, flavor, network }
}

impl Tenant {
    async fn boot(&self, extra: Value) -> String {
        let mut server = json!({
            "name": "s", "flavorRef": self.flavor, "imageRef": self.image, "networks": [{"uuid": self.network}],
        });
        server.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let made = self.user.post(Nova, "servers", json!({"server": server})).await;
        assert!(made["server"]["adminPass"].is_string());
        text(&made["server"]["id"])
    }

    async fn refused(&self, extra: Value) -> (u16, String) {
        let mut server = json!({
            "name": "s", "flavorRef": self.flavor, "imageRef": self.image, "networks": [{"uuid": self.network}],
        });
        server.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let (status, body) = self.user.ask(Nova, Method::POST, "servers", json!({"server": server})).await;
        let message = body.as_object().unwrap().values().next().unwrap()["message"].clone();
        (status, text(&message))
    }
}

#[tokio::test]
async fn a_server_is_built_stopped_started_and_deleted() {
    let tenant = tenant_on(slow_stage()).await;
    let user = &tenant.user;
    let id = tenant.boot(json!({"metadata": {"a": "b"}, "tags": ["t"], "description": "d"})).await;
    let path = format!("servers/{id}");
    let (server, seen) = user.wait(Nova, &path, "server", |server| server["status"] == "ACTIVE").await;
    assert_eq!(seen, ["BUILD", "ACTIVE"]);
    assert_eq!(server["addresses"]["n"][0]["OS-EXT-IPS:type"], "fixed");
    assert_eq!((&server["metadata"]["a"], &server["tags"][0]), (&json!("b"), &json!("t")));
    let stop = json!({"os-stop": null});
    let action = format!("{path}/action");
    assert_eq!(user.ask(Nova, Method::POST, &action, stop.clone()).await.0, 202);
    user.server_is(&id, "SHUTOFF").await;
    let (status, body) = user.ask(Nova, Method::POST, &action, stop).await;
    assert_eq!(status, 409);
    let message = format!("Cannot 'stop' instance {id} while it is in vm_state stopped");
    assert_eq!(body["conflictingRequest"]["message"], message);
    user.ask(Nova, Method::POST, &action, json!({"os-start": null})).await;
    user.server_is(&id, "ACTIVE").await;
    assert_eq!(user.cloud.counts().ports, 1);
    assert_eq!(user.delete(Nova, &path).await, 204);
    user.gone(Nova, &path).await;
    assert_eq!(user.cloud.counts().ports, 0);
}

#[tokio::test]
async fn the_body_follows_the_microversion() {
    let tenant = tenant().await;
    let mut user = tenant.user.clone();
    let id = tenant.boot(json!({"description": "d"})).await;
    user.server_is(&id, "ACTIVE").await;
    let path = format!("servers/{id}");
    user.compute = "2.1";
    let old = user.get(Nova, &path).await["server"].take();
    assert_eq!(old["flavor"]["id"], tenant.flavor.as_str());
    assert!(old.get("description").is_none() && old.get("tags").is_none());
    user.compute = "2.46";
    assert_eq!(user.get(Nova, &path).await["server"]["description"], "d");
    user.compute = "2.47";
    let new = user.get(Nova, &path).await["server"].take();
    assert_eq!(new["flavor"]["original_name"], "m1.tiny");
    assert!(new["flavor"].get("id").is_none());
    user.compute = "2.94";
    let (status, body) = user.ask(Nova, Method::GET, &path, Value::Null).await;
    assert_eq!(status, 406);
    assert!(text(&body["computeFault"]["message"]).contains("Minimum is 2.1 and maximum is 2.93"));
    user.compute = "2.18";
    let body = json!({"server": {
        "name": "s", "flavorRef": tenant.flavor, "imageRef": tenant.image, "description": "d",
    }});
    assert_eq!(user.ask(Nova, Method::POST, "servers", body).await.0, 400);
    let newer = User::tenant(tenant._stage.lab.dst()).await;
    let newer = User { compute: "2.96", ..newer };
    newer.get(Nova, "servers").await;
}

#[tokio::test]
async fn a_volume_comes_and_goes_as_a_device() {
    let tenant = tenant().await;
    let user = &tenant.user;
    let id = tenant.boot(json!({})).await;
    user.server_is(&id, "ACTIVE").await;
    let volume = user.volume(json!({"size": 1})).await;
    let device = user.cloud.device_dir(&id).join(format!("virtio-{}", &volume[..20]));
    assert!(user.cloud.device_dir("s").exists() && !device.exists());
    let path = format!("servers/{id}/os-volume_attachments");
    let body = json!({"volumeAttachment": {"volumeId": volume}});
    let made = user.post(Nova, &path, body.clone()).await["volumeAttachment"].take();
    assert_eq!(made["device"], "/dev/vdb");
    assert!(made.get("id").is_none() && made["attachment_id"].is_string());
    let seen = user.volume_is(&volume, "in-use").await;
    assert!(seen[..seen.len() - 1].iter().all(|status| status == "reserved" || status == "attaching"));
    fs::OpenOptions::new().write(true).open(&device).unwrap().write_all_at(b"hello", 4096).unwrap();
    let mut bytes = [0; 5];
    fs::File::open(user.cloud.volume_file(&volume)).unwrap().read_exact_at(&mut bytes, 4096).unwrap();
    assert_eq!(&bytes, b"hello");
    assert_eq!(user.ask(Nova, Method::POST, &path, body).await.0, 400);
    assert_eq!(user.delete(Cinder, &format!("volumes/{volume}")).await, 400);
    let shown = user.get(Cinder, &format!("volumes/{volume}")).await["volume"].take();
    assert_eq!(shown["attachments"][0]["server_id"], id.as_str());
    assert_eq!(shown["attachments"][0]["device"], "/dev/vdb");
    // In use: a snapshot takes force, before 3.66.
    let old = User { volume: "3.65", ..user.clone() };
    let snapshot = json!({"snapshot": {"volume_id": volume}});
    assert_eq!(old.ask(Cinder, Method::POST, "snapshots", snapshot.clone()).await.0, 400);
    assert_eq!(user.ask(Cinder, Method::POST, "snapshots", snapshot).await.0, 202);
    assert_eq!(user.delete(Nova, &format!("{path}/{volume}")).await, 202);
    user.volume_is(&volume, "available").await;
    assert!(!device.exists());
    assert_eq!(user.delete(Nova, &format!("{path}/{volume}")).await, 404);
}

#[tokio::test]
async fn a_server_boots_from_a_volume_and_keeps_it() {
    let tenant = tenant().await;
    let user = &tenant.user;
    let volume = user.volume(json!({"size": 1})).await;
    let data = user.volume(json!({"size": 1})).await;
    let mapping = json!({"imageRef": "", "block_device_mapping_v2": [
        {"boot_index": 0, "uuid": volume, "source_type": "volume", "destination_type": "volume",
         "delete_on_termination": true, "device_name": "vda"},
        {"boot_index": -1, "uuid": data, "source_type": "volume", "destination_type": "volume",
         "delete_on_termination": false, "device_name": "vdc"},
    ]});
    let (status, message) = tenant.refused(mapping.clone()).await;
    assert_eq!((status, message), (400, format!("Block Device {volume} is not bootable.")));
    let bootable = json!({"os-set_bootable": {"bootable": true}});
    user.ask(Cinder, Method::POST, &format!("volumes/{volume}/action"), bootable).await;
    assert_eq!(user.cloud.counts().ports, 0, "a refused server leaves no port");
    let id = tenant.boot(mapping.clone()).await;
    let server = user.server_is(&id, "ACTIVE").await;
    assert_eq!(server["image"], "");
    user.volume_is(&volume, "in-use").await;
    let path = format!("servers/{id}/os-volume_attachments");
    let attachments = user.get(Nova, &path).await["volumeAttachments"].take();
    assert_eq!(attachments[0]["device"], "/dev/vda");
    assert_eq!(
        (&attachments[1]["device"], &attachments[0]["delete_on_termination"]),
        (&json!("/dev/vdc"), &json!(true))
    );
    let (status, body) = user.ask(Nova, Method::DELETE, &format!("{path}/{volume}"), Value::Null).await;
    assert_eq!(status, 400);
    assert_eq!(body["badRequest"]["message"], "Cannot detach a root device volume");
    assert_eq!(tenant.refused(mapping).await.0, 400, "its volumes are in use");
    user.delete(Nova, &format!("servers/{id}")).await;
    user.gone(Nova, &format!("servers/{id}")).await;
    user.gone(Cinder, &format!("volumes/{volume}")).await;
    user.volume_is(&data, "available").await;
}

#[tokio::test]
async fn a_new_root_volume_is_made_of_the_image() {
    let tenant = tenant().await;
    let user = &tenant.user;
    let mapping = json!({"imageRef": "", "block_device_mapping_v2": [
        {"boot_index": "0", "uuid": tenant.image, "source_type": "image", "destination_type": "volume", "volume_size": 1},
    ]});
    let id = tenant.boot(mapping).await;
    let server = user.server_is(&id, "ACTIVE").await;
    let volume = text(&server["os-extended-volumes:volumes_attached"][0]["id"]);
    let image = fs::read(user.cloud.image_file(&tenant.image)).unwrap();
    let mut root = vec![0; image.len()];
    fs::File::open(user.cloud.volume_file(&volume)).unwrap().read_exact_at(&mut root, 0).unwrap();
    assert!(root == image);
    let shown = user.get(Cinder, &format!("volumes/{volume}")).await["volume"].take();
    assert_eq!((&shown["status"], &shown["bootable"]), (&json!("in-use"), &json!("true")));
    assert_eq!(shown["volume_image_metadata"]["image_id"], tenant.image.as_str());
}

#[tokio::test]
async fn an_image_of_a_server_has_its_root_disk() {
    let tenant = tenant_on(slow_stage()).await;
    let user = &tenant.user;
    let id = tenant.boot(json!({})).await;
    user.server_is(&id, "ACTIVE").await;
    let disk = fs::OpenOptions::new().write(true).open(user.cloud.root_disk_file(&id)).unwrap();
    disk.write_all_at(b"written by the guest", 77_777_777).unwrap();
    let body = json!({"createImage": {"name": "copy", "metadata": {"osm_job": "1"}}});
    let action = format!("servers/{id}/action");
    let made = user.post(Nova, &action, body.clone()).await;
    let image = text(&made["image_id"]);
    assert_eq!(user.ask(Nova, Method::POST, &action, body.clone()).await.0, 409, "one at a time");
    let (shown, seen) =
        user.wait(Glance, &format!("images/{image}"), "", |image| image["status"] == "active").await;
    assert_eq!(seen, ["queued", "saving", "active"]);
    assert_eq!((&shown["osm_job"], &shown["size"]), (&json!("1"), &json!(1 << 30)));
    assert_eq!(shown["hw_machine_type"], "q35");
    let volume = user.volume(json!({"imageRef": image, "size": 1})).await;
    let mut bytes = [0; 20];
    fs::File::open(user.cloud.volume_file(&volume)).unwrap().read_exact_at(&mut bytes, 77_777_777).unwrap();
    assert_eq!(&bytes, b"written by the guest");
    user.server_is(&id, "ACTIVE").await;
    let old = User { compute: "2.44", ..user.clone() };
    let response = old.send(Nova, Method::POST, &action, &body).await;
    assert!(response.headers()["location"].to_str().unwrap().contains("/images/"));
}

#[tokio::test]
async fn a_server_takes_the_port_it_is_given_and_gives_it_back() {
    let tenant = tenant().await;
    let user = &tenant.user;
    let body = json!({"port": {
        "network_id": tenant.network, "mac_address": "fa:16:3e:12:34:56", "fixed_ips": [{"ip_address": "10.1.0.50"}],
    }});
    let port = text(&user.post(Neutron, "ports", body).await["port"]["id"]);
    let id = tenant.boot(json!({"networks": [{"port": port}]})).await;
    user.server_is(&id, "ACTIVE").await;
    let shown = user.get(Neutron, &format!("ports/{port}")).await["port"].take();
    assert_eq!((&shown["device_id"], &shown["device_owner"]), (&json!(id), &json!("compute:nova")));
    assert_eq!(shown["status"], "ACTIVE");
    let (status, message) = tenant.refused(json!({"networks": [{"port": port}]})).await;
    assert_eq!((status, message), (409, format!("Port {port} is still in use.")));
    let taken = json!({"networks": [{"uuid": tenant.network, "fixed_ip": "10.1.0.50"}]});
    assert_eq!(tenant.refused(taken).await.0, 400);
    user.delete(Nova, &format!("servers/{id}")).await;
    user.gone(Nova, &format!("servers/{id}")).await;
    let shown = user.get(Neutron, &format!("ports/{port}")).await["port"].take();
    assert_eq!((&shown["device_id"], &shown["status"]), (&json!(""), &json!("DOWN")));
}

#[tokio::test]
async fn what_cannot_be_built_is_refused() {
    let tenant = tenant().await;
    let user = &tenant.user;
    let cases = [
        (json!({"flavorRef": "nope"}), 400, "Flavor nope could not be found."),
        (json!({"imageRef": ""}), 400, "Invalid imageRef provided."),
        (json!({"key_name": "nope"}), 400, "Invalid key_name provided."),
        (json!({"security_groups": [{"name": "nope"}]}), 400, "Security group nope not found for project"),
        (json!({"networks": [{"uuid": "nope"}]}), 400, "Network nope could not be found."),
        (json!({"colour": "red"}), 400, "Additional properties are not allowed ('colour' was unexpected)"),
        (json!({"availability_zone": "mars"}), 400, "The requested availability zone mars is not available"),
    ];
    for (extra, status, message) in cases {
        let (found, text) = tenant.refused(extra.clone()).await;
        assert_eq!(found, status, "{extra}");
        assert!(text.contains(message), "{text}");
    }
    for _ in 0..2 {
        user.post(Neutron, "security-groups", json!({"security_group": {"name": "twin"}})).await;
    }
    assert_eq!(tenant.refused(json!({"security_groups": [{"name": "twin"}]})).await.0, 409);
    user.cloud.set_quotas(|quotas| quotas.instances = 0);
    let (status, message) = tenant.refused(json!({})).await;
    assert_eq!(status, 403);
    assert_eq!(message, "Quota exceeded for instances: Requested 1, but already used 0 of 0 instances");
    let counts = user.cloud.counts();
    assert_eq!((counts.servers, counts.ports), (0, 0));
}

#[tokio::test]
async fn names_are_patterns_and_other_projects_are_the_administrators() {
    let tenant = tenant().await;
    let user = &tenant.user;
    for name in ["web", "web-2"] {
        let id = tenant.boot(json!({"name": name})).await;
        user.server_is(&id, "ACTIVE").await;
    }
    let count = |body: &Value| body["servers"].as_array().unwrap().len();
    assert_eq!(count(&user.get(Nova, "servers?name=web").await), 2);
    assert_eq!(count(&user.get(Nova, "servers?name=%5Eweb%24").await), 1);
    assert_eq!(user.ask(Nova, Method::GET, "servers/detail?all_tenants=1", Value::Null).await.0, 403);
    let admin = User::admin(&user.cloud).await;
    assert_eq!(count(&admin.get(Nova, "servers/detail").await), 0);
    let all = admin.get(Nova, "servers/detail?all_tenants=1").await;
    assert_eq!(count(&all), 2);
    assert_eq!(all["servers"][0]["OS-EXT-SRV-ATTR:host"], "lab-node");
}

#[tokio::test]
async fn keypairs_and_flavors() {
    let tenant = tenant().await;
    let mut user = User { compute: "2.10", ..tenant.user.clone() };
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOGuc76SI1qmLevmZOkb+xmlm5hfvdDnXBQ6pDwiSKHs c";
    let body = json!({"keypair": {"name": "k", "public_key": key}});
    let (status, made) = user.ask(Nova, Method::POST, "os-keypairs", body.clone()).await;
    assert_eq!((status, &made["keypair"]["type"]), (201, &json!("ssh")));
    let (status, body) = user.ask(Nova, Method::POST, "os-keypairs", body).await;
    assert_eq!(
        (status, &body["conflictingRequest"]["message"]),
        (409, &json!("Key pair 'k' already exists."))
    );
    let bad = json!({"keypair": {"name": "k@home", "public_key": key}});
    assert_eq!(user.ask(Nova, Method::POST, "os-keypairs", bad.clone()).await.0, 400);
    user.compute = "2.92";
    assert_eq!(user.ask(Nova, Method::POST, "os-keypairs", bad).await.0, 201);
    let flavor = json!({"flavor": {"name": "f", "ram": 1, "vcpus": 1, "disk": 0}});
    assert_eq!(user.ask(Nova, Method::POST, "flavors", flavor.clone()).await.0, 403);
    let admin = User { compute: "2.61", ..User::admin(&user.cloud).await };
    let made = admin.post(Nova, "flavors", flavor).await["flavor"].take();
    assert_eq!((&made["swap"], &made["extra_specs"]), (&json!(""), &json!({})));
    let path = format!("flavors/{}/os-extra_specs/hw:cpu_policy", text(&made["id"]));
    admin.put(Nova, &path, json!({"hw:cpu_policy": "shared"})).await;
    let shown = admin.get(Nova, &format!("flavors/{}", text(&made["id"]))).await;
    assert_eq!(shown["flavor"]["extra_specs"]["hw:cpu_policy"], "shared");
}
