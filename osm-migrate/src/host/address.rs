//! Where a server answers: asked of Nova when the operator did not say.

use osm_openstack::Session;
use osm_openstack::compute::{Compute, Server};

use crate::{Error, ErrorKind, Result};

/// The server of that id or name.
pub(crate) async fn find_server(compute: &Compute, name_or_id: &str) -> Result<Server> {
    if let Some(server) = compute.server(name_or_id).await? {
        return Ok(server);
    }
    compute.server_by_name(name_or_id).await?.ok_or_else(|| {
        Error::new(ErrorKind::Host, "there is no such server")
            .with_object(format!("conversion host {name_or_id}"))
            .with_hint("name the conversion host as SERVER of --src-host or --dst-host")
    })
}

/// The address of the server of that id or name.
pub(super) async fn of_server(session: &Session, name_or_id: &str) -> Result<String> {
    let server = find_server(&session.compute().await?, name_or_id).await?;
    of(&server).ok_or_else(|| {
        Error::new(ErrorKind::Host, "the server has no address")
            .with_object(format!("conversion host {name_or_id}"))
            .with_hint("say where it answers: ssh:SERVER,address=...")
    })
}

/// A floating IP, else what its owner set, else a fixed address; IPv4 first.
pub(crate) fn of(server: &Server) -> Option<String> {
    let of_type = |kind| {
        let mut found: Vec<_> = server.addresses_of_type(kind).collect();
        found.sort_by_key(|address| address.version);
        found.first().map(|address| address.addr.clone())
    };
    let set = server.access_ipv4.clone().filter(|address| !address.is_empty());
    of_type("floating").or(set).or_else(|| of_type("fixed"))
}

#[cfg(test)]
mod tests {
    use osm_openstack::compute::Address;

    use super::*;

    fn at(addr: &str, version: u8, kind: &str) -> Address {
        Address { addr: addr.into(), version, kind: Some(kind.into()), mac: None }
    }

    #[test]
    fn a_floating_address_is_preferred() {
        let mut server = Server {
            addresses: vec![("net".into(), vec![at("fd00::5", 6, "fixed"), at("10.0.0.5", 4, "fixed")])],
            ..Server::default()
        };
        assert_eq!(of(&server).as_deref(), Some("10.0.0.5"));
        server.access_ipv4 = Some("192.0.2.1".into());
        assert_eq!(of(&server).as_deref(), Some("192.0.2.1"));
        server.addresses[0].1.push(at("198.51.100.7", 4, "floating"));
        assert_eq!(of(&server).as_deref(), Some("198.51.100.7"));
        assert_eq!(of(&Server::default()), None);
    }
}
