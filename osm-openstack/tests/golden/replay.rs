//! A cloud that gives the recorded answers again, to a client that asks in another way.
//!
//! OS Migrate asks for one object after the other, we for lists. So what was not asked for
//! literally is answered from what is known: an object out of a list, a list out of a longer
//! list, or out of all lists and objects of its collection. An answer of the playbook itself comes
//! before one of another playbook of the same user, and that before `rest/`.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use osm_openstack::{CloudConfig, Session};
use url::Url;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::answer::{Asked, fits, is_at, list, literal, shortened, singular};
use crate::json::Json;
use crate::recording::{Exchange, Recording, Section, narrowing, plain_path};

/// A cloud on loopback and a session in it.
pub(crate) struct Cloud {
    pub(crate) session: Session,
    server: MockServer,
    unknown: Arc<Mutex<Vec<String>>>,
}

impl Cloud {
    /// The cloud as the playbook's user saw it.
    pub(crate) async fn of(recording: &Recording, playbook: &str) -> Self {
        let section = recording.section(playbook);
        let server = MockServer::start().await;
        let unknown = Arc::default();
        let replay = Replay::new(recording, section, Arc::clone(&unknown));
        let config = replay.config(section, &server.uri());
        Mock::given(any()).respond_with(replay).mount(&server).await;
        let session = Session::connect(config).await.unwrap();
        Self { session, server, unknown }
    }

    /// What was asked for and is nowhere in the recording.
    pub(crate) fn unknown(&self) -> Vec<String> {
        self.unknown.lock().unwrap().clone()
    }

    /// How many requests read something.
    pub(crate) async fn reads(&self) -> usize {
        let all = self.server.received_requests().await.unwrap();
        all.iter().filter(|request| request.method.as_str() == "GET").count()
    }
}

struct Replay {
    /// Scheme, host and port of each service: the first segment of our paths counts into it.
    origins: Vec<String>,
    token: Json,
    /// Where Keystone is.
    identity: (String, String),
    /// Whether Keystone refuses what it was not seen to answer.
    is_tenant: bool,
    /// The exchanges, the most telling first.
    tiers: Vec<Vec<Exchange>>,
    blobs: PathBuf,
    unknown: Arc<Mutex<Vec<String>>>,
}

impl Replay {
    fn new(recording: &Recording, section: &Section, unknown: Arc<Mutex<Vec<String>>>) -> Self {
        let auth: Url = section.auth_url.parse().expect("the playbook asked for a token");
        let identity = (auth.origin().ascii_serialization(), plain_path(auth.path()));
        let is_tenant = !section.is_admin();
        let others = recording.sections.iter().filter(|other| other.identity() == section.identity());
        let usable = |place: &str, exchange: &Exchange| match (place.starts_with("tenant_refused"), is_tenant)
        {
            (refused, false) => !refused && !place.contains("tenant"),
            (true, true) => true,
            (false, true) => !place.contains("admin") && !is_at(exchange, &identity),
        };
        let rest = recording.rest.iter().filter(|plain| usable(&plain.place, &plain.exchange));
        let tiers = vec![
            section.exchanges.clone(),
            others.flat_map(|other| other.exchanges.clone()).collect(),
            rest.map(|plain| plain.exchange.clone()).collect(),
        ];
        let mut origins = vec![identity.0.clone()];
        origins.extend(tiers.iter().flatten().map(|exchange| exchange.origin.clone()));
        origins.sort();
        origins.dedup();
        let blobs = recording.folder.join("export/image_blobs");
        Self { origins, token: section.token.clone(), identity, is_tenant, tiers, blobs, unknown }
    }

    fn config(&self, section: &Section, base: &str) -> CloudConfig {
        let said = |path: &[&str]| {
            let text = section.token.text(path).unwrap_or_else(|| panic!("the token has no {path:?}"));
            serde_json::to_string(text).unwrap()
        };
        let auth_url = self.here(&section.auth_url, base);
        let text = format!(
            "auth:\n  auth_url: {auth_url}\n  password: x\n  username: {}\n  user_domain_name: {}\n  \
             project_name: {}\n  project_domain_name: {}\n",
            said(&["token", "user", "name"]),
            said(&["token", "user", "domain", "name"]),
            said(&["token", "project", "name"]),
            said(&["token", "project", "domain", "name"]),
        );
        CloudConfig::from_yaml("src", &text, "the recording").unwrap()
    }

    /// An address of the recorded cloud as one of this server.
    fn here(&self, text: &str, base: &str) -> String {
        let found = self.origins.iter().enumerate().filter(|(_, origin)| text.starts_with(*origin));
        match found.max_by_key(|(_, origin)| origin.len()) {
            Some((index, origin)) => format!("{base}/{index}{}", &text[origin.len()..]),
            None => text.to_owned(),
        }
    }

