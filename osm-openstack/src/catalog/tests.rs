use super::*;

fn golden() -> Catalog {
    #[derive(Deserialize)]
    struct Session {
        catalog: Catalog,
    }
    let text = include_str!("../../tests/golden/public/rest/session.json");
    serde_json::from_str::<Session>(text).unwrap().catalog
}

fn with(services: &str) -> Catalog {
    serde_json::from_str(services).unwrap()
}

#[test]
fn a_real_catalog_has_all_services() {
    let catalog = golden();
    for (kind, url) in [
        (ServiceKind::Identity, "http://127.0.0.11:5000/v3"),
        (ServiceKind::Compute, "http://127.0.0.11:8774/v2.1"),
        (ServiceKind::Network, "http://127.0.0.11:9696/"),
        (ServiceKind::BlockStorage, "http://127.0.0.11:8776/v3/27d981bfd3244e928e255311efd7fb87"),
        (ServiceKind::Image, "http://127.0.0.11:9292/"),
    ] {
        assert_eq!(catalog.endpoint(kind, Interface::Public, Some("RegionOne")).unwrap().as_str(), url);
        assert_eq!(catalog.endpoint(kind, Interface::Internal, None).unwrap().as_str(), url);
    }
}

#[test]
fn a_region_that_nothing_is_in_is_refused_with_those_there_are() {
    assert!(golden().check_region("RegionOne", "src").is_ok());
    let error = golden().check_region("RegionNine", "src").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let said = error.to_string();
    assert!(
        ["`src`", "RegionNine", "region_name", "RegionOne"].iter().all(|part| said.contains(part)),
        "{said}"
    );
    assert!(Catalog::default().check_region("RegionNine", "src").is_ok(), "an empty catalog says nothing");
}

#[test]
fn the_best_type_wins_whatever_the_order() {
    let endpoint = |url: &str| format!(r#"[{{"interface":"public","region_id":"r","url":"{url}"}}]"#);
    let service = |kind: &str, url: &str| format!(r#"{{"type":"{kind}","endpoints":{}}}"#, endpoint(url));
    let services = [
        service("volume", "http://old/v1/p"),
        service("block-storage", "http://new/v3/p"),
        service("volumev3", "http://v3/v3/p"),
    ];
    let find = |services: &[String]| {
        let catalog = with(&format!("[{}]", services.join(",")));
        catalog
            .endpoint(ServiceKind::BlockStorage, Interface::Public, None)
            .unwrap()
            .host_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(find(&services), "v3");
    assert_eq!(find(&services[..2]), "new");
    assert_eq!(find(&services[..1]), "old");
}

#[test]
fn a_missing_service_says_what_there_is() {
    let catalog = with(
        r#"[{"type":"identity","endpoints":[{"interface":"public","region":"r1","url":"http://k"},
             {"interface":"admin","region":"r1","url":"http://k"}]},
            {"type":"compute","endpoints":[{"interface":"public","region":"r2","url":"http://n"}]}]"#,
    );
    let error = catalog.endpoint(ServiceKind::Compute, Interface::Internal, Some("r1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.message(),
        "the catalog has no internal endpoint of the compute service in region r1; it offers: compute (public in \
         r2), identity (admin in r1, public in r1); check `region_name` and `interface`, or set \
         `compute_endpoint_override`"
    );
    let error = Catalog::default().endpoint(ServiceKind::Image, Interface::Public, None).unwrap_err();
    assert!(error.message().contains("it offers: nothing;"), "{error}");
}
