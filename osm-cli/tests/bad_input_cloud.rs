//! Clouds that are not there, do not know us, or have a bad day.

#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bad_input;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use osm_lab::{Fault, FaultKind, Service};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use serde_json::json;

use crate::bad_input::{Bench, asked, files};

#[test]
fn an_unknown_cloud_is_named_with_those_there_are() {
    let bench = Bench::empty();
    let data = bench.data();
    let said = bench.run(&["export", "--src", "srk", "--data-dir", data.to_str().unwrap()]).code(2);
    said.one_message(&["no cloud `srk`", "dst, dst-admin, src, src-admin", "clouds.yaml"]);
    assert_eq!(bench.lab.src().requests(), []);
    assert!(!data.exists(), "nothing is left of it");
}

#[test]
fn a_missing_clouds_yaml_is_named() {
    let bench = Bench::empty();
    std::fs::remove_file(bench.path("clouds.yaml")).unwrap();
    bench.export(&[]).code(2).one_message(&["clouds.yaml", "does not exist"]);
}

#[test]
fn a_wrong_password_exits_with_3_and_names_cloud_and_request() {
    let bench = Bench::small();
    bench.edit_clouds("demo-secret", "demo-sekret");
    let said = bench.export(&[]).code(3);
    said.one_message(&["cloud `src`", "user and password", "correct its `auth`", "request id req-"]);
    assert!(!said.err.contains("demo-sekret"), "{}", said.err);
    assert!(!bench.data().exists(), "nothing is left of it");
    let error = bench.export(&["--output", "json"]).error_line(3);
    assert_eq!(error["message"], "cannot log in to cloud src");
    assert_eq!(asked(bench.lab.src(), "GET", ""), 0, "nothing else was asked");
}

#[test]
fn tokens_that_end_in_the_middle_are_renewed() {
    let bench = Bench::small();
    for (service, path) in
        [(Service::Neutron, "subnets"), (Service::Nova, "servers"), (Service::Cinder, "volumes")]
    {
        bench.lab.src().fault(Fault::new(service, FaultKind::ExpireTokens).path(path));
    }
    let said = bench.export(&[]).code(0);
    assert_eq!(said.err, "");
    assert_eq!(asked(bench.lab.src(), "POST", "/auth/tokens"), 4);
    bench.source_is_untouched();

    let bench = Bench::with_files();
    bench
        .lab
        .dst()
        .fault(Fault::new(Service::Neutron, FaultKind::ExpireTokens).method("POST").path("subnets"));
    bench.lab.dst().fault(Fault::new(Service::Nova, FaultKind::ExpireTokens).method("POST").path("keypairs"));
    let summary = bench.import(&["--output", "json"]).code(0).summary();
    assert_eq!((&summary["created"], &summary["failed"]), (&json!(5), &json!(0)));
    assert_eq!(asked(bench.lab.dst(), "POST", "/auth/tokens"), 3);
}

#[test]
fn a_token_that_ends_while_an_image_is_uploaded_is_renewed() {
    let bench = Bench::empty();
    bench.lab.seed_demo_tenant().unwrap();
    bench.export(&["images"]).code(0);
    bench.lab.dst().fault(Fault::new(Service::Glance, FaultKind::ExpireTokens).method("PUT").path("/file"));
    let before = bench.lab.dst().counts().images;
    let said = bench.import(&["images"]).code(0);
    said.one_line(&["images debian-12: created"]);
    assert_eq!(bench.lab.dst().counts().images, before + 1);
    bench.import(&["images"]).code(0).one_line(&["images debian-12: unchanged"]);
}

#[test]
fn a_certificate_nobody_vouches_for_is_refused_with_what_to_do() {
    let bench = Bench::empty();
    let origin = serve(|stream| {
        let key = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let secret = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], secret)
            .unwrap();
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        // The client ends it.
        let _ = connection.complete_io(&mut &stream);
    });
    bench.edit_clouds(&bench.lab.src().auth_url(), &format!("https://{origin}/v3"));
    let said = bench.export(&[]).code(2);
    said.one_message(&["certificate of https://", &origin, "not trusted", "`cacert`"]);
}

#[test]
fn an_endpoint_without_tls_behind_https_is_refused_with_what_to_do() {
    let bench = Bench::empty();
    bench.edit_clouds("auth_url: http:", "auth_url: https:");
    bench.export(&[]).code(2).one_message(&["does not speak TLS", "http:", "src"]);
}

#[test]
fn an_endpoint_that_is_no_keystone_is_refused_with_what_to_do() {
    let bench = Bench::empty();
    bench.edit_clouds(&bench.lab.src().auth_url(), &bench.lab.src().url(Service::Glance));
    bench.export(&[]).code(2).one_message(&[
        &bench.lab.src().url(Service::Glance),
        "no Keystone",
        "check `auth_url` of cloud `src`",
    ]);
}

#[test]
fn an_unreachable_endpoint_is_named_with_the_setting_to_check() {
    let bench = Bench::empty();
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    bench.edit_clouds(&bench.lab.src().auth_url(), &format!("http://{address}/v3"));
    let said = bench.export(&[]).code(1);
    said.one_message(&[&format!("cannot reach http://{address}"), "`auth_url` of cloud `src`", "refused"]);
}

#[test]
fn a_region_the_cloud_does_not_have_is_a_mistake_of_the_configuration() {
    let bench = Bench::small();
    bench.edit_clouds("RegionOne", "RegionNine");
    bench.export(&[]).code(2).one_message(&["cloud `src`", "RegionNine", "`region_name`", "has: RegionOne"]);
    bench.source_is_untouched();
}

