//! Where in a service the wanted API version is, and which microversions it speaks.
//!
//! A catalog's address may carry the version (`/v2.1`, `/v3/PROJECT`) or not
//! (`http://host:9696`). Services list their versions at their root, and those
//! with microversions say the range at the version's own address.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use url::Url;

use crate::error::{Error, ErrorKind, Result};
use crate::http::Response;

/// A version of an API within its major version, such as 2.90.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Microversion {
    /// The number before the point.
    pub major: u16,
    /// The number after the point: 2.9 is older than 2.10.
    pub minor: u16,
}

impl Microversion {
    /// The microversion `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Microversion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text
            .split_once('.')
            .and_then(|(major, minor)| Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? }));
        parsed.ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("`{text}` is no microversion, it should look like 2.90"))
        })
    }
}

/// The microversions a service speaks, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MicroversionRange {
    /// The oldest.
    pub min: Microversion,
    /// The newest.
    pub max: Microversion,
}

impl MicroversionRange {
    /// The newest microversion that the service speaks and that is not newer than `cap`.
    pub fn newest_up_to(&self, cap: Microversion) -> Option<Microversion> {
        let newest = self.max.min(cap);
        (newest >= self.min).then_some(newest)
    }

    /// The microversion of the range that is nearest to `wanted`.
    pub fn nearest(&self, wanted: Microversion) -> Microversion {
        wanted.clamp(self.min, self.max.max(self.min))
    }

    /// Whether the service speaks `microversion`.
    pub fn contains(&self, microversion: Microversion) -> bool {
        self.min <= microversion && microversion <= self.max
    }
}

impl fmt::Display for MicroversionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)
    }
}

/// An endpoint's address taken apart: what is before the version, the version, what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndpointUrl {
    root: Url,
    version: Option<String>,
    rest: Vec<String>,
}

impl EndpointUrl {
    pub(crate) fn new(url: &Url) -> Self {
        let segments: Vec<&str> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let at = segments.iter().rposition(|segment| major_of(segment).is_some());
        let (before, version, rest) = match at {
            Some(at) => (&segments[..at], Some(segments[at].to_owned()), &segments[at + 1..]),
            None => (&segments[..], None, &[][..]),
        };
        let mut root = url.clone();
        root.set_query(None);
        root.set_fragment(None);
        root.set_path(&with_slash(&before.join("/")));
        Self { root, version, rest: rest.iter().map(|segment| (*segment).to_owned()).collect() }
    }

    /// The address that lists all versions.
    pub(crate) fn root(&self) -> &Url {
        &self.root
    }

    /// The version in the address.
    pub(crate) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The address of `version`, without what follows it.
    pub(crate) fn at_version(&self, version: &str) -> Url {
        let mut url = self.root.clone();
        url.set_path(&format!("{}{version}/", self.root.path()));
        url
    }

    /// What follows the version: for Cinder, the project.
    pub(crate) fn has_rest(&self) -> bool {
        !self.rest.is_empty()
    }

    /// The address of `version`, with what follows it.
    pub(crate) fn complete(&self, version: &str) -> Url {
        let mut url = self.at_version(version);
        if self.has_rest() {
            url.set_path(&format!("{}{}/", url.path(), self.rest.join("/")));
        }
        url
    }
}

fn with_slash(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { format!("/{path}/") }
}

/// The major version of a path's segment such as `v3`, `v2.0`.
pub(crate) fn major_of(segment: &str) -> Option<u16> {
    let number = segment.strip_prefix('v')?;
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    minor.parse::<u16>().ok()?;
    major.parse().ok()
}

/// One version a service offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferedVersion {
    pub(crate) major: u16,
    /// The path of its address, when that lies on the same host.
    pub(crate) url: Option<Url>,
    pub(crate) microversions: Option<MicroversionRange>,
}

/// Reads a service's list of versions, or the description of one version.
/// What is no such document gives nothing.
pub(crate) fn offered(response: &Response, asked: &Url) -> Vec<OfferedVersion> {
    offered_in(response.bytes(), asked)
}

fn offered_in(body: &[u8], asked: &Url) -> Vec<OfferedVersion> {
    let Ok(document) = serde_json::from_slice::<Document>(body) else {
        return Vec::new();
    };
    let many = match document.versions {
        Some(Versions::List(list) | Versions::Values { values: list }) => list,
        None => Vec::new(),
    };
    let offered = document.version.into_iter().chain(many);
    offered.filter_map(|version| version.read(asked)).collect()
}

/// The one of `offered` with this major version; with microversions if there are several.
pub(crate) fn pick(offered: Vec<OfferedVersion>, major: u16) -> Option<OfferedVersion> {
    let mut of_major: Vec<_> = offered.into_iter().filter(|version| version.major == major).collect();
    let at = of_major.iter().position(|version| version.microversions.is_some()).unwrap_or(0);
    (at < of_major.len()).then(|| of_major.swap_remove(at))
}

#[derive(Deserialize)]
struct Document {
    version: Option<Version>,
    versions: Option<Versions>,
}

/// Keystone wraps its list once more.
#[derive(Deserialize)]
#[serde(untagged)]
enum Versions {
    List(Vec<Version>),
    Values { values: Vec<Version> },
}

#[derive(Deserialize)]
struct Version {
    id: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    max_version: Option<String>,
    #[serde(default)]
    min_version: Option<String>,
    #[serde(default)]
    links: Vec<VersionLink>,
}

#[derive(Deserialize)]
struct VersionLink {
    #[serde(default)]
    rel: String,
    #[serde(default)]
    href: String,
}

impl Version {
    fn read(self, asked: &Url) -> Option<OfferedVersion> {
        let max = self.max_version.or(self.version);
        let microversions = match (self.min_version.as_deref(), max.as_deref()) {
            (Some(min), Some(max)) => match (min.parse(), max.parse()) {
                (Ok(min), Ok(max)) => Some(MicroversionRange { min, max }),
                _ => None,
            },
            _ => None,
        };
        let link = self.links.into_iter().find(|link| link.rel == "self");
        // A link to another host is what the service believes its address to
        // be; the address we came by is known to work.
        let url = link.and_then(|link| asked.join(&link.href).ok()).filter(|url| {
            url.host_str() == asked.host_str() && url.port_or_known_default() == asked.port_or_known_default()
        });
        Some(OfferedVersion { major: major_of(&self.id)?, url, microversions })
    }
}

#[cfg(test)]
mod tests;
