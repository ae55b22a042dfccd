//! A way of their own for two agents: several TLS connections from host to host, agreed on over the stream
//! through the orchestrator.
//!
//! ```text
//!   offering agent                         dialling agent
//!                        <-----    fingerprint, how many connections
//!   fingerprint, port    ----->
//!                        <=====    TLS 1.3, both certificates pinned
//!                        <-----    direct, or why not
//! ```
//!
//! Where they cannot reach each other, the stream that they have does.

use std::ops::RangeInclusive;
use std::time::Duration;

use osm_transfer::link::{Fingerprint, Listener, OneOff, Stream, dial};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::report::{Report, Reporter};
use super::stdio::{Reader, Writer};
use crate::{Error, ErrorKind, Result};

/// The TCP ports that agents listen on, one a disk under way; the security group of a conversion host lets
/// the other host in to them.
pub const LINK_PORTS: RangeInclusive<u16> = 10810..=10841;

/// How many connections a disk has.
const CONNECTIONS: u8 = 4;

/// How long a host may take to answer at an address. A firewall that drops packets costs this once a run.
const REACH: Duration = Duration::from_secs(4);

/// How long the last connections may take once the other end has opened them.
const SETTLE: Duration = Duration::from_secs(20);

/// The most bytes of a message.
const LONGEST: u32 = 64 << 10;

/// The streams between two agents: one through the orchestrator, or several directly.
pub(super) type Streams = Vec<(Reader, Writer)>;

