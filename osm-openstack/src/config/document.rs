//! One configuration file, and where in it something stands.

use std::fs;
use std::io;
use std::path::Path;

use serde_yaml::{Mapping, Value};

use crate::error::{Error, ErrorKind, Result};

/// A configuration file that was read. Has no `Debug`: it holds secrets.
pub(super) struct Document {
    origin: String,
    text: String,
    value: Value,
}

impl Document {
    /// Reads the file at `path`; nothing when there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&path.display().to_string(), text).map(Some),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => {
                let message = format!("{} cannot be read", path.display());
                Err(Error::new(ErrorKind::Config, message).with_source(error))
            }
        }
    }

    /// Reads a text; JSON is YAML, too.
    pub(super) fn parse(origin: &str, text: String) -> Result<Self> {
        let parsed = serde_yaml::from_str::<Value>(&text).and_then(|mut value| {
            value.apply_merge()?;
            Ok(value)
        });
        let value = parsed.map_err(|error| syntax(origin, &text, &error))?;
        Ok(Self { origin: origin.to_owned(), text, value: normalized(value) })
    }

    /// The file's name.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The mapping under `key` at the top of the file.
    pub(super) fn top(&self, key: &str) -> Result<Mapping> {
        match &self.value {
            Value::Null => Ok(Mapping::new()),
            Value::Mapping(top) => match top.get(key) {
                Some(Value::Mapping(clouds)) => Ok(clouds.clone()),
                Some(Value::Null) => Ok(Mapping::new()),
                None => Err(self.mistake(
                    &[],
                    &format!("has no `{key}:`"),
                    "put the clouds under it, by their names",
                )),
                Some(_) => {
                    Err(self.mistake(&[key], "is no mapping", "put the clouds under it, by their names"))
                }
            },
            _ => Err(self.mistake(&[], "is no mapping", &format!("it must begin with `{key}:`"))),
        }
    }

    /// The whole file as one mapping.
    pub(super) fn whole(&self) -> Result<Mapping> {
        match &self.value {
            Value::Mapping(whole) => Ok(whole.clone()),
            _ => Err(self.mistake(&[], "is no mapping", "it must hold the settings of a cloud")),
        }
    }

    /// Whether there is something at `path`.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        path.iter().try_fold(&self.value, |value, key| value.get(*key)).is_some()
    }

    /// An error about what stands at `path`.
    pub(super) fn mistake(&self, path: &[&str], problem: &str, fix: &str) -> Error {
        let place = match line_of(&self.text, path) {
            Some(line) => format!("{}, line {line}: `{}`", self.origin, path.join(".")),
            None if path.is_empty() => self.origin.clone(),
            None => format!("{}: `{}`", self.origin, path.join(".")),
        };
        Error::new(ErrorKind::Config, format!("{place} {problem}; {fix}"))
    }
}

/// A syntax error. The parser's own text may quote a secret: only the place is passed on.
fn syntax(origin: &str, text: &str, error: &serde_yaml::Error) -> Error {
    let Some(location) = error.location() else {
        return Error::new(
            ErrorKind::Config,
            format!("{origin} is no YAML; check its quotes and its indentation"),
        );
    };
    let line = text.lines().nth(location.line().saturating_sub(1)).unwrap_or_default();
    let near = match line.split_once(':') {
        Some((key, _)) if !key.trim().is_empty() => format!(", near the key `{}`", key.trim()),
        _ => String::new(),
    };
    let fix = if line.starts_with('\t') || line.trim_start_matches(' ').starts_with('\t') {
        "indent with spaces, YAML allows no tabs"
    } else if error.to_string().contains("duplicate") {
        "a key stands there twice, remove one"
    } else {
        "check the indentation, and put quotes around values with special characters"
    };
    let (line, column) = (location.line(), location.column());
    Error::new(
        ErrorKind::Config,
        format!("{origin}, line {line}, column {column}: no valid YAML{near}; {fix}"),
    )
}

/// The same value with `-` in keys made `_`, as the SDK reads them. The names of
/// clouds, one level down, are left alone.
fn normalized(value: Value) -> Value {
    let Value::Mapping(top) = value else { return value };
    let top = top.into_iter().map(|(key, value)| match (key.as_str(), value) {
        (Some("clouds" | "public-clouds"), Value::Mapping(clouds)) => (
            key,
            Value::Mapping(
                clouds.into_iter().map(|(name, cloud)| (named(name), with_underscores(cloud))).collect(),
            ),
        ),
        (_, value) => (underscored(key), with_underscores(value)),
    });
    Value::Mapping(top.collect())
}

fn with_underscores(value: Value) -> Value {
    match value {
        Value::Mapping(mapping) => Value::Mapping(
            mapping.into_iter().map(|(key, value)| (underscored(key), with_underscores(value))).collect(),
        ),
        Value::Sequence(items) => Value::Sequence(items.into_iter().map(with_underscores).collect()),
        other => other,
    }
}

fn underscored(key: Value) -> Value {
    match key {
        Value::String(text) if text != "public-clouds" => Value::String(text.replace('-', "_")),
        other => other,
    }
}

/// A cloud may be called `2024`.
fn named(key: Value) -> Value {
    match key {
        Value::Number(number) => Value::String(number.to_string()),
        other => other,
    }
}

/// The line, from 1, on which the key at `path` stands in block style or in
/// JSON written over several lines.
fn line_of(text: &str, path: &[&str]) -> Option<usize> {
    let mut lines = text.lines().enumerate();
    let mut found = None;
    let mut indent = None;
    for key in path {
        found = None;
        for (number, line) in lines.by_ref() {
            let content = line.trim_start().trim_start_matches("- ");
            let depth = line.len() - line.trim_start().len();
            let Some((name, _)) = content.split_once(':') else { continue };
            let name = name.trim().trim_matches(['"', '\'']);
            let deeper = indent.is_none_or(|indent| depth > indent);
            if deeper && (name == *key || name.replace('-', "_") == *key) {
                found = Some(number + 1);
                indent = Some(depth);
                break;
            }
        }
        found?;
    }
    found
}
