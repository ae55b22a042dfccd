//! Glance: images, whose properties are text.

use serde_json::{Value, json};
use wiremock::Request;

use super::{Answer, World, body_of, filtered, not_found};

/// Data that tests upload, with its digests.
pub(crate) const DATA: &[u8] = b"hello, glance\n";
pub(crate) const MD5: &str = "61c9bd389250ed65a35f41c4381222ba";
pub(crate) const SHA512: &str = "840654c0e0280952232b394a066e92b90799df9c5410f6d2846d7f630722159e213d72b314cedd088ad35852a32fedbd0b4c6ae5483e1a44ee7170ace693f8ac";

/// The attributes that are no text.
const TYPED: [&str; 5] = ["protected", "os_hidden", "min_disk", "min_ram", "tags"];

impl World {
    pub(super) fn glance(&mut self, method: &str, path: &str, request: &Request) -> Answer {
        let parts: Vec<&str> = path.split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", ["images"]) => {
                let hidden =
                    request.url.query_pairs().any(|(key, value)| key == "os_hidden" && value == "true");
                let mut images = filtered(self.list("images"), request);
                images.retain(|image| (image["os_hidden"] == true) == hidden);
                (200, json!({"images": images}))
            }
            ("GET", ["images", id]) => {
                self.get("images", id).map_or_else(not_found, |image| (200, image.clone()))
            }
            ("POST", ["images"]) => self.create_image(body_of(request)),
            ("PUT", ["images", id, "file"]) => self.fill(id, &request.body),
            ("PATCH", ["images", id]) => self.patch(id, &body_of(request)),
            ("DELETE", ["images", id])
                if self.get("images", id).is_some_and(|image| image["protected"] == true) =>
            {
                (403, json!({"message": "protected"}))
            }
            ("DELETE", ["images", id]) if self.remove("images", id) => (204, Value::Null),
            _ => not_found(),
        }
    }

    fn create_image(&mut self, body: Value) -> Answer {
        for (key, value) in body.as_object().unwrap() {
            if !value.is_string() && !TYPED.contains(&key.as_str()) {
                return (400, json!({"message": format!("{value} is not of type 'string', on {key}")}));
            }
            if key.starts_with("os_hash_") || key.starts_with("os_glance_") {
                return (403, json!({"message": format!("Attribute '{key}' is reserved.")}));
            }
        }
        let mut image = self.stamped(json!({"visibility": "shared", "protected": false, "os_hidden": false,
            "min_disk": 0, "min_ram": 0, "tags": []}));
        image["owner"] = image["project_id"].take();
        image.as_object_mut().unwrap().remove("project_id");
        image.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        image["status"] = json!("queued");
        self.add("images", image.clone());
        (201, image)
    }

    fn fill(&mut self, id: &str, data: &[u8]) -> Answer {
        let Some(image) = self.get_mut("images", id) else { return not_found() };
        if image["status"] != "queued" {
            return (409, json!({"message": "Image status transition is not allowed"}));
        }
        image["status"] = json!("active");
        image["size"] = json!(data.len());
        let (md5, sha512) = if data == DATA { (MD5, SHA512) } else { ("other", "other") };
        image["checksum"] = json!(md5);
        image["os_hash_algo"] = json!("sha512");
        image["os_hash_value"] = json!(sha512);
        self.data.insert(id.to_owned(), data.to_vec());
        (204, Value::Null)
    }

    fn patch(&mut self, id: &str, changes: &Value) -> Answer {
        let Some(image) = self.get_mut("images", id) else { return not_found() };
        for change in changes.as_array().unwrap() {
            let key = change["path"].as_str().unwrap()[1..].replace("~1", "/").replace("~0", "~");
            let there = image.get(&key).is_some();
            match change["op"].as_str().unwrap() {
                "replace" if !there => {
                    return (409, json!({"message": format!("no property {key} to replace")}));
                }
                "remove" => drop(image.as_object_mut().unwrap().remove(&key)),
                _ => image[key] = change["value"].clone(),
            }
        }
        (200, image.clone())
    }
}
