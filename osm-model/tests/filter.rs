//! Name filters behave like those of OS Migrate, lookaround included.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use osm_model::{ErrorKind, NameFilter};
use serde_json::json;

fn chosen<'n>(filter: &str, names: &[&'n str]) -> Vec<&'n str> {
    let filter = NameFilter::from_yaml(filter).unwrap();
    names.iter().copied().filter(|name| filter.matches(name)).collect()
}

#[test]
fn a_string_is_the_whole_name() {
    assert_eq!(chosen("[osm]", &["osm", "osm_net", "an osm", "OSM"]), ["osm"]);
    assert_eq!(chosen("['a.c']", &["abc", "a.c"]), ["a.c"]);
}

#[test]
fn a_regex_is_found_anywhere_unless_anchored() {
    let names = &["osm_net", "my_osm_net", "net_osm"];
    assert_eq!(chosen("[{regex: osm}]", names), names);
    assert_eq!(chosen("[{regex: ^osm}]", names), ["osm_net"]);
    assert_eq!(chosen("[{regex: osm$}]", names), ["net_osm"]);
    assert_eq!(chosen("- regex: '^osm_(?!uch)'", &["osm_image", "osm_uch", "x"]), ["osm_image"]);
}

#[test]
fn one_query_is_enough_and_none_chooses_nothing() {
    let names = &["a", "b", "cc", ""];
    assert_eq!(chosen("[b, {regex: c}]", names), ["b", "cc"]);
    assert_eq!(chosen("[{regex: .*}]", names), names);
    assert!(chosen("[]", names).is_empty());
    assert!(NameFilter::none().is_empty());
    assert!(NameFilter::all().matches_optional(None));
    assert!(!NameFilter::exact(["a"]).matches_optional(None));
    assert!(NameFilter::exact(["a"]).or(NameFilter::regex("^b").unwrap()).matches("bc"));
}

#[test]
fn other_shapes_are_refused_with_what_was_found() {
    for (filter, part) in [
        (json!("osm"), "a filter is a list, found \"osm\""),
        (json!(null), "a filter is a list, found null"),
        (json!({"regex": "x"}), "a filter is a list, found a mapping"),
        (json!([{"regexp": "x"}]), "the one key `regex`, found `regexp`"),
        (json!([{}]), "the one key `regex`, found nothing"),
        (json!([{"regex": "x", "name": "y"}]), "found `name`, `regex`"),
        (json!([{"regex": ""}]), "`regex` is empty"),
        (json!([{"regex": 1}]), "`regex` must be a string, found 1"),
        (json!([null]), "found null"),
        (json!([12]), "found 12"),
        (json!([["a"]]), "found a list"),
        (json!([{"regex": "("}]), "`(` is not a regular expression"),
    ] {
        let error = NameFilter::from_value(&filter).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Filter);
        assert!(error.to_string().contains(part), "{filter}: {error}");
    }
}
