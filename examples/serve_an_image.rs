//! Serves an image read-only over NBD on a unix socket, until interrupted.
//!
//! ```console
//! $ cargo run -p osm-examples --example serve_an_image -- disk.img /tmp/disk.sock
//! $ nbdinfo 'nbd+unix:///?socket=/tmp/disk.sock'
//! ```

use anyhow::{Context as _, Result};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::nbd::{Export, Server, ServerOptions};
use tokio::net::UnixListener;

#[tokio::main]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let usage = "usage: serve_an_image IMAGE SOCKET";
    let image: Endpoint = words.next().context(usage)?.parse()?;
    let socket = words.next().context(usage)?;

    let source = image.open_source(&OpenOptions::default()).await?;
    println!("{image}: {} bytes on nbd+unix:///?socket={socket}", source.size());
    let server = Server::new(vec![Export::read_only("", source)], ServerOptions::default());
    let interrupted = async {
        // Without signals there is nothing to wait for: it ends at once.
        let _ = tokio::signal::ctrl_c().await;
    };
    server.serve_unix(UnixListener::bind(&socket)?, interrupted).await?;
    Ok(std::fs::remove_file(&socket)?)
}
