//! The services' actions: what is sent, and what is made of the answers.
#![allow(clippy::unwrap_used, reason = "the test ends there")]

mod block_storage;
mod compute;
mod image;
#[path = "../support/mod.rs"]
mod support;

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::Value;
use wiremock::{Request, Respond, ResponseTemplate};

/// Answers given one after the other; the last one for ever.
pub(crate) struct Script(Mutex<VecDeque<ResponseTemplate>>);

impl Script {
    pub(crate) fn new(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        let template = |(status, body): (u16, Value)| match body {
            Value::Null => ResponseTemplate::new(status),
            body => ResponseTemplate::new(status).set_body_json(body),
        };
        Self(Mutex::new(answers.into_iter().map(template).collect()))
    }

    pub(crate) fn of(answer: ResponseTemplate) -> Self {
        Self(Mutex::new(VecDeque::from([answer])))
    }
}

impl Respond for Script {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let base = format!("http://{}", request.headers["host"].to_str().unwrap());
        if let Some(versions) = support::versions(request.url.path(), &base) {
            return versions;
        }
        let mut answers = self.0.lock().unwrap();
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
    }
}

/// The body of the only request that wrote something.
pub(crate) async fn written(cloud: &support::Cloud) -> (String, Value) {
    let writes = cloud.writes().await;
    assert_eq!(writes.len(), 1, "{writes:?}");
    let (head, body) = writes[0].split_at(writes[0].find('{').unwrap_or(writes[0].len()));
    (head.trim().to_owned(), serde_json::from_str(body).unwrap_or_default())
}
