//! Faults on request: what goes wrong in the vCenter, when, and how often.

use std::time::Duration;

/// One thing that shall go wrong.
///
/// A fault meets the calls that match its method and object, lets the first `skip` of them pass, hits the next
/// `times` and is then spent.
#[derive(Debug, Clone)]
pub struct VFault {
    /// Only calls of this method: `QueryChangedDiskAreas`, `GET /folder`, `HEAD /folder`; any, when empty.
    pub method: String,
    /// Only calls whose object, or path, contains this text.
    pub object: String,
    /// How many matching calls pass unharmed first.
    pub skip: u32,
    /// How many calls are hit after that.
    pub times: u32,
    /// What happens to them.
    pub kind: VFaultKind,
}

/// What goes wrong.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum VFaultKind {
    /// The answer comes late.
    Latency(Duration),
    /// A SOAP fault instead of an answer.
    Soap {
        /// Its type: `FileFault`.
        kind: String,
        /// The key of its message: `vim.hostd.vmsvc.cbt.noTrack`.
        key: Option<String>,
        /// What it says to people.
        message: String,
        /// The elements that it has: `invalidProperty` and `startOffset`.
        detail: Vec<(String, String)>,
    },
    /// The task that the call begins fails, and has no effect.
    TaskFails {
        /// The type of its fault.
        kind: String,
        /// What it says to people.
        message: String,
    },
    /// The task that the call begins stays `running` for ever, and has no effect.
    TaskSticks,
    /// This status instead of an answer.
    Status(u16),
    /// The connection is cut before the call has any effect.
    Drop,
    /// The connection is cut after so many bytes of the answer's body.
    CutBody(usize),
    /// All sessions end now; the call is not authenticated any more.
    Expire,
}

impl VFaultKind {
    /// A SOAP fault of a type that says no more.
    pub fn soap(kind: &str, message: &str) -> Self {
        Self::Soap { kind: kind.to_owned(), key: None, message: message.to_owned(), detail: Vec::new() }
    }
}

impl VFault {
    /// A fault that hits the next call of this method once; narrow it with the methods below.
    pub fn new(method: &str, kind: VFaultKind) -> Self {
        Self { method: method.to_owned(), object: String::new(), skip: 0, times: 1, kind }
    }

    /// Only calls whose object, or path, contains `text`.
    #[must_use]
    pub fn object(mut self, text: &str) -> Self {
        self.object = text.to_owned();
        self
    }

    /// Lets the first `count` matching calls pass.
    #[must_use]
    pub fn skip(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// Hits `count` calls.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = count;
        self
    }

    fn matches(&self, method: &str, object: &str) -> bool {
        (self.method.is_empty() || self.method == method) && object.contains(&self.object)
    }
}

/// The faults that hit this call; spent ones are forgotten.
pub(super) fn take(faults: &mut Vec<VFault>, method: &str, object: &str) -> Vec<VFaultKind> {
    let mut hits = Vec::new();
    for fault in faults.iter_mut().filter(|fault| fault.matches(method, object)) {
        if fault.skip > 0 {
            fault.skip -= 1;
        } else if fault.times > 0 {
            fault.times -= 1;
            hits.push(fault.kind.clone());
        }
    }
    faults.retain(|fault| fault.times > 0);
    hits
}