#[test]
fn a_service_missing_from_the_catalog_is_named_with_what_there_is() {
    let bench = Bench::empty();
    let origin = serve(|stream| keystone_alone(&stream));
    bench.edit_clouds(&bench.lab.src().auth_url(), &format!("http://{origin}/v3"));
    let said = bench.export(&["networks"]).code(2);
    said.one_line(&[
        "! networks: ",
        "no public endpoint of the network service",
        "it offers: identity",
        "network_endpoint_override",
    ]);
    assert_eq!(files(&bench.data()), Vec::<String>::new(), "no file is written for what was not read");
}

#[test]
fn what_passes_by_itself_is_retried() {
    let bench = Bench::small();
    for (path, kind) in [
        ("networks", FaultKind::Status(429, Some(0))),
        ("subnets", FaultKind::Status(503, Some(0))),
        ("security-groups", FaultKind::Status(500, Some(0))),
        ("routers", FaultKind::Drop),
    ] {
        bench.lab.src().fault(Fault::new(Service::Neutron, kind).path(path));
    }
    let said = bench.export(&["networks", "subnets", "security_groups", "routers"]).code(0);
    assert_eq!(said.err, "");
    said.one_line(&["networks small-net: written"]);
    bench.source_is_untouched();
}

#[test]
fn what_may_have_been_done_is_looked_for_before_it_is_done_again() {
    let bench = Bench::with_files();
    let lost = |path: &str| Fault::new(Service::Neutron, FaultKind::DropReply).method("POST").path(path);
    bench.lab.dst().fault(lost("networks"));
    bench.lab.dst().fault(lost("subnets"));
    let summary = bench.import(&["--output", "json"]).code(0).summary();
    assert_eq!((&summary["created"], &summary["failed"]), (&json!(5), &json!(0)));
    let again = bench.import(&["--output", "json"]).code(0).summary();
    assert_eq!((&again["created"], &again["unchanged"]), (&json!(0), &json!(5)), "nothing is there twice");
}

#[test]
fn a_fault_that_stays_is_told_with_its_request_id_and_stops_nothing_else() {
    let bench = Bench::small();
    let fault = Fault::new(Service::Neutron, FaultKind::Status(500, Some(0))).path("subnets").times(1000);
    bench.lab.src().fault(fault);
    let said = bench.export(&["networks", "subnets", "keypairs"]).code(1);
    said.one_line(&["! subnets: ", "network: list subnets", "status 500", "request id req-"]);
    said.one_line(&["networks small-net: written"]);
    assert_eq!(files(&bench.data()), ["keypairs.yml", "networks.yml"]);
    assert_eq!(asked(bench.lab.src(), "GET", "subnets"), 5, "tried so often, and no more");
    bench.source_is_untouched();

    bench.lab.src().clear_faults();
    bench.export(&["subnets"]).code(0).one_line(&["subnets small-subnet: written"]);
}

#[test]
fn a_request_that_failed_for_good_fails_its_item_alone() {
    let bench = Bench::with_files();
    // Both at once, then each alone: the second is refused again.
    for skip in [0, 2] {
        let refusal = Fault::new(Service::Neutron, FaultKind::Status(500, None));
        bench.lab.dst().fault(refusal.method("POST").path("networks").skip(skip));
    }
    let said = bench.import(&[]).code(1);
    said.one_line(&["! networks back: ", "network: create network", "status 500", "request id req-"]);
    said.one_line(&["! subnets back-subnet: ", "it needs `back` of networks"]);
    for line in ["networks front: created", "subnets front-subnet: created", "keypairs demo-key: created"] {
        said.one_line(&[line]);
    }
    bench.import(&[]).code(0).one_line(&["2 created, 3 unchanged"]);
}

#[test]
fn a_list_that_cannot_be_had_fails_its_kind_alone() {
    let bench = Bench::with_files();
    let fault = Fault::new(Service::Neutron, FaultKind::Status(500, Some(0))).method("GET").path("subnets");
    bench.lab.dst().fault(fault.times(1000));
    let said = bench.import(&[]).code(1);
    for name in ["front", "back"] {
        said.one_line(&[&format!("networks {name}: created")]);
        said.one_line(&[&format!("! subnets {name}-subnet: "), "network: list subnets", "status 500"]);
    }
    said.one_line(&["keypairs demo-key: created"]);
    bench.lab.dst().clear_faults();
    bench.import(&[]).code(0).one_line(&["2 created, 3 unchanged"]);
}

#[test]
fn a_token_refused_again_and_again_ends_the_run_with_3() {
    let bench = Bench::small();
    bench.lab.src().fault(Fault::new(Service::Neutron, FaultKind::ExpireTokens).times(1000));
    let said = bench.export(&[]).code(3);
    said.one_message(&["request id req-", "status 401"]);
    bench.source_is_untouched();
}

/// Serves each connection in turn; its address.
fn serve(answer: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            answer(stream);
        }
    });
    address.to_string()
}

/// Gives a token for a cloud that has nothing but Keystone.
fn keystone_alone(mut stream: &TcpStream) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    // The body is there once its last brackets are.
    while !request.ends_with(b"}}}") {
        match stream.read(&mut piece) {
            Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
            _ => return,
        }
    }
    let domain = json!({"id": "default", "name": "Default"});
    let endpoint = json!({"interface": "public", "region_id": "RegionOne", "url": "http://127.0.0.1:1/v3"});
    let body = json!({"token": {
        "user": {"id": "u", "name": "demo", "domain": domain},
        "project": {"id": "p", "name": "demo", "domain": domain},
        "catalog": [{"type": "identity", "endpoints": [endpoint]}],
    }})
    .to_string();
    let head = "HTTP/1.1 201 Created\r\nX-Subject-Token: t\r\nConnection: close\r\nContent-Length:";
    let _ = stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes());
}
