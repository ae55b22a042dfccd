//! The resolver and the reader, without any peer.

use proptest::prelude::*;
use serde_json::json;

use super::resolve::{Resolved, float_text, integer, needs_quotes, number, resolve};
use super::{Node, dump, load};

#[test]
fn resolves_scalars_as_yaml_1_1() {
    for text in ["0", "-12", "+1", "1_000", "0777", "0b101", "0x1F", "190:20:30", "11:22:33:44:55:06", "0_7"]
    {
        assert_eq!(resolve(text), Resolved::Int, "{text}");
    }
    for text in
        ["1.5", "1.", ".5", "-1.5e+3", "1_0.5", "190:20:30.15", ".inf", "-.INF", ".NaN", "6.8523015e+5"]
    {
        assert_eq!(resolve(text), Resolved::Float, "{text}");
    }
    for text in
        ["1e3", "1.5e3", "0o17", "089", "1:99", "-.5", "+.nan", "1.0.5", "y", "-", "0x", "_1", "1:30:"]
    {
        assert_eq!(resolve(text), Resolved::Text, "{text}");
    }
    assert_eq!(
        (resolve("off"), resolve("YES"), resolve("")),
        (Resolved::Bool(false), Resolved::Bool(true), Resolved::Null)
    );
}

#[test]
fn quotes_dates_and_marks() {
    for text in
        ["2020-04-07", "2020-4-7T1:02:03", "2020-04-07 14:08:30.5 +01:00", "2020-04-07t14:08:30Z", "=", "<<"]
    {
        assert!(needs_quotes(text), "{text}");
    }
    for text in ["2020-4-7", "2020-04-07T", "2020-04-07T14:08", "20-04-07", "2020-04-07x", "<", "=="] {
        assert!(!needs_quotes(text), "{text}");
    }
}

#[test]
fn numbers_have_their_python_values() {
    for (text, value) in
        [("0777", 511), ("0x1F", 31), ("-0b11", -3), ("1_000", 1000), ("1:30", 90), ("+7", 7)]
    {
        assert_eq!(integer(text), Some(value), "{text}");
    }
    assert_eq!(number("1:30.5"), Some(90.5));
    assert_eq!(number("-1.5e+3"), Some(-1500.0));
    assert_eq!((number("1e3"), integer("1.0")), (None, None));
}

#[test]
fn floats_are_laid_out_as_python_does() {
    let texts = [
        (1.0, "1.0"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1e15, "1000000000000000.0"),
        (1e16, "1.0e+16"),
        (1.25e22, "1.25e+22"),
        (0.0001, "0.0001"),
        (0.00001, "1.0e-05"),
        (5e-324, "5.0e-324"),
        (123.456, "123.456"),
        (-1.5, "-1.5"),
        (f64::INFINITY, ".inf"),
        (f64::NEG_INFINITY, "-.inf"),
        (f64::NAN, ".nan"),
    ];
    for (value, text) in texts {
        assert_eq!(float_text(value), text);
    }
}

#[test]
fn keeps_the_text_of_numbers() {
    let text = "a: 1.10\nb: 0x1F\nc: 18446744073709551616\nd: 1e3\n";
    assert_eq!(dump(&load(text).unwrap()), text);
    assert_eq!(load(text).unwrap().to_json()["b"], json!(31));
}

#[test]
fn an_empty_document_is_null() {
    for text in ["", "\n", "# only a comment\n", "---\n", "~\n", "null", "--- # comment\n...\n"] {
        assert_eq!(load(text).unwrap(), Node::null(), "{text:?}");
    }
    assert_eq!(load("\u{feff}a: b\r\n").unwrap(), Node::from(&json!({"a": "b"})));
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        text.push_str(&format!("a{level}: &a{level} [*a{0}, *a{0}, *a{0}]\n", level - 1));
    }
    assert!(load(&text).is_err());
    assert!(load(&"[".repeat(10_000)).is_err());
}

#[test]
fn a_quoted_merge_key_is_a_string() {
    let node = Node::from(&json!({"<<": {"a": 1}}));
    assert_eq!(load(&dump(&node)).unwrap(), node);
    assert_eq!(load("<<: {a: 1}\nb: 2\n").unwrap(), Node::from(&json!({"a": 1, "b": 2})));
    assert_eq!(
        load("a: 0\n<<: [{a: 1, b: 1}, {b: 2, c: 2}]\n").unwrap().to_json(),
        json!({"a": 0, "b": 1, "c": 2})
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[-a-z0-9:#?,\\[\\]{}&*!|>'\"%@ \n~<=]{0,60}") {
        let read = load(&text);
        if let Ok(node) = read {
            let again = load(&dump(&node));
            prop_assert!(again.is_ok(), "{text:?} -> {:?}", dump(&node));
        }
    }

    #[test]
    fn no_damage_makes_validation_panic(at in 0_usize..3000, cut in 0_usize..40, put in "[ -~\n]{0,6}") {
        let text = include_str!("../../tests/golden/export/subnets.yml");
        let start = at.min(text.len());
        let end = (at + cut).min(text.len());
        let damaged = format!("{}{put}{}", &text[..start], &text[end..]);
        let errors = crate::validate(&[("subnets.yml".into(), damaged)]);
        for error in errors {
            prop_assert!(error.to_string().contains("in subnets.yml"), "{}", error);
        }
    }
}
