//! What all connections of a host share.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::ALL_VERSIONS;
use rustls::version::TLS12;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use super::NfcTicket;
use super::behaviour::{NfcBehaviour, NfcMishap, NfcRefusal};
use super::identity::Identity;

/// The file with the bytes of a disk, by its path in a datastore.
pub(super) type Files = Box<dyn Fn(&str) -> Result<PathBuf, NfcRefusal> + Send + Sync>;

pub(super) struct Host {
    pub(super) files: Files,
    acceptor: TlsAcceptor,
    acceptor_tls12: TlsAcceptor,
    identity: Identity,
    tickets: Mutex<Tickets>,
    behaviour: Mutex<NfcBehaviour>,
    mishaps: Mutex<Vec<NfcMishap>>,
    pub(super) cuts: watch::Sender<u64>,
    pub(super) bytes: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) goodbyes: AtomicU64,
    pub(super) most_reads: AtomicUsize,
}

#[derive(Default)]
struct Tickets {
    good: HashSet<String>,
    last: Option<String>,
}

/// What befalls a read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OfRead {
    Error(String),
    Stall,
}

impl Host {
    pub(super) fn new(identity: Identity, files: Files) -> io::Result<Self> {
        Ok(Self {
            files,
            acceptor: identity.acceptor(ALL_VERSIONS)?,
            acceptor_tls12: identity.acceptor(&[&TLS12])?,
            identity,
            tickets: Mutex::default(),
            behaviour: Mutex::default(),
            mishaps: Mutex::default(),
            cuts: watch::Sender::new(0),
            bytes: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            goodbyes: AtomicU64::new(0),
            most_reads: AtomicUsize::new(0),
        })
    }

    pub(super) fn ticket(&self, address: SocketAddr) -> NfcTicket {
        let behaviour = self.behaviour();
        let mut tickets = lock(&self.tickets);
        let again = tickets.last.clone().filter(|_| behaviour.repeats_tickets);
        let session_id = again.unwrap_or_else(|| {
            let fresh = Uuid::new_v4().to_string();
            tickets.good.insert(fresh.clone());
            tickets.last = Some(fresh.clone());
            fresh
        });
        let thumbprint = behaviour.thumbprint.unwrap_or_else(|| self.identity.sha1());
        NfcTicket { address, thumbprint, service: "vpxa-nfc", session_id }
    }

    /// What agrees on TLS with a client.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        if self.behaviour().tls12 { self.acceptor_tls12.clone() } else { self.acceptor.clone() }
    }

    /// Uses a ticket up; whether it was good.
    pub(super) fn admits(&self, session_id: &str) -> bool {
        lock(&self.tickets).good.remove(session_id)
    }

    /// SHA-256 of its certificate.
    pub(super) fn sha256(&self) -> String {
        self.identity.sha256()
    }

    pub(super) fn behave(&self, behaviour: NfcBehaviour) {
        *lock(&self.behaviour) = behaviour;
    }

    pub(super) fn behaviour(&self) -> NfcBehaviour {
        lock(&self.behaviour).clone()
    }

    pub(super) fn add_mishap(&self, mishap: NfcMishap) {
        lock(&self.mishaps).push(mishap);
    }

    /// What befalls this read, if anything.
    pub(super) fn befalls_read(&self) -> Option<OfRead> {
        let mut mishaps = lock(&self.mishaps);
        let mut met = None;
        mishaps.retain_mut(|mishap| match mishap {
            NfcMishap::ReadError { skip, .. } | NfcMishap::Stall { skip } if *skip > 0 => {
                *skip -= 1;
                true
            }
            NfcMishap::ReadError { text, .. } => met.replace(OfRead::Error(text.clone())).is_some(),
            NfcMishap::Stall { .. } => met.replace(OfRead::Stall).is_some(),
            _ => true,
        });
        met
    }

    /// What becomes of a message: its bytes are changed or cut short; whether the connection ends with it.
    pub(super) fn befalls_message(&self, message: &mut Vec<u8>) -> bool {
        let mut ends = false;
        lock(&self.mishaps).retain_mut(|mishap| {
            let length = message.len();
            match mishap {
                NfcMishap::Cut { after } if *after >= length => *after -= length,
                NfcMishap::Flip { after, .. } if *after >= length => *after -= length,
                NfcMishap::Truncate { skip } if *skip > 0 => *skip -= 1,
                NfcMishap::Cut { after } => {
                    message.truncate(*after);
                    ends = true;
                    return false;
                }
                NfcMishap::Truncate { .. } => {
                    message.truncate(length / 2);
                    ends = true;
                    return false;
                }
                NfcMishap::Flip { after, bits } => {
                    message[*after] ^= *bits;
                    return false;
                }
                NfcMishap::ReadError { .. } | NfcMishap::Stall { .. } => {}
            }
            true
        });
        ends
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
