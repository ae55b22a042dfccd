//! Property: our YAML is what PyYAML's `safe_dump` writes, and both read it back alike.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod peer;

use osm_model::yaml::{self, Node};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use serde_json::{Value, json};

use peer::PyYaml;

/// Characters that mean something to YAML, or look as if.
const TRICKY: &str = " :#-?,[]{}&*!|>'\"%@`\\/=~<_.+0123456789eExXbBoOnNyYtTfF\n\n  \t\r\0\u{7}\u{1b}\u{7f}\
                      \u{85}\u{a0}\u{e9}\u{2028}\u{2029}\u{2603}\u{feff}\u{fffd}\u{1f680}aZ";

fn text() -> impl Strategy<Value = String> {
    let tricky: Vec<char> = TRICKY.chars().collect();
    let word = "[a-z0-9:'#,-]{1,14}";
    prop_oneof![
        4 => proptest::collection::vec(proptest::sample::select(tricky), 0..12).prop_map(String::from_iter),
        2 => proptest::sample::select(WORDS).prop_map(str::to_owned),
        2 => "[-+]?[0-9_.:]{1,8}([eE][-+]?[0-9]{0,2})?",
        1 => "[-+]?0[box]?[0-9a-fA-F_]{0,6}",
        1 => "[12][0-9]{3}-[0-9]{1,2}-[0-9]{1,2}([Tt ]+[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,3})?( ?(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?)?",
        3 => proptest::collection::vec(word, 1..40).prop_map(|words| words.join(" ")),
        1 => proptest::collection::vec("[a-z: ]{0,30}", 1..8).prop_map(|lines| lines.join("\n")),
        1 => "[a-z \u{e9}\"\\\\]{60,200}",
        1 => "[a-z]{120,140}",
        1 => any::<String>(),
    ]
}

const WORDS: &[&str] = &[
    "yes",
    "No",
    "ON",
    "off",
    "true",
    "False",
    "null",
    "Null",
    "~",
    "",
    "=",
    "<<",
    "---",
    "...",
    "--- a",
    "- a",
    "-",
    "?",
    "? a",
    ":",
    ": a",
    "a: b",
    "a:",
    "a #b",
    "#a",
    "!",
    "&",
    "*",
    "y",
    "n",
    "1e3",
    "1.5e3",
    "1.5e+3",
    ".inf",
    "-.INF",
    ".NaN",
    "+.5",
    "-.5",
    ".5",
    "0o17",
    "0x1F",
    "11:22:33:44:55:06",
    "190:20:30.15",
    "%auth%",
    "yes\n",
    "123\n",
    "\n",
    " ",
    "  a",
    "a  ",
    "1_000",
    "0.",
    "1.",
    "012",
    "089",
];

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