    fn asked(&self, request: &Request) -> Option<Asked> {
        let (index, path) = request.url.path().trim_start_matches('/').split_once('/')?;
        let version = request.headers.get("openstack-api-version").and_then(|it| it.to_str().ok());
        let microversion = version.and_then(|text| {
            let (major, minor) = text.rsplit(' ').next()?.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
        Some(Asked {
            origin: self.origins.get(index.parse::<usize>().ok()?)?.clone(),
            path: plain_path(&format!("/{path}")),
            query: narrowing(&request.url),
            microversion,
        })
    }

    fn answer(&self, asked: &Asked) -> Option<(u16, Json)> {
        self.tiers
            .iter()
            .find_map(|tier| literal(tier, asked))
            .or_else(|| self.item(asked).map(|item| (200, item)))
            .or_else(|| self.tiers.iter().find_map(|tier| shortened(tier, asked)).map(|list| (200, list)))
            .or_else(|| self.collected(asked).map(|list| (200, list)))
    }

    /// An object out of a list.
    fn item(&self, asked: &Asked) -> Option<Json> {
        let (parent, id) = asked.path.rsplit_once('/')?;
        let detail = format!("{parent}/detail");
        self.tiers.iter().flatten().find_map(|exchange| {
            let is_parent = exchange.path == parent || exchange.path == detail;
            if exchange.origin != asked.origin || !is_parent || !exchange.query.is_subset(&asked.query) {
                return None;
            }
            let (key, items) = exchange.body.as_list()?;
            if key == "keypairs" {
                let named = |item: &&Json| item.text(&["keypair", "name"]) == Some(id);
                return items.iter().find(named).cloned();
            }
            let found = items.iter().find(|item| item.text(&["id"]) == Some(id))?.clone();
            Some(if key == "images" { found } else { Json::Map(vec![(singular(key), found)]) })
        })
    }

    /// Everything that is known of a collection, as far as it was asked for.
    fn collected(&self, asked: &Asked) -> Option<Json> {
        let base = asked.path.strip_suffix("/detail").unwrap_or(&asked.path);
        let mut key = None;
        let mut all = Vec::new();
        for exchange in self.tiers.iter().flatten().filter(|exchange| exchange.origin == asked.origin) {
            let whole = exchange.path == asked.path || exchange.path == base;
            match exchange.body.as_list() {
                Some((plural, items)) if whole => {
                    key = Some(plural.to_owned());
                    all.extend(items.iter().cloned());
                }
                _ if exchange.status == 200 => {
                    let below = exchange.path.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
                    if below.is_some_and(|rest| !rest.contains('/'))
                        && let Json::Map(members) = &exchange.body
                        && let [(_, object @ Json::Map(_))] = members.as_slice()
                    {
                        all.push(object.clone());
                    }
                }
                _ => {}
            }
        }
        let key = key?;
        Some(list(&key, all.into_iter().filter(|item| fits(item, &asked.query))))
    }

    fn blob(&self, asked: &Asked) -> Option<Vec<u8>> {
        let id = asked.path.strip_suffix("/file")?.rsplit('/').next()?;
        let entries = fs::read_dir(&self.blobs).ok()?.filter_map(Result::ok);
        let mut paths = entries.map(|entry| entry.path());
        let path =
            paths.find(|path| path.file_name().is_some_and(|it| it.to_string_lossy().starts_with(id)))?;
        fs::read(path).ok()
    }
}

impl Respond for Replay {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let base = format!("http://{}", request.headers["host"].to_str().unwrap());
        let Some(asked) = self.asked(request) else { return ResponseTemplate::new(404) };
        let answered = |status: u16, body: Json| {
            ResponseTemplate::new(status).set_body_raw(body.to_string(), "application/json")
        };
        if request.method.as_str() == "POST" && asked.path.ends_with("/auth/tokens") {
            let token = self.token.map_texts(&|text| self.here(text, &base));
            return answered(201, token).insert_header("X-Subject-Token", "t");
        }
        if let Some(data) = self.blob(&asked) {
            return ResponseTemplate::new(200).set_body_raw(data, "application/octet-stream");
        }
        let is_version = |segment: &str| {
            segment.is_empty()
                || segment.starts_with('v') && segment[1..].starts_with(|c: char| c.is_ascii_digit())
        };
        let about_versions = is_version(asked.path.rsplit('/').next().unwrap_or_default());
        match self.answer(&asked) {
            // Services link to themselves in these documents.
            Some((status, body)) if about_versions => {
                answered(status, body.map_texts(&|text| self.here(text, &base)))
            }
            Some((status, body)) => answered(status, body),
            None if self.is_tenant
                && asked.origin == self.identity.0
                && asked.path.starts_with(&self.identity.1) =>
            {
                answered(
                    403,
                    Json::parse(
                        r#"{"error": {"code": 403, "message": "not recorded", "title": "Forbidden"}}"#,
                    ),
                )
            }
            None => {
                if !about_versions {
                    self.unknown.lock().unwrap().push(format!("{} {}", request.method, request.url));
                }
                answered(
                    404,
                    Json::parse(r#"{"NeutronError": {"type": "NotRecorded", "message": "not recorded"}}"#),
                )
            }
        }
    }
}
