//! Writing YAML as `yaml.safe_dump` does, byte for byte: block style, sorted keys, indent 2,
//! list items at the indent of their key, lines folded at spaces past column 80.

use std::cmp::Ordering;

use super::resolve;
use super::scalar::{Context, Out, Style};
use super::{Map, Node};

/// Indent of one level.
const INDENT: usize = 2;
/// A longer key is written in the explicit form, `? key`.
const SIMPLE_KEY_MAX: usize = 128;

/// The document as PyYAML would dump it, ending with a line break.
pub fn dump(node: &Node) -> String {
    let mut out = Out::default();
    let mut emitter = Emitter { out: &mut out };
    emitter.root(node);
    out.into_text()
}

struct Emitter<'o> {
    out: &'o mut Out,
}

impl Emitter<'_> {
    fn root(&mut self, node: &Node) {
        match node {
            Node::Map(map) if !map.is_empty() => self.map(map, 0),
            Node::List(items) if !items.is_empty() => self.list(items, 0),
            Node::Map(_) | Node::List(_) => self.out.indicator(empty(node), true),
            _ => {
                let plain = self.scalar(node, INDENT, Context::Value);
                if plain {
                    self.out.line_break();
                    self.out.indicator("...", true);
                }
            }
        }
        self.out.end_document();
    }

    /// A mapping whose keys start at `indent`.
    fn map(&mut self, map: &Map, indent: usize) {
        for (key, value) in sorted(map) {
            self.out.indent(indent);
            if is_simple_key(key) {
                match key {
                    Node::Map(_) | Node::List(_) => self.out.indicator(empty(key), true),
                    _ => {
                        self.scalar(key, indent + INDENT, Context::Key);
                    }
                }
                self.out.indicator(":", false);
                self.map_value(value, indent, false);
            } else {
                self.out.indention_indicator("?");
                self.map_value(key, indent, true);
                self.out.indent(indent);
                self.out.indention_indicator(":");
                self.map_value(value, indent, true);
            }
        }
    }

    /// What follows a `:` or `?`; a list right after the indicator stands deeper, one on its own
    /// line does not.
    fn map_value(&mut self, value: &Node, indent: usize, indention: bool) {
        match value {
            Node::Map(map) if !map.is_empty() => self.map(map, indent + INDENT),
            Node::List(items) if !items.is_empty() => {
                let deeper = if indention { INDENT } else { 0 };
                self.list(items, indent + deeper);
            }
            Node::Map(_) | Node::List(_) => self.out.indicator(empty(value), true),
            _ => {
                self.scalar(value, indent + INDENT, Context::Value);
            }
        }
    }

    /// A list whose dashes stand at `indent`.
    fn list(&mut self, items: &[Node], indent: usize) {
        for item in items {
            self.out.indent(indent);
            self.out.indention_indicator("-");
            match item {
                Node::Map(map) if !map.is_empty() => self.map(map, indent + INDENT),
                Node::List(items) if !items.is_empty() => self.list(items, indent + INDENT),
                Node::Map(_) | Node::List(_) => self.out.indicator(empty(item), true),
                _ => {
                    self.scalar(item, indent + INDENT, Context::Value);
                }
            }
        }
    }

    /// Writes a scalar; says whether it stands plain.
    fn scalar(&mut self, node: &Node, indent: usize, context: Context) -> bool {
        let text = node.scalar().unwrap_or_default();
        let is_string = node.as_str().is_some();
        let style = Style::choose(text, is_string && resolve::needs_quotes(text), context);
        self.out.scalar(text, style, indent, context);
        style == Style::Plain
    }
}

fn empty(node: &Node) -> &'static str {
    if node.as_list().is_some() { "[]" } else { "{}" }
}

fn is_simple_key(key: &Node) -> bool {
    match key {
        Node::Map(map) => map.is_empty(),
        Node::List(items) => items.is_empty(),
        Node::Plain(text) | Node::Text(text) => {
            // PyYAML counts the tag it would print in front of the key.
            let tag = "!!str".len();
            let tag = if key.as_str().is_some() { tag } else { resolve::tag_len(text) };
            !text.is_empty()
                && !text.contains(super::scalar::is_break)
                && text.chars().count() + tag < SIMPLE_KEY_MAX
        }
    }
}

/// The entries as Python sorts them: strings by code point, numbers by value; keys that cannot
/// be compared stay in their order.
fn sorted(map: &Map) -> Vec<&(Node, Node)> {
    let mut entries: Vec<&(Node, Node)> = map.iter().collect();
    if entries.iter().all(|(key, _)| key.as_str().is_some()) {
        entries.sort_by(|(one, _), (other, _)| one.as_str().cmp(&other.as_str()));
    } else if entries.iter().all(|(key, _)| matches!(key, Node::Plain(_)) && numeric(key).is_some()) {
        let by_value =
            |one: &Node, other: &Node| numeric(one).partial_cmp(&numeric(other)).unwrap_or(Ordering::Equal);
        entries.sort_by(|(one, _), (other, _)| by_value(one, other));
    }
    entries
}

fn numeric(key: &Node) -> Option<f64> {
    match resolve::resolve(key.scalar()?) {
        resolve::Resolved::Bool(value) => Some(f64::from(u8::from(value))),
        _ => key.as_float(),
    }
}