#[derive(Serialize, Deserialize)]
struct Ask {
    certificate: String,
    connections: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Offer {
    Listening { certificate: String, port: u16 },
    Unable(String),
}

#[derive(Serialize, Deserialize)]
struct Settled {
    direct: bool,
}

/// Lets the other agent in, and gives the streams that it has chosen.
pub(super) async fn offer(mut reader: Reader, mut writer: Writer) -> Result<Streams> {
    let ask: Ask = hear(&mut reader).await?;
    let own = OneOff::generate()?;
    let listener = match Listener::bind(LINK_PORTS, &own, fingerprint(&ask.certificate)?).await {
        Ok(listener) => listener,
        Err(error) => {
            let why = Error::from(error).chain();
            say(&mut writer, &Offer::Unable(why)).await?;
            return Ok(vec![(reader, writer)]);
        }
    };
    let (certificate, port) = (own.fingerprint().to_string(), listener.port());
    say(&mut writer, &Offer::Listening { certificate, port }).await?;
    let mut accepting = std::pin::pin!(listener.accept(ask.connections.into()));
    // The dialler speaks last: its connections may be complete before its word arrives, or after.
    let (accepted, settled): (_, Settled) = {
        let mut settling = std::pin::pin!(hear(&mut reader));
        tokio::select! {
            accepted = &mut accepting => (Some(accepted?), settling.await?),
            settled = &mut settling => (None, settled?),
        }
    };
    if !settled.direct {
        return Ok(vec![(reader, writer)]);
    }
    let accepted = match accepted {
        Some(accepted) => accepted,
        None => timeout(SETTLE, accepting).await.map_err(|_| {
            Error::new(ErrorKind::Agent, "the connections of the other agent did not arrive")
        })??,
    };
    Ok(split(accepted))
}

/// Reaches the other agent at one of `addresses`, and says by which way.
pub(super) async fn reach(
    addresses: &[String],
    mut reader: Reader,
    mut writer: Writer,
    reporter: &Reporter,
) -> Result<Streams> {
    let own = OneOff::generate()?;
    let ask = Ask { certificate: own.fingerprint().to_string(), connections: CONNECTIONS };
    say(&mut writer, &ask).await?;
    let dialled = match hear(&mut reader).await? {
        Offer::Listening { certificate, port } => {
            dial(addresses, port, CONNECTIONS, &own, fingerprint(&certificate)?, REACH)
                .await
                .map_err(|error| Error::from(error).chain())
        }
        Offer::Unable(why) => Err(why),
    };
    say(&mut writer, &Settled { direct: dialled.is_ok() }).await?;
    match dialled {
        Ok((streams, at)) => {
            reporter.say(Report::Linked { at: Some(at.to_string()), why_not: None });
            Ok(split(streams))
        }
        Err(why) => {
            reporter.say(Report::Linked { at: None, why_not: Some(why) });
            Ok(vec![(reader, writer)])
        }
    }
}

fn split(streams: Vec<Stream>) -> Streams {
    let halves = |stream| {
        let (reader, writer) = tokio::io::split(stream);
        (Box::new(reader) as Reader, Box::new(writer) as Writer)
    };
    streams.into_iter().map(halves).collect()
}

fn fingerprint(text: &str) -> Result<Fingerprint> {
    Ok(text.parse::<Fingerprint>()?)
}

/// Sends a message: its length, and JSON.
async fn say(writer: &mut Writer, message: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    writer.write_u32(length).await?;
    writer.write_all(&text).await?;
    writer.flush().await?;
    Ok(())
}

async fn hear<T: DeserializeOwned>(reader: &mut Reader) -> Result<T> {
    let length = reader.read_u32().await?;
    if length > LONGEST {
        return Err(Error::new(ErrorKind::Agent, "the other agent does not speak of a link")
            .with_hint("both agents get --link, or neither"));
    }
    let mut text = vec![0; length as usize];
    reader.read_exact(&mut text).await?;
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::net::UnixStream;

    use super::*;

    fn halves(stream: UnixStream) -> (Reader, Writer) {
        let (reader, writer) = stream.into_split();
        (Box::new(reader), Box::new(writer))
    }

    /// Both ends' streams, and what was reported.
    async fn meet(addresses: &[&str]) -> (Streams, Streams, mpsc::Receiver<Report>) {
        let (near, far) = UnixStream::pair().unwrap();
        let ((near_reader, near_writer), (far_reader, far_writer)) = (halves(near), halves(far));
        let (reporter, inbox) = Reporter::to_channel();
        let addresses: Vec<String> = addresses.iter().map(|&address| address.to_owned()).collect();
        let (offered, reached) = tokio::join!(
            offer(near_reader, near_writer),
            reach(&addresses, far_reader, far_writer, &reporter)
        );
        (offered.unwrap(), reached.unwrap(), inbox)
    }

    async fn are_joined(near: &mut Streams, far: &mut Streams) {
        assert_eq!(near.len(), far.len());
        for (index, (near, far)) in (0u8..).zip(near.iter_mut().zip(far)) {
            near.1.write_u8(index).await.unwrap();
            near.1.flush().await.unwrap();
            assert_eq!(far.0.read_u8().await.unwrap(), index);
        }
    }

    #[tokio::test]
    async fn agents_that_reach_each_other_have_connections_of_their_own() {
        let (mut near, mut far, inbox) = meet(&["127.0.0.1"]).await;
        are_joined(&mut near, &mut far).await;
        assert_eq!(near.len(), usize::from(CONNECTIONS));
        let Ok(Report::Linked { at: Some(at), why_not: None }) = inbox.recv() else { panic!("no link") };
        assert!(at.starts_with("127.0.0.1:"), "{at}");
    }

    #[tokio::test]
    async fn others_go_on_over_what_they_have_and_say_why() {
        let (mut near, mut far, inbox) = meet(&["no-such-host.invalid"]).await;
        are_joined(&mut near, &mut far).await;
        assert_eq!(near.len(), 1);
        let Ok(Report::Linked { at: None, why_not: Some(why) }) = inbox.recv() else { panic!("a link") };
        assert!(why.contains("no-such-host.invalid"), "{why}");
    }

    #[tokio::test]
    async fn what_is_no_message_is_refused() {
        let (near, far) = UnixStream::pair().unwrap();
        let ((mut reader, _writer), (_, mut writer)) = (halves(near), halves(far));
        writer.write_all(b"NBDMAGIC").await.unwrap();
        assert!(hear::<Ask>(&mut reader).await.is_err_and(|error| error.to_string().contains("link")));
    }
}
