//! Tickets: vSphere's leave to read the disks of a machine at its host. Each is good for one connection.

use secrecy::SecretString;

use super::thumbprint::Thumbprint;
use crate::session::{Session, reference};
use crate::soap::{Element, Request};
use crate::{Error, ErrorKind, Moref, Result};

/// The port of NFC where a ticket names none.
const PORT: u16 = 902;

const PRIVILEGE: &str = "the user needs the privilege VirtualMachine.Provisioning.DiskRandomRead";
const OTHER_WAY: &str = "read the disk over HTTPS, or by VDDK";

/// Where tickets for a machine are to be had.
#[derive(Debug)]
pub(super) struct TicketDesk {
    session: Session,
    service: Moref,
    machine: Moref,
    /// The version of NFC at the machine's host.
    pub(super) version: u32,
}

/// Leave to connect once. `Debug` shows no secret.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) thumbprint: Thumbprint,
    /// What the host is asked for: `vpxa-nfc`, or `ha-nfc` without a vCenter.
    pub(super) service: String,
    pub(super) secret: SecretString,
}

impl TicketDesk {
    /// # Errors
    /// `Unsupported`: the server hands out no tickets, the host is too old for them, or the machine is encrypted.
    pub(super) async fn open(session: &Session, machine: &Moref) -> Result<Self> {
        let found = session.properties(machine, &["config.keyId", "runtime.host"]).await?;
        if found.get("config.keyId").is_some() {
            let message = "the disks of an encrypted machine cannot be read over NFC";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let root = Moref::new("ServiceInstance", "ServiceInstance");
        let content = session.call(&Request::new("RetrieveInternalContent", &root)).await.map_err(hinted)?;
        let service = content.child("returnval").and_then(|content| reference(content, "nfcService"));
        let service = service.ok_or_else(|| Error::new(ErrorKind::Unsupported, "vSphere has no NFC service"));
        let service = service.map_err(|error| error.with_hint(OTHER_WAY))?;
        let mut ask = Request::new("NfcGetServerNfcLibVersion", &service);
        // An ESXi host by itself is its only one.
        let host = found.get("runtime.host").filter(|_| session.about().api_type != "HostAgent");
        if let Some(host) = host {
            ask = ask.reference("hostForAccess", &Moref::new("HostSystem", &host.text));
        }
        let answer = session.call(&ask).await.map_err(|error| match error.kind() {
            ErrorKind::Unsupported => {
                let old = Error::new(ErrorKind::Unsupported, "the host is older than ESXi 6.5");
                old.with_source(error).with_hint(OTHER_WAY)
            }
            _ => error,
        })?;
        let version = answer.text_at(&["returnval"]).and_then(|text| text.parse().ok());
        let version = version.ok_or_else(|| lacks("version of NFC"))?;
        Ok(Self { session: session.clone(), service, machine: machine.clone(), version })
    }

    /// A ticket for one connection.
    ///
    /// # Errors
    /// vSphere refuses, or hands out what is none.
    pub(super) async fn ticket(&self) -> Result<Ticket> {
        let request = Request::new("NfcGetVmFiles", &self.service).reference("vm", &self.machine);
        let answer = self.session.call(&request).await.map_err(hinted)?;
        let ticket = answer.child("returnval").ok_or_else(|| lacks("ticket"))?;
        Ticket::read(ticket, self.session.endpoint().0)
    }
}

impl Ticket {
    /// A ticket that names no host is one for the host that gave it.
    fn read(ticket: &Element, giver: &str) -> Result<Self> {
        let text = |name: &'static str| ticket.text_at(&[name]);
        let port = text("port").map_or(Some(PORT), |port| port.parse().ok());
        let thumbprint = text("sslThumbprint").ok_or_else(|| lacks("fingerprint of its certificate"))?;
        let service = text("service").unwrap_or_default();
        if !["vpxa-nfc", "ha-nfc"].contains(&service) {
            let message = format!("the ticket is for `{service}`, which is no NFC service");
            return Err(Error::new(ErrorKind::BadResponse, message));
        }
        // A line ends it: with one inside, it would be two commands.
        let secret = text("sessionId").filter(|secret| !secret.chars().any(char::is_control));
        Ok(Self {
            host: text("host").unwrap_or(giver).trim_matches(['[', ']']).to_owned(),
            port: port.filter(|port| *port > 0).ok_or_else(|| lacks("port"))?,
            thumbprint: thumbprint.parse()?,
            service: service.to_owned(),
            secret: secret.ok_or_else(|| lacks("usable session of a ticket"))?.to_owned().into(),
        })
    }
}

fn lacks(what: &str) -> Error {
    Error::new(ErrorKind::BadResponse, format!("vSphere tells no {what}"))
}

fn hinted(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Unsupported => error.with_hint(OTHER_WAY),
        ErrorKind::Auth if error.hint().is_none() => error.with_hint(PRIVILEGE),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKET: &str = "<returnval><host>esx1</host><port>902</port>\
        <sslThumbprint>A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D</sslThumbprint>\
        <service>vpxa-nfc</service><serviceVersion>1.1</serviceVersion><sessionId>52secret</sessionId></returnval>";

    fn read(text: &str) -> Result<Ticket> {
        Ticket::read(&Element::parse(text).unwrap(), "[::1]")
    }

    #[test]
    fn a_ticket_is_shown_without_its_secret() {
        let ticket = read(TICKET).unwrap();
        assert_eq!((ticket.host.as_str(), ticket.port, ticket.service.as_str()), ("esx1", 902, "vpxa-nfc"));
        assert!(!format!("{ticket:?}").contains("52secret"));
        assert_eq!(read(&TICKET.replace("<host>esx1</host>", "")).unwrap().host, "::1");
    }

    #[test]
    fn what_is_no_ticket_is_refused() {
        for (good, bad) in [
            ("<port>902</port>", "<port>70000</port>"),
            ("<port>902</port>", "<port>0</port>"),
            ("A9:99", "A9"),
            ("vpxa-nfc", "vpxa-nfc\r\nPROXY x"),
            ("52secret", ""),
            ("52secret", "52\r\nsecret"),
        ] {
            let error = read(&TICKET.replace(good, bad)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadResponse);
            assert!(!error.to_string().contains("secret"));
        }
    }
}
