use super::*;

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn read(document: &str, asked: &str) -> Vec<OfferedVersion> {
    offered_in(document.as_bytes(), &url(asked))
}

fn range(min: (u16, u16), max: (u16, u16)) -> MicroversionRange {
    MicroversionRange { min: Microversion::new(min.0, min.1), max: Microversion::new(max.0, max.1) }
}

#[test]
fn microversions_are_numbers_not_decimals() {
    let parse = |text: &str| text.parse::<Microversion>().unwrap();
    assert!(parse("2.9") < parse("2.10"));
    assert_eq!(parse("3.70").to_string(), "3.70");
    for wrong in ["", "2", "2.x", "latest", "2.1.1", "-2.1"] {
        assert_eq!(wrong.parse::<Microversion>().unwrap_err().kind(), ErrorKind::Config, "{wrong}");
    }
}

#[test]
fn the_newest_microversion_both_know_is_used() {
    let cap = Microversion::new(2, 90);
    for (max, expected) in [((2, 79), Some((2, 79))), ((2, 90), Some((2, 90))), ((2, 100), Some((2, 90)))] {
        let agreed = range((2, 1), max).newest_up_to(cap).map(|version| (version.major, version.minor));
        assert_eq!(agreed, expected);
    }
    assert_eq!(range((2, 95), (2, 100)).newest_up_to(cap), None);
    assert_eq!(range((2, 1), (2, 79)).nearest(cap), Microversion::new(2, 79));
    assert_eq!(range((2, 1), (2, 79)).nearest(Microversion::new(2, 10)), Microversion::new(2, 10));
}

#[test]
fn addresses_are_taken_apart_at_the_version() {
    for (text, root, version, complete) in [
        ("http://h:9696", "http://h:9696/", None, "http://h:9696/vX/"),
        ("http://h:8774/v2.1", "http://h:8774/", Some("v2.1"), "http://h:8774/vX/"),
        ("https://h/compute/v2.1/", "https://h/compute/", Some("v2.1"), "https://h/compute/vX/"),
        ("http://h:8776/v3/27d9", "http://h:8776/", Some("v3"), "http://h:8776/vX/27d9/"),
        ("http://h/identity", "http://h/identity/", None, "http://h/identity/vX/"),
        // Words that only begin like versions.
        ("http://h/volume/", "http://h/volume/", None, "http://h/volume/vX/"),
    ] {
        let address = EndpointUrl::new(&url(text));
        assert_eq!(address.root().as_str(), root, "{text}");
        assert_eq!(address.version(), version, "{text}");
        assert_eq!(address.complete("vX").as_str(), complete, "{text}");
    }
}

#[test]
fn a_real_description_of_nova_is_read() {
    #[derive(Deserialize)]
    struct Versions {
        compute: Recorded,
    }
    #[derive(Deserialize)]
    struct Recorded {
        body: serde_json::Value,
        url: String,
    }
    let text = include_str!("../../tests/golden/public/rest/versions.json");
    let compute = serde_json::from_str::<Versions>(text).unwrap().compute;
    let found = pick(read(&compute.body.to_string(), &compute.url), 2).unwrap();
    assert_eq!(found.microversions, Some(range((2, 1), (2, 93))));
    assert_eq!(found.url.unwrap().as_str(), "http://127.0.0.11:8774/v2.1/");
}

#[test]
fn lists_of_versions_are_read_in_each_form() {
    let nova = r#"{"versions":[
        {"id":"v2.0","version":"","min_version":"","links":[{"rel":"self","href":"http://h/v2/"}]},
        {"id":"v2.1","version":"2.93","min_version":"2.1","links":[{"rel":"self","href":"http://h/v2.1/"}]}]}"#;
    let found = pick(read(nova, "http://h/"), 2).unwrap();
    assert_eq!((found.url.unwrap().path(), found.microversions), ("/v2.1/", Some(range((2, 1), (2, 93)))));
    let keystone = r#"{"versions":{"values":[
        {"id":"v2.0","links":[]},{"id":"v3.14","links":[{"rel":"self","href":"http://h/v3/"}]}]}}"#;
    assert_eq!(pick(read(keystone, "http://h/"), 3).unwrap().url.unwrap().path(), "/v3/");
    assert_eq!(pick(read(keystone, "http://h/"), 4), None);
    for nothing in ["", "<html>", "[]", "{}", r#"{"versions": 3}"#] {
        assert_eq!(read(nothing, "http://h/"), [], "{nothing}");
    }
}

#[test]
fn a_link_to_another_host_is_not_followed() {
    let document = r#"{"version":{"id":"v3.0","version":"3.70","min_version":"3.0",
        "links":[{"rel":"self","href":"http://inside:8776/v3/"}]}}"#;
    let found = pick(read(document, "https://proxy/volume/v3/"), 3).unwrap();
    assert_eq!(found.url, None);
    let relative = r#"{"version":{"id":"v2.0","links":[{"rel":"self","href":"/v2.0/"}]}}"#;
    let found = pick(read(relative, "http://h:9696/"), 2).unwrap();
    assert_eq!(found.url.unwrap().as_str(), "http://h:9696/v2.0/");
}
