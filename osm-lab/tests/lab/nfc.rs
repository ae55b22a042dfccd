//! Tickets for NFC. The protocol itself is tested where its client is: in osm-vmware.

use osm_lab::nfc::{NfcRefusal, NfcServer};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;

use crate::soap::{element, fault_of, site, site_with};

#[tokio::test]
async fn each_ticket_names_the_host_and_is_another_one() {
    let site = site().await;
    let vm = site.machine(|_| {});
    let content = site.call("RetrieveInternalContent", "ServiceInstance", "ServiceInstance", "").await;
    assert!(content.contains("<nfcService type=\"NfcService\">nfcService</nfcService>"), "{content}");
    let version = site.call("NfcGetServerNfcLibVersion", "NfcService", "nfcService", "").await;
    assert_eq!(element(&version, "returnval"), Some("11"));
    let machine = format!("<vm type=\"VirtualMachine\">{vm}</vm>");
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let ticket = site.call("NfcGetVmFiles", "NfcService", "nfcService", &machine).await;
        let port = site.vcenter.nfc().unwrap().address().port().to_string();
        assert_eq!(element(&ticket, "host"), Some("127.0.0.1"));
        assert_eq!(element(&ticket, "port"), Some(port.as_str()));
        assert_eq!(element(&ticket, "service"), Some("vpxa-nfc"));
        assert_eq!(element(&ticket, "sslThumbprint").map(str::len), Some(59));
        secrets.push(element(&ticket, "sessionId").unwrap().to_owned());
    }
    assert_ne!(secrets[0], secrets[1]);
}

#[tokio::test]
async fn a_host_by_itself_speaks_first() {
    let server = NfcServer::start(|path| Err(NfcRefusal::not_found(path))).unwrap();
    let (one, other) = (server.ticket(), server.ticket());
    assert_eq!(one.address, server.address());
    assert_ne!(one.session_id, other.session_id);
    let mut banner = String::new();
    BufReader::new(TcpStream::connect(one.address).await.unwrap()).read_line(&mut banner).await.unwrap();
    assert!(banner.starts_with("220 VMware Authentication Daemon"), "{banner}");
    assert!(banner.contains("NFCSSL supported/t, SHA256 supported\r\n"), "{banner}");
}

#[tokio::test]
async fn what_is_not_there_gets_no_ticket() {
    let site = site().await;
    let vm = site.machine(|_| {});
    let machine = |vm: &str| format!("<vm type=\"VirtualMachine\">{vm}</vm>");
    for (service, vm) in [("nfcService", "vm-0"), ("ha-nfc-service", vm.as_str())] {
        let (_, answer) = site.ask("NfcGetVmFiles", "NfcService", service, &machine(vm)).await;
        assert_eq!(fault_of(&answer), "ManagedObjectNotFound", "{service} {vm}");
    }
}

#[tokio::test]
async fn an_older_server_knows_no_nfc() {
    let site = site_with(|options| options.nfc = false).await;
    let (_, answer) = site.ask("RetrieveInternalContent", "ServiceInstance", "ServiceInstance", "").await;
    assert_eq!(fault_of(&answer), "MethodNotFound");
    assert!(site.vcenter.nfc().is_none());
}
