//! Who is let in, and whom we trust.

use osm_lab::nfc::NfcBehaviour;
use osm_lab::vcenter::{VFault, VFaultKind};
use osm_transfer::Retry;
use osm_vmware::{Error, ErrorKind, NfcDisk, NfcOptions};

use crate::stage::{Stage, all, options};

/// What an attempt to open a disk of a fresh snapshot ends with.
async fn refused(stage: &Stage, options: NfcOptions) -> Error {
    let (_, disk, _) = stage.snapshot().await;
    NfcDisk::open(&stage.session, &stage.machine, &disk, options).await.unwrap_err()
}

/// An error with all its causes, as a log would show it.
fn chain(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn a_ticket_is_good_once() {
    let stage = Stage::open().await;
    stage.nfc().behave(NfcBehaviour { repeats_tickets: true, ..NfcBehaviour::default() });
    let (_, disk, _) = stage.snapshot().await;
    let secret = stage.nfc().ticket().session_id;
    let open = async || NfcDisk::open(&stage.session, &stage.machine, &disk, options()).await;
    let opened = open().await.unwrap();
    assert!(!format!("{opened:?}").contains(&secret));
    let error = open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let text = chain(&error);
    assert!(text.contains("does not take vSphere's ticket: `530"), "{text}");
    assert!(!text.contains(&secret), "{text}");
}

#[tokio::test]
async fn a_host_with_another_certificate_gets_no_ticket() {
    let stage = Stage::open().await;
    let other = Some("00:".repeat(19) + "00");
    stage.nfc().behave(NfcBehaviour { thumbprint: other, ..NfcBehaviour::default() });
    let error = refused(&stage, options()).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unreachable, Retry::Never));
    assert!(error.to_string().contains("another certificate"), "{error}");
    assert_eq!(stage.nfc().connections(), 0);
}

#[tokio::test]
async fn a_host_that_does_not_encrypt_is_read_only_when_that_is_wanted() {
    let stage = Stage::open().await;
    stage.nfc().behave(NfcBehaviour { encrypts: false, ..NfcBehaviour::default() });
    assert_eq!(refused(&stage, options()).await.kind(), ErrorKind::Unsupported);
    let (disk, frozen) = stage.frozen(NfcOptions { encrypted: false, ..options() }).await;
    assert!(all(&disk, 1 << 20).await == frozen);
}

#[tokio::test]
async fn a_host_with_tls_1_2_alone_is_read_as_well() {
    let stage = Stage::open().await;
    stage.nfc().behave(NfcBehaviour { tls12: true, ..NfcBehaviour::default() });
    for encrypted in [true, false] {
        let (disk, frozen) = stage.frozen(NfcOptions { encrypted, ..options() }).await;
        assert!(all(&disk, 1 << 20).await == frozen);
    }
}

#[tokio::test]
async fn servers_and_hosts_that_are_too_old_are_told() {
    let stage = Stage::with(|options| options.nfc = false).await;
    let error = refused(&stage, options()).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.hint().is_some_and(|hint| hint.contains("HTTPS")));
    assert_eq!(stage.vcenter.nfc_bytes(), 0);

    let stage = Stage::open().await;
    stage.nfc().behave(NfcBehaviour { version: 2, ..NfcBehaviour::default() });
    let error = refused(&stage, options()).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("version 2"), "{error}");

    let fault = VFaultKind::soap("MethodNotFound", "no");
    stage.vcenter.fault(VFault::new("NfcGetServerNfcLibVersion", fault));
    let error = refused(&stage, options()).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("ESXi 6.5"), "{error}");
}

#[tokio::test]
async fn without_the_privilege_the_hint_names_it() {
    let stage = Stage::open().await;
    stage.vcenter.fault(VFault::new("NfcGetVmFiles", VFaultKind::soap("NoPermission", "no")));
    let error = refused(&stage, options()).await;
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.hint().unwrap().contains("DiskRandomRead"));
}

#[tokio::test]
async fn a_disk_in_use_is_refused_with_the_hosts_words() {
    let stage = Stage::open().await;
    let machines = stage.session.machines().await.unwrap();
    let disk = &machines[0].disks[0];
    let error = NfcDisk::open(&stage.session, &stage.machine, disk, options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let text = error.to_string();
    assert!(text.contains("Failed to lock the file: [ds] app/app.vmdk"), "{text}");

    let mut gone = disk.clone();
    gone.file = Some("[ds] app/gone.vmdk".to_owned());
    let error = NfcDisk::open(&stage.session, &stage.machine, &gone, options()).await.unwrap_err();
    assert!(error.to_string().contains("File not found"), "{error}");
    gone.file = None;
    let error = NfcDisk::open(&stage.session, &stage.machine, &gone, options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_disk_of_another_size_is_not_the_one() {
    let stage = Stage::open().await;
    let (_, mut disk, _) = stage.snapshot().await;
    disk.capacity += 512;
    let error = NfcDisk::open(&stage.session, &stage.machine, &disk, options()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::BadResponse, Retry::Never));
}
