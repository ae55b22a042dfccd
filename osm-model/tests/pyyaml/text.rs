//! Texts that YAML 1.1 and 1.2 take for something else, or that are hard to write.

use proptest::prelude::*;

/// Characters that mean something to YAML, or look as if.
const TRICKY: &str = " :#-?,[]{}&*!|>'\"%@`\\/=~<_.+0123456789eExXbBoOnNyYtTfF\n\n  \t\r\0\u{7}\u{1b}\u{7f}\
                      \u{85}\u{a0}\u{e9}\u{2028}\u{2029}\u{2603}\u{feff}\u{fffd}\u{1f680}aZ";

pub(crate) fn text() -> impl Strategy<Value = String> {
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

pub(crate) const WORDS: &[&str] = &[
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
