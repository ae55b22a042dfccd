//! Serves an image read-only on port 10809 of loopback, until Ctrl-C.
//!
//! ```console
//! $ cargo run -p osm-transfer --example serve -- IMAGE
//! ```

use std::error::Error;

use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::nbd::{Export, Server, ServerOptions};
use tokio::net::TcpListener;
use tokio::signal;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let image: Endpoint = std::env::args().nth(1).ok_or("usage: serve IMAGE")?.parse()?;
    let disk = image.open_source(&OpenOptions::default()).await?;
    let server = Server::new(vec![Export::read_only("", disk)], ServerOptions::default());
    let listener = TcpListener::bind(("127.0.0.1", 10809)).await?;
    println!("nbd://{}", listener.local_addr()?);
    let interrupted = async {
        // Without a handler there is no graceful end: then it ends at once.
        let _ = signal::ctrl_c().await;
    };
    server.serve_tcp(listener, interrupted).await?;
    Ok(())
}
