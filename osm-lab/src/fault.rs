//! Faults on request: what goes wrong, when, and how often.

use std::time::Duration;

use crate::cloud::Service;

/// One thing that shall go wrong.
///
/// A fault meets the requests that match its service, method and path, lets the first `skip` of them pass, hits
/// the next `times` and is then spent.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Only requests to this service; any, when absent.
    pub service: Option<Service>,
    /// Only requests with this method; any, when absent.
    pub method: Option<String>,
    /// Only requests whose path and query contain this text.
    pub path_contains: String,
    /// How many matching requests pass unharmed first.
    pub skip: u32,
    /// How many requests are hit after that.
    pub times: u32,
    /// What happens to them.
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FaultKind {
    /// The answer comes late.
    Latency(Duration),
    /// This status instead of an answer; the number of seconds goes out as `Retry-After`.
    Status(u16, Option<u64>),
    /// The connection is cut before the request has any effect.
    Drop,
    /// The request takes effect, then the connection is cut instead of an answer.
    DropReply,
    /// The connection is cut after so many bytes of the answer's body.
    CutBody(usize),
    /// All tokens end now; the request gets a 401.
    ExpireTokens,
    /// The volume or snapshot this request creates ends in `error`.
    VolumeError,
    /// The attachment this request asks for does not happen; the volume is `available` again.
    AttachFails,
    /// The detachment this request asks for never ends; the volume stays `detaching`.
    DetachSticks,
    /// The server this request creates or starts ends in `ERROR` with this message.
    ServerError(String),
    /// The image this request makes of a server is `killed`.
    ImageKilled,
}

impl Fault {
    /// A fault that hits the next matching request once; narrow it with the methods below.
    pub fn new(service: Service, kind: FaultKind) -> Self {
        Self { service: Some(service), method: None, path_contains: String::new(), skip: 0, times: 1, kind }
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests whose path and query contain `text`.
    #[must_use]
    pub fn path(mut self, text: &str) -> Self {
        self.path_contains = text.to_owned();
        self
    }

    /// Lets the first `count` matching requests pass.
    #[must_use]
    pub fn skip(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// Hits `count` requests.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = count;
        self
    }

    fn matches(&self, service: Service, method: &str, path: &str) -> bool {
        self.service.is_none_or(|wanted| wanted == service)
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && path.contains(&self.path_contains)
    }
}

/// The faults that hit this request; spent ones are forgotten.
pub(crate) fn take(faults: &mut Vec<Fault>, service: Service, method: &str, path: &str) -> Vec<FaultKind> {
    let mut hits = Vec::new();
    for fault in faults.iter_mut().filter(|fault| fault.matches(service, method, path)) {
        if fault.skip > 0 {
            fault.skip -= 1;
        } else {
            fault.times = fault.times.saturating_sub(1);
            hits.push(fault.kind.clone());
        }
    }
    faults.retain(|fault| fault.times > 0);
    hits
}
