//! Any value: our YAML is what PyYAML's `safe_dump` writes, and both read it back alike.

use osm_model::yaml::{self, Node};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use serde_json::{Value, json};

use crate::peer::PyYaml;
use crate::text::{WORDS, text};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => text().prop_map(Value::String),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => (-1000_i64..1000).prop_map(Value::from),
        2 => any::<f64>().prop_map(Value::from),
        1 => (-1e5..1e5_f64).prop_map(Value::from),
        1 => (-320..300_i32, 1..10_u8).prop_map(|(exponent, digit)| {
            Value::from(format!("{digit}e{exponent}").parse::<f64>().unwrap())
        }),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::vec((text(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn check(peer: &mut PyYaml, value: &Value) -> Result<(), String> {
    let node = Node::from(value);
    let ours = yaml::dump(&node);
    let answer = peer.ask(value, &ours);
    if answer.dump != ours {
        return Err(format!("we wrote {ours:?}\nPyYAML  {:?}", answer.dump));
    }
    if !answer.equal {
        return Err(format!("PyYAML reads another value from {ours:?}"));
    }
    match yaml::load(&ours) {
        Ok(read) if canonical(&read.to_json()) == canonical(value) => Ok(()),
        Ok(read) => Err(format!("we read {read:?} from {ours:?}")),
        Err(error) => Err(format!("we cannot read {ours:?}: {error}")),
    }
}

/// JSON maps do not compare by order, but floats do by bits: `-0.0` is `0.0` in neither language.
fn canonical(value: &Value) -> String {
    value.to_string()
}

#[test]
fn writes_what_pyyaml_writes() {
    let Some(mut peer) = PyYaml::start() else { return };
    let config = Config {
        cases: 1500,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        source_file: Some(file!()),
        ..Config::default()
    };
    let peer = std::cell::RefCell::new(&mut peer);
    let outcome = TestRunner::new(config)
        .run(&value(), |value| check(&mut peer.borrow_mut(), &value).map_err(TestCaseError::fail));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// Found by the property above, or by reading the emitter with a bad conscience.
#[test]
fn writes_what_pyyaml_writes_for_known_traps() {
    let Some(mut peer) = PyYaml::start() else { return };
    let long = "word ".repeat(40);
    let long_key = "k".repeat(122);
    let longer_key = "k".repeat(123);
    let traps = [
        json!(WORDS),
        json!({"a": [[], [[]], {"b": []}, [{"c": {}}]], "d": {}}),
        json!({long_key: 1, longer_key: [1, {"a": [2]}], "": [3]}),
        json!({"two\nlines": {"x": [1]}, "\u{e9}": 1, "\u{1f680}": 2, "\u{ffff}": 3}),
        json!({"fold": long.trim(), "edge": long, "quote": format!("'{long}'"), "colon": format!("{long}: x")}),
        json!({"escapes": format!("{}\u{e9}", "word ".repeat(30)), "solid": "\u{e9}".repeat(60)}),
        json!({"spaces": format!("{} {}  {}", "a".repeat(79), "b".repeat(40), "c".repeat(40))}),
        json!(["line\n", "line\n\n", "\nline", "a\n\nb", "a\n b", "a \nb", "it's\n'quoted'\n"]),
        json!([
            1e16,
            1e15,
            1.5e16,
            1e-4,
            1e-5,
            123456789012345680.0,
            5e-324,
            1.7976931348623157e308,
            -0.0,
            0.1
        ]),
        json!("only a word"),
        json!(12),
        json!(null),
        json!([]),
    ];
    for value in traps {
        if let Err(difference) = check(&mut peer, &value) {
            panic!("{value}\n{difference}");
        }
    }
}
