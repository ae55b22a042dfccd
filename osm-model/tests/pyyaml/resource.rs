//! Resources of all kinds with any text in them: PyYAML reads from our files what we meant.

use std::fs;
use std::path::Path;

use osm_model::{OS_MIGRATE_VERSION, ResourceFile, yaml};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use crate::peer::PyYaml;
use crate::text::text;

const RESOURCES: usize = 10_000;
/// How many go into one file.
const AT_ONCE: usize = 100;

/// Members with a few words of their own.
const KEYWORDS: [&str; 3] = ["type", "floating_ip_mode", "port_creation_mode"];
/// Mappings in which anything may be a key.
const FREE: [&str; 4] = ["extra_specs", "metadata", "properties", "volume_image_metadata"];

#[test]
fn pyyaml_reads_ten_thousand_resources_as_they_were_meant() {
    let Some(mut peer) = PyYaml::start() else { return };
    // The next file is made while PyYAML reads one: it takes its time.
    let (sender, files) = std::sync::mpsc::sync_channel(4);
    let maker = std::thread::spawn(move || {
        let patterns = patterns();
        let mut random = Random(TestRunner::new(Config::default()));
        for _ in 0..RESOURCES / AT_ONCE {
            sender.send(random.file(&patterns)).unwrap();
        }
    });
    let mut read = 0;
    for (values, ours) in files {
        if let Some(other) = peer.first_other(&values, &ours) {
            panic!("PyYAML {other}");
        }
        read += values.len();
    }
    maker.join().unwrap();
    assert_eq!(read, RESOURCES);
}

/// A resource of each kind and shape, as OS Migrate wrote them.
fn patterns() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/export");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut patterns = Vec::new();
    for path in files {
        let file = yaml::load(&fs::read_to_string(path).unwrap()).unwrap().to_json();
        patterns.extend(file["resources"].as_array().unwrap().iter().cloned());
    }
    let types: std::collections::BTreeSet<_> = patterns.iter().map(|it| it["type"].to_string()).collect();
    assert_eq!(types.len(), 14, "{types:?}");
    patterns
}

struct Random(TestRunner);

impl Random {
    fn any<S: Strategy>(&mut self, strategy: S) -> S::Value {
        strategy.new_tree(&mut self.0).unwrap().current()
    }

    /// Resources, and the file that our types make of them.
    fn file(&mut self, patterns: &[Value]) -> (Vec<Value>, String) {
        let values: Vec<Value> = (0..AT_ONCE)
            .map(|_| {
                let pattern = &patterns[self.any(0..patterns.len())];
                self.resource("", pattern)
            })
            .collect();
        let text = yaml::dump(&yaml::Node::from(&json!({
            "os_migrate_version": OS_MIGRATE_VERSION,
            "resources": values,
        })));
        let file = ResourceFile::parse(&text, OS_MIGRATE_VERSION)
            .unwrap_or_else(|error| panic!("we cannot read our own file: {error}\n{text}"));
        let ours = file.to_yaml();
        assert_eq!(ours, text, "the types write something else");
        (values, ours)
    }

    /// Of the same shape, with other values.
    fn resource(&mut self, key: &str, pattern: &Value) -> Value {
        match pattern {
            _ if KEYWORDS.contains(&key) => pattern.clone(),
            Value::Null => Value::Null,
            Value::Bool(_) => self.any(any::<bool>()).into(),
            Value::Number(number) if number.is_f64() => self.any(-1e9..1e9_f64).into(),
            Value::Number(_) => self.any(prop_oneof![0..100_000_u64, Just(0), Just(1 << 53)]).into(),
            Value::String(_) => self.any(text()).into(),
            Value::Array(items) => {
                let count = if items.is_empty() { 0 } else { self.any(0..3_usize) };
                (0..count).map(|at| self.resource(key, &items[at % items.len()])).collect()
            }
            Value::Object(_) if FREE.contains(&key) => {
                let members = self.any(0..4_usize);
                (0..members)
                    .map(|_| (self.any(text()), self.any(text()).into()))
                    .collect::<Map<_, _>>()
                    .into()
            }
            Value::Object(members) => {
                let other = |(key, value): (&String, &Value)| (key.clone(), self.resource(key, value));
                members.iter().map(other).collect::<Map<_, _>>().into()
            }
        }
    }
}
