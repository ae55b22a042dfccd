//! A cloud that gives the answers which a real one (OpenStack Zed) gave to OS Migrate.

use std::collections::HashMap;

use serde_json::{Value, json};
use wiremock::{Request, Respond, ResponseTemplate};

use crate::support;

/// The recorded answers as they came, by path and query. They are not read on the way: Nova's
/// order of networks in a server's addresses is an order of keys.
pub(crate) struct Recorded(HashMap<String, (u16, String)>);

impl Recorded {
    /// What an administrator was answered.
    pub(crate) fn of_administrator() -> Self {
        let lines = include_str!("../golden/admin.jsonl").lines();
        let answers = lines.map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let status = u16::try_from(line["status"].as_u64().unwrap()).unwrap();
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            (text("path"), (status, text("body")))
        });
        Self(answers.collect())
    }

    /// The recorded answer; or the recorded list of everything, filtered as the service would.
    fn answer(&self, request: &Request) -> Option<(u16, String)> {
        let path = request.url.path().trim_start_matches('/');
        let exact = match request.url.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        if let Some((status, body)) = self.0.get(&exact) {
            return Some((*status, body.clone()));
        }
        let (status, body) = self.0.get(path)?;
        let mut body: Value = serde_json::from_str(body).unwrap();
        let list = body.as_object_mut()?.values_mut().find_map(Value::as_array_mut)?;
        for (key, value) in request.url.query_pairs() {
            list.retain(|item| match &item[key.as_ref()] {
                Value::String(text) => *text == value,
                Value::Bool(flag) => flag.to_string() == value,
                _ => false,
            });
        }
        Some((*status, body.to_string()))
    }
}

impl Respond for Recorded {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        if request.method.as_str() != "GET" {
            return ResponseTemplate::new(405);
        }
        let base = format!("http://{}", request.headers["host"].to_str().unwrap());
        if let Some(versions) = support::versions(request.url.path(), &base) {
            return versions;
        }
        match self.answer(request) {
            Some((status, body)) => ResponseTemplate::new(status).set_body_raw(body, "application/json"),
            None => ResponseTemplate::new(404).set_body_json(
                json!({"NeutronError": {"type": "NotRecorded", "message": request.url.as_str()}}),
            ),
        }
    }
}
