//! Reads the bodies of refusals: each service has its own form.

use std::time::Duration;

use serde_json::{Map, Value};

/// The longest message passed on; some proxies answer with whole pages.
const LONGEST: usize = 600;

/// What a service said when it refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The service's name of the fault: `badRequest`, `OverQuota`.
    pub(super) name: String,
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    /// Whether the project's quota is the reason.
    pub(super) fn is_quota(&self) -> bool {
        if self.name == "OverQuota" {
            return true;
        }
        let message = self.message.to_ascii_lowercase();
        // "Policy doesn't allow os-quota-sets:update" speaks of quotas, too.
        message.contains("quota") && message.contains("exceed")
    }

    /// Whether Nova or Cinder asks for fewer requests.
    pub(super) fn is_over_limit(&self) -> bool {
        self.name == "overLimit"
    }
}

/// Reads the body of a refusal; what is no known form is taken as text.
pub(super) fn read(body: &[u8]) -> Refusal {
    let mut refusal = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(object)) => of_object(&object),
        Ok(Value::String(message)) => Refusal { message, ..Refusal::default() },
        _ => Refusal { message: of_text(&String::from_utf8_lossy(body)), ..Refusal::default() },
    };
    refusal.message = shortened(&refusal.message);
    refusal
}

fn of_object(object: &Map<String, Value>) -> Refusal {
    // Placement: {"errors": [{"title": .., "detail": ..}]}.
    if let Some(first) = object.get("errors").and_then(Value::as_array).and_then(|errors| errors.first()) {
        return Refusal { name: text(first, "title"), message: text(first, "detail"), ..Refusal::default() };
    }
    // Keystone: {"error": {..}}; Neutron: {"NeutronError": {..}}; Nova and
    // Cinder: {"badRequest": {..}}, the key being the fault's name.
    for (name, fault) in object {
        match fault {
            Value::Object(_) if fault.get("message").is_some() => {
                let kind = text(fault, "type");
                return Refusal {
                    name: if kind.is_empty() { name.clone() } else { kind },
                    message: joined(&text(fault, "message"), &text(fault, "detail")),
                    retry_after: seconds(fault.get("retryAfter").or_else(|| fault.get("retry_after"))),
                };
            }
            Value::String(message) if name == "NeutronError" || name == "message" || name == "error" => {
                return Refusal { name: name.clone(), message: message.clone(), ..Refusal::default() };
            }
            _ => {}
        }
    }
    Refusal::default()
}

fn text(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned()
}

fn joined(message: &str, detail: &str) -> String {
    if detail.is_empty() || message.contains(detail) {
        message.to_owned()
    } else {
        format!("{message} ({detail})")
    }
}

fn seconds(value: Option<&Value>) -> Option<Duration> {
    let seconds = match value? {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

/// The text of an HTML page or a plain text, on one line.
fn of_text(body: &str) -> String {
    let is_html = body.trim_start().starts_with('<');
    if !is_html {
        return body.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let body = without_element(&without_element(body, "head"), "style");
    let mut text = String::with_capacity(body.len());
    let mut inside = false;
    for character in body.chars() {
        match character {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                text.push(' ');
            }
            _ if !inside => text.push(character),
            _ => {}
        }
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#x27;", "'");
    text.replace("&amp;", "&").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn without_element(body: &str, name: &str) -> String {
    let lower = body.to_ascii_lowercase();
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    match (lower.find(&open), lower.find(&close)) {
        (Some(start), Some(end)) if start < end => {
            format!("{} {}", &body[..start], &body[end + close.len()..])
        }
        _ => body.to_owned(),
    }
}

fn shortened(message: &str) -> String {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match message.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &message[..end]),
        None => message,
    }
}
