//! The text of variables files: what stands under which name, and what is wrong with it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use osm_model::yaml::{self, Node};

use crate::{Error, ErrorKind, Result};

/// The variables of one or several files.
#[derive(Clone, Default)]
pub(super) struct Document {
    variables: BTreeMap<String, Variable>,
}

/// Without values: some are secrets.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.variables.keys()).finish()
    }
}

#[derive(Clone)]
struct Variable {
    value: Node,
    /// Where it stands: file and line.
    place: String,
}

impl Document {
    /// Reads one more file; its variables replace those of the same name.
    pub(super) fn add(&mut self, path: &Path, text: &str) -> Result<()> {
        let file = path.display();
        if text.trim_start().starts_with("$ANSIBLE_VAULT") {
            let fix = format!("run `ansible-vault view {file} | osm-cli ... --vars /dev/stdin`");
            return Err(wrong(file.to_string(), "the file is encrypted with Ansible Vault", &fix));
        }
        if let Some((line, name)) = tagged(text) {
            return Err(wrong(
                format!("{file}, line {line}"),
                format!(
                    "`{name}` has a tag of Ansible (`!vault` or `!unsafe`), which only Ansible can resolve"
                ),
                "use the collection in ansible/, or write the value itself into a file of mode 0600",
            ));
        }
        let node = yaml::load(text).map_err(|error| syntax(path, text, &error))?;
        if node.is_null() {
            return Ok(());
        }
        let Some(map) = node.as_map() else {
            return Err(wrong(
                file.to_string(),
                "the file holds no variables",
                "write one `NAME: VALUE` a line",
            ));
        };
        for (key, value) in map.iter() {
            let name = key.scalar().unwrap_or_default();
            let place = match line_of(text, name) {
                Some(line) => format!("{file}, line {line}"),
                None => file.to_string(),
            };
            if let Some(path) = template(value, name) {
                return Err(wrong(
                    place,
                    format!("`{path}` is a template (`{{{{ ... }}}}`), which only Ansible can fill in"),
                    "write the value itself, or use the collection in ansible/",
                ));
            }
            // `null` is as good as nothing, as in Ansible.
            self.variables.insert(name.to_owned(), Variable { value: value.clone(), place });
        }
        Ok(())
    }

    /// Names and places, in the order of the names.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, variable)| (name.as_str(), variable.place.as_str()))
    }

    /// What stands under `name`; null is nothing.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.variables.get(name).map(|variable| &variable.value).filter(|value| !value.is_null())
    }

    /// Where `name` stands, and the name.
    pub(super) fn place(&self, name: &str) -> String {
        match self.variables.get(name) {
            Some(variable) => format!("{}: `{name}`", variable.place),
            None => format!("`{name}`"),
        }
    }

    /// An error about what stands under `name`.
    pub(super) fn mistake(&self, name: &str, problem: &str, fix: &str) -> Error {
        let place = self.variables.get(name).map(|variable| variable.place.clone()).unwrap_or_default();
        wrong(place, format!("`{name}` {problem}"), fix)
    }

    /// Text; a number is not, for `0123` and `1e3` would be other texts than the file has.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        match self.get(name) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text.clone())),
            Some(Node::Plain(_)) => Err(self.mistake(name, "is no text", "put quotes around the value")),
            Some(other) => {
                let problem = format!("is {}, not text", kind_of(other));
                Err(self.mistake(name, &problem, "write one value after the colon"))
            }
        }
    }

    /// A path; `~` is the user's folder.
    pub(super) fn path(&self, name: &str) -> Result<Option<PathBuf>> {
        let Some(text) = self.text(name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
        Ok(Some(match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
            (Some(rest), Some(home)) => Path::new(&home).join(rest),
            _ => PathBuf::from(text),
        }))
    }

    /// Yes or no; the words that Ansible's `bool` filter takes do as text, too.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let word = match value.to_json() {
            serde_json::Value::Bool(flag) => return Ok(Some(flag)),
            serde_json::Value::String(text) => text.to_ascii_lowercase(),
            other => other.to_string(),
        };
        match word.as_str() {
            "true" | "yes" | "on" | "1" | "y" | "t" => Ok(Some(true)),
            "false" | "no" | "off" | "0" | "n" | "f" => Ok(Some(false)),
            _ => Err(self.mistake(name, "is neither true nor false", "write true or false")),
        }
    }

    /// A number of seconds, at least one.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.scalar().and_then(|text| text.trim().parse().ok()).filter(|seconds| *seconds > 0) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(self.mistake(name, "is no number of seconds", "write a whole number such as 1800")),
        }
    }
}

/// What kind of value it is, never the value: it may be a secret.
pub(super) fn kind_of(node: &Node) -> &'static str {
    match node {
        Node::Text(_) => "text",
        Node::Plain(_) => "a number, true, false or null",
        Node::List(_) => "a list",
        Node::Map(_) => "a mapping",
    }
}

fn wrong(place: impl Into<String>, problem: impl std::fmt::Display, fix: &str) -> Error {
    let place: String = place.into();
    Error::new(ErrorKind::Config, format!("{place}: {problem}; {fix}"))
}

/// The parser's own words may quote a secret: only the place is passed on.
fn syntax(path: &Path, text: &str, error: &osm_model::Error) -> Error {
    let file = path.display();
    let Some(line) = error.context().line else {
        return wrong(file.to_string(), "this is no YAML", "check its quotes and its indentation");
    };
    let there = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let fix = if there.trim_start_matches(' ').starts_with('\t') {
        "indent with spaces, YAML allows no tabs"
    } else {
        "check the indentation, names that stand twice, and put quotes around values with special characters"
    };
    wrong(format!("{file}, line {line}"), "this is no valid YAML", fix)
}

/// The line, from 1, where a variable stands.
fn line_of(text: &str, name: &str) -> Option<usize> {
    let of =
        |line: &str| line.split_once(':').map(|(key, _)| key.trim().trim_matches(['"', '\'']).to_owned());
    let position =
        text.lines().position(|line| !line.starts_with([' ', '#']) && of(line).as_deref() == Some(name));
    position.map(|line| line + 1)
}

/// Line and name of the first value with a tag of Ansible's.
fn tagged(text: &str) -> Option<(usize, String)> {
    text.lines().enumerate().find_map(|(number, line)| {
        let (key, value) = line.split_once(':')?;
        let value = value.trim_start();
        let tagged = value.starts_with("!vault") || value.starts_with("!unsafe");
        let comment = key.trim_start().starts_with('#');
        (tagged && !comment).then(|| (number + 1, key.trim().trim_start_matches("- ").to_owned()))
    })
}

/// The path of the first template in a value.
fn template(value: &Node, path: &str) -> Option<String> {
    match value {
        Node::Text(text) => {
            let filled =
                (text.contains("{{") && text.contains("}}")) || (text.contains("{%") && text.contains("%}"));
            filled.then(|| path.to_owned())
        }
        Node::Plain(_) => None,
        Node::List(items) => items.iter().find_map(|item| template(item, path)),
        Node::Map(map) => map.iter().find_map(|(key, value)| {
            template(value, &format!("{path}.{}", key.scalar().unwrap_or_default()))
        }),
    }
}
