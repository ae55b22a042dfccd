//! `osm-cli serve PATH`

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::nbd::{Export, Server, ServerOptions, ServerTls};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal;

use super::Globals;
use crate::{args, exit};

pub(crate) async fn run(globals: &Globals<'_>, arguments: args::Serve) -> Result<ExitCode> {
    let endpoint = Endpoint::File(arguments.path.clone());
    let options = OpenOptions::default();
    let source = endpoint.open_source(&options).await?;
    let sink =
        if arguments.writable { Some(endpoint.open_sink(source.size(), &options).await?) } else { None };
    let export = Export { name: arguments.name, description: String::new(), source, sink };
    let mut server = Server::new(vec![export], ServerOptions::default());
    let (mut scheme, mut pin) = ("nbd", String::new());
    if let (Some(chain), Some(key)) = (&arguments.tls_certificate, &arguments.tls_key) {
        let tls = ServerTls::from_files(chain, key, arguments.tls_client_authority.as_deref())?;
        (scheme, pin) = ("nbds", format!("tls-fingerprint={}", tls.fingerprint()));
        server = server.with_tls(tls);
    }
    if let Some(socket) = &arguments.unix {
        let listener = bind_unix(socket)?;
        let pin = if pin.is_empty() { pin } else { format!("&{pin}") };
        announce(globals, &format!("{scheme}+unix:///?socket={}{pin}", socket.display()));
        let served = server.serve_unix(listener, interrupted()).await;
        let _ = fs::remove_file(socket);
        served?;
    } else if let Some(address) = arguments.tcp {
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let pin = if pin.is_empty() { pin } else { format!("/?{pin}") };
        announce(globals, &format!("{scheme}://{}{pin}", listener.local_addr()?));
        server.serve_tcp(listener, interrupted()).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Listens on `socket`; a socket that nobody answers on any more is replaced.
fn bind_unix(socket: &Path) -> Result<UnixListener> {
    let is_socket = fs::symlink_metadata(socket).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket {
        if std::os::unix::net::UnixStream::connect(socket).is_ok() {
            return Err(exit::usage(format!("{} is in use: another server listens there", socket.display())));
        }
        fs::remove_file(socket).with_context(|| format!("cannot replace {}", socket.display()))?;
    }
    UnixListener::bind(socket).with_context(|| format!("cannot listen on {}", socket.display()))
}

fn announce(globals: &Globals<'_>, uri: &str) {
    if globals.is_json() {
        crate::output::json_line(&serde_json::json!({"event": "serving", "uri": uri}));
    } else {
        println!("serving on {uri} (until interrupted)");
    }
}

/// Ends with Ctrl-C or a request to terminate.
async fn interrupted() {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate()).ok();
    let asked = async {
        match &mut terminate {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = signal::ctrl_c() => {}
        () = asked => {}
    }
}
