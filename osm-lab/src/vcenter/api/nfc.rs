//! `NfcService`: tickets for the host's port 902.

use super::dispatch::{Answer, Asked, Outcome};
use super::fault::Fault;
use super::object;
use crate::nfc::NfcServer;
use crate::vcenter::core::Core;
use crate::vcenter::xml::{Moref, Node};

/// The id of the service; an ESXi host by itself has another.
const SERVICE: &str = "nfcService";

/// The version of NFC that the host has.
const VERSION: u32 = 11;

/// Answers one of its methods.
pub(super) fn answer(core: &Core, asked: &Asked) -> Outcome {
    let server = core.nfc.get().ok_or_else(|| Fault::no_method(&object::gone(&asked.this), &asked.method))?;
    let service = Moref::new("NfcService", SERVICE);
    match asked.method.as_str() {
        "RetrieveInternalContent" => {
            let parts = vec![Node::reference("nfcService", &service)];
            Answer::one(Node::object("returnval", "InternalServiceInstanceContent", parts))
        }
        _ if asked.this != SERVICE => Err(Fault::gone(&Moref::new("NfcService", &asked.this))),
        "NfcGetServerNfcLibVersion" => Answer::one(Node::int("returnval", VERSION)),
        _ => ticket(core, server, asked),
    }
}

fn ticket(core: &Core, server: &NfcServer, asked: &Asked) -> Outcome {
    let vm = asked.needs("vm")?;
    if core.look(|world| world.by_id(vm).is_none()) {
        return Err(Fault::gone(&Moref::new("VirtualMachine", vm)));
    }
    let ticket = server.ticket();
    let parts = vec![
        Node::text("host", ticket.address.ip()),
        Node::int("port", ticket.address.port()),
        Node::text("sslThumbprint", &ticket.thumbprint),
        Node::text("service", ticket.service),
        Node::text("serviceVersion", "1.1"),
        Node::text("sessionId", &ticket.session_id),
    ];
    Answer::one(Node::object("returnval", "HostServiceTicket", parts))
}
