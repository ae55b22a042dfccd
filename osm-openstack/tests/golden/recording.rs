//! What OS Migrate asked a cloud, what the cloud answered, and the files that came of it.
//!
//! A folder holds `export/*.yml`; `http-export.jsonl`, one exchange a line with a
//! `{"playbook": ...}` line before those of each playbook; and `rest/*.json`, the same cloud asked
//! plainly. Nothing of a folder is known beforehand: who asked and what was let through by
//! filters is read off the exchanges.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use url::Url;

use crate::json::Json;

pub(crate) struct Recording {
    pub(crate) folder: PathBuf,
    pub(crate) sections: Vec<Section>,
    pub(crate) rest: Vec<Plain>,
}

/// The exchanges of one playbook.
pub(crate) struct Section {
    pub(crate) playbook: String,
    /// Keystone's answer to the first request for a token, and where it was asked.
    pub(crate) token: Json,
    pub(crate) auth_url: String,
    pub(crate) exchanges: Vec<Exchange>,
}

/// An exchange outside of all playbooks.
pub(crate) struct Plain {
    /// The file and the place in it.
    pub(crate) place: String,
    pub(crate) exchange: Exchange,
}

#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) origin: String,
    pub(crate) path: String,
    pub(crate) query: Query,
    pub(crate) microversion: Option<(u32, u32)>,
    pub(crate) status: u16,
    pub(crate) body: Json,
}

/// What narrows a list.
pub(crate) type Query = BTreeSet<(String, String)>;

/// Keys by which a list is cut and dressed, not narrowed.
const FORM: [&str; 12] = [
    "all_tenants",
    "effective",
    "fields",
    "ignoring_missing",
    "include_names",
    "include_subtree",
    "is_public",
    "limit",
    "marker",
    "sort_dir",
    "sort_key",
    "with_count",
];

impl Recording {
    /// The folder that `OSM_GOLDEN_DIR` names, or the one of the project.
    pub(crate) fn load() -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = match env::var_os("OSM_GOLDEN_DIR").map(PathBuf::from) {
            None => project.join("tests/golden/public"),
            // Tests run in the folder of their package, whoever calls cargo may be above it.
            Some(folder) if !folder.exists() => project.join("..").join(folder),
            Some(folder) => folder,
        };
        let lines = read(&folder.join("http-export.jsonl"));
        Self { sections: sections(&lines), rest: plain(&folder.join("rest")), folder }
    }

    /// The run of a playbook that wrote its file: the last one.
    pub(crate) fn section(&self, playbook: &str) -> &Section {
        let found = self.sections.iter().rev().find(|section| section.playbook == playbook);
        found.unwrap_or_else(|| panic!("no exchanges of {playbook} in {}", self.folder.display()))
    }

    /// A file as OS Migrate wrote it.
    pub(crate) fn exported(&self, file: &str) -> String {
        read(&self.folder.join("export").join(file))
    }
}

impl Section {
    /// User and project.
    pub(crate) fn identity(&self) -> (&str, &str) {
        let id = |of: &str| self.token.text(&["token", of, "id"]).unwrap_or_default();
        (id("user"), id("project"))
    }

    pub(crate) fn is_admin(&self) -> bool {
        let Some(Json::List(roles)) = self.token.at(&["token", "roles"]) else { return false };
        roles.iter().any(|role| role.text(&["name"]) == Some("admin"))
    }

    /// The items of all lists of a collection that the playbook asked for.
    pub(crate) fn listed(&self, collection: &str) -> Vec<&Json> {
        let lists = self.exchanges.iter().filter(|it| it.path.ends_with(&format!("/{collection}")));
        lists.filter_map(|it| it.body.as_list()).flat_map(|(_, items)| items).collect()
    }
}

impl Exchange {
    fn new(url: &str, microversion: Option<&str>, status: u16, body: Json) -> Self {
        let url: Url = url.parse().unwrap_or_else(|error| panic!("{url}: {error}"));
        let microversion = microversion.and_then(|text| {
            let (major, minor) = text.rsplit(' ').next()?.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
        Self {
            origin: url.origin().ascii_serialization(),
            path: plain_path(url.path()),
            query: narrowing(&url),
            microversion,
            status,
            body,
        }
    }

    fn read(record: &Json, answer: &str) -> Option<Self> {
        let Some(Json::Number(status)) = record.at(&["status"]) else { return None };
        let status = u16::try_from(status.as_u64()?).ok()?;
        let header = record.at(&["req_headers"]).and_then(|headers| match headers {
            Json::Map(headers) => {
                let is = |name: &str| name.eq_ignore_ascii_case("openstack-api-version");
                headers.iter().find(|(name, _)| is(name)).map(|(_, value)| value)
            }
            _ => None,
        });
        let microversion = header.or(record.at(&["microversion"]));
        let microversion = microversion.and_then(|version| version.text(&[]));
        Some(Self::new(record.text(&["url"])?, microversion, status, record.at(&[answer])?.clone()))
    }
}

/// A path without percent signs and closing slashes.
pub(crate) fn plain_path(path: &str) -> String {
    let bytes = path.trim_end_matches('/').as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| path.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

pub(crate) fn narrowing(url: &Url) -> Query {
    let pairs = url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned()));
    pairs.filter(|(key, _)| !FORM.contains(&key.as_str())).collect()
}

fn sections(lines: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let record = Json::parse(line);
        if let Some(marker) = record.text(&["playbook"]) {
            // What follows the name of the playbook is a note.
            let playbook = marker.split_whitespace().next().unwrap_or_default().to_owned();
            sections.push(Section {
                playbook,
                token: Json::Null,
                auth_url: String::new(),
                exchanges: Vec::new(),
            });
            continue;
        }
        let section = sections.last_mut().expect("the first line names a playbook");
        let url = record.text(&["url"]).unwrap_or_default();
        match record.text(&["method"]) {
            Some("POST") if url.ends_with("/auth/tokens") && section.token == Json::Null => {
                section.token = record.at(&["resp"]).expect("an answer").clone();
                section.auth_url = url.trim_end_matches("/auth/tokens").to_owned();
            }
            Some("GET") => section.exchanges.extend(Exchange::read(&record, "resp")),
            _ => {}
        }
    }
    sections
}

fn plain(folder: &Path) -> Vec<Plain> {
    let mut files: Vec<_> = match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(error) => panic!("{}: {error}", folder.display()),
    };
    files.sort();
    let mut found = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|end| end == "json")) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        collect(&Json::parse(&read(path)), &name, &mut found);
    }
    found
}

fn collect(json: &Json, place: &str, found: &mut Vec<Plain>) {
    if let Some(exchange) = Exchange::read(json, "body") {
        found.push(Plain { place: place.to_owned(), exchange });
        return;
    }
    match json {
        Json::Map(members) => {
            members.iter().for_each(|(key, value)| collect(value, &format!("{place}/{key}"), found));
        }
        Json::List(items) => items.iter().for_each(|item| collect(item, place, found)),
        _ => {}
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
