//! A client of the lab that knows nothing but HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use osm_lab::{Cloud, Lab, LabOptions, Service};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A lab with short delays, and the folder it lives in.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) dir: TempDir,
}

pub(crate) fn stage() -> Stage {
    stage_with(|_| {})
}

/// A stage where each status lasts long enough to be seen, also by a test that must wait for a processor.
pub(crate) fn slow_stage() -> Stage {
    stage_with(|options| options.delay = Duration::from_millis(150))
}

pub(crate) fn stage_with(change: impl FnOnce(&mut LabOptions)) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let mut options = LabOptions::new(dir.path().join("lab"));
    options.delay = Duration::from_millis(5);
    change(&mut options);
    Stage { lab: Lab::start(options).unwrap(), dir }
}

pub(crate) fn http() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .timeout(Duration::from_secs(20))
        .no_proxy()
        .build()
        .unwrap()
}

/// Somebody logged in to one cloud.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) cloud: Cloud,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
    pub(crate) project: String,
    pub(crate) compute: &'static str,
    pub(crate) volume: &'static str,
}

pub(crate) fn password(user: &str, password: &str, project: &str) -> Value {
    let domain = json!({"name": "Default"});
    json!({"auth": {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": user, "domain": domain, "password": password}},
        },
        "scope": {"project": {"name": project, "domain": domain}},
    }})
}

impl User {
    pub(crate) async fn tenant(cloud: &Cloud) -> Self {
        Self::login(cloud, cloud.tenant()).await
    }

    pub(crate) async fn admin(cloud: &Cloud) -> Self {
        Self::login(cloud, cloud.admin()).await
    }

    async fn login(cloud: &Cloud, who: osm_lab::Credentials) -> Self {
        let http = http();
        let body = password(&who.username, &who.password, &who.project_name);
        let response = http.post(format!("{}/auth/tokens", who.auth_url)).json(&body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let token = response.headers()["x-subject-token"].to_str().unwrap().to_owned();
        Self { cloud: cloud.clone(), http, token, project: who.project_id, compute: "2.93", volume: "3.70" }
    }

    pub(crate) fn root(&self, service: Service) -> String {
        let root = self.cloud.url(service);
        match service {
            Service::Keystone => format!("{root}/v3"),
            Service::Nova => format!("{root}/v2.1"),
            Service::Neutron => format!("{root}/v2.0"),
            Service::Cinder => format!("{root}/v3/{}", self.project),
            Service::Glance => format!("{root}/v2"),
        }
    }

    pub(crate) fn request(&self, service: Service, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}/{path}", self.root(service)))
            .header("x-auth-token", &self.token);
        match service {
            Service::Nova => request.header("openstack-api-version", format!("compute {}", self.compute)),
            Service::Cinder => request.header("openstack-api-version", format!("volume {}", self.volume)),
            _ => request,
        }
    }

    pub(crate) async fn send(&self, service: Service, method: Method, path: &str, body: &Value) -> Response {
        let request = self.request(service, method, path);
        let request = if body.is_null() { request } else { request.json(body) };
        request.send().await.unwrap()
    }

    /// Status and body; a body that is no JSON comes as a string.
    pub(crate) async fn ask(
        &self,
        service: Service,
        method: Method,
        path: &str,
        body: Value,
    ) -> (u16, Value) {
        let response = self.send(service, method, path, &body).await;
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) async fn get(&self, service: Service, path: &str) -> Value {
        let (status, body) = self.ask(service, Method::GET, path, Value::Null).await;
        assert!(status < 300, "GET {path}: {status} {body}");
        body
    }

    pub(crate) async fn post(&self, service: Service, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(service, Method::POST, path, body).await;
        assert!(status < 300, "POST {path}: {status} {answer}");
        answer
    }

    pub(crate) async fn put(&self, service: Service, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(service, Method::PUT, path, body).await;
        assert!(status < 300, "PUT {path}: {status} {answer}");
        answer
    }

    pub(crate) async fn delete(&self, service: Service, path: &str) -> u16 {
        self.ask(service, Method::DELETE, path, Value::Null).await.0
    }

    /// Polls until `done` likes the resource under `key`; the statuses seen on the way come along.
    pub(crate) async fn wait(
        &self,
        service: Service,
        path: &str,
        key: &str,
        done: impl Fn(&Value) -> bool,
    ) -> (Value, Vec<String>) {
        let deadline = Instant::now() + Duration::from_secs(15);
        let mut seen: Vec<String> = Vec::new();
        loop {
            let body = self.get(service, path).await;
            let body = if key.is_empty() { body } else { body[key].clone() };
            let status = body["status"].as_str().unwrap_or_default().to_owned();
            if seen.last() != Some(&status) {
                seen.push(status);
            }
            if done(&body) {
                return (body, seen);
            }
            assert!(Instant::now() < deadline, "{path} stays {body}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) async fn gone(&self, service: Service, path: &str) {
        let deadline = Instant::now() + Duration::from_secs(15);
        while self.ask(service, Method::GET, path, Value::Null).await.0 != 404 {
            assert!(Instant::now() < deadline, "{path} stays");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) async fn volume(&self, spec: Value) -> String {
        let made = self.post(Service::Cinder, "volumes", json!({"volume": spec})).await;
        let id = text(&made["volume"]["id"]);
        self.volume_is(&id, "available").await;
        id
    }

    pub(crate) async fn volume_is(&self, id: &str, status: &str) -> Vec<String> {
        let path = format!("volumes/{id}");
        self.wait(Service::Cinder, &path, "volume", |volume| volume["status"] == status).await.1
    }

    pub(crate) async fn server_is(&self, id: &str, status: &str) -> Value {
        let path = format!("servers/{id}");
        let good = |server: &Value| server["status"] == status && server["OS-EXT-STS:task_state"].is_null();
        self.wait(Service::Nova, &path, "server", good).await.0
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
