//! The handshake, from the greeting to the export: a file per step.
//!
//! ```text
//!   greeting -> flags -> [STARTTLS] -> [STRUCTURED_REPLY] -> [SET_META_CONTEXT] -> GO
//!                                                                    `- ERR_UNSUP -> EXPORT_NAME
//! ```

mod export_name;
mod go;
mod list;
mod meta;
mod option;

use self::option::Negotiator;
use super::super::tls::ClientTls;
use super::super::transport::{Reader, Writer};
use super::super::wire::consts::*;
use super::super::wire::{Greeting, PeerIncompatible, PeerMisbehaved};
use super::{ClientOptions, ExportInfo};
use crate::Result;
use crate::block::BlockSize;

/// What client and server agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Negotiated {
    pub(crate) size: u64,
    pub(crate) flags: TransmissionFlags,
    /// What the server advertised, if it did.
    pub(crate) block_size: Option<BlockSize>,
    pub(crate) structured: bool,
    /// The number of `base:allocation` in block status replies.
    pub(crate) allocation: Option<u32>,
}

/// A connection after its handshake.
pub(crate) struct Ready {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    pub(crate) negotiated: Negotiated,
}

/// Whom to speak TLS with, if with anybody: how to make sure, and the name of the host.
pub(crate) type Secure<'a> = Option<(&'a ClientTls, Option<&'a str>)>;

/// Enters the transmission phase on `export`.
pub(crate) async fn enter(
    streams: (Reader, Writer),
    tls: Secure<'_>,
    export: &str,
    options: &ClientOptions,
) -> Result<Ready> {
    let (mut negotiator, server) = begin(streams, tls).await?;
    let fixed = server.contains(HandshakeFlags::NBD_FLAG_FIXED_NEWSTYLE);
    let padding = !server.contains(HandshakeFlags::NBD_FLAG_NO_ZEROES);
    let structured = fixed && options.structured && negotiator.structured_reply().await?;
    let allocation = if structured && options.meta_context {
        negotiator.set_meta_context(export, BASE_ALLOCATION).await?
    } else {
        None
    };
    let entered = if fixed { negotiator.go(export).await? } else { None };
    let entered = match entered {
        Some(entered) => entered,
        None => negotiator.export_name(export, padding).await?,
    };
    let negotiated = Negotiated {
        size: entered.size,
        flags: entered.known_flags(),
        block_size: entered.block_size,
        structured,
        allocation,
    };
    check(&negotiated)?;
    let Negotiator { mut reader, writer } = negotiator;
    // Exactly a header, so that payload is never read into the inbox: an OFFSET_DATA chunk has its
    // offset behind the header.
    reader.set_lookahead(if structured { 28 } else { 16 });
    Ok(Ready { reader, writer, negotiated })
}

/// What the server exports; ends the connection.
pub(crate) async fn list(streams: (Reader, Writer), tls: Secure<'_>) -> Result<Vec<ExportInfo>> {
    let (mut negotiator, server) = begin(streams, tls).await?;
    if !server.contains(HandshakeFlags::NBD_FLAG_FIXED_NEWSTYLE) {
        return Err(PeerIncompatible::NotFixedNewstyle.into());
    }
    let mut exports = Vec::new();
    for listed in negotiator.list().await? {
        let info = negotiator.info(&listed.name).await?;
        exports.push(ExportInfo {
            description: if listed.description.is_empty() {
                info.as_ref().map(|info| info.description.clone()).unwrap_or_default()
            } else {
                listed.description
            },
            name: listed.name,
            size: info.as_ref().map(|info| info.size),
            read_only: info.map(|info| info.known_flags().contains(TransmissionFlags::NBD_FLAG_READ_ONLY)),
        });
    }
    negotiator.abort().await;
    Ok(exports)
}

/// The greeting, and the TLS session if there shall be one.
async fn begin((reader, writer): (Reader, Writer), tls: Secure<'_>) -> Result<(Negotiator, HandshakeFlags)> {
    let mut negotiator = Negotiator { reader, writer };
    let server = greet(&mut negotiator).await?;
    let Some((tls, host)) = tls else { return Ok((negotiator, server)) };
    if !server.contains(HandshakeFlags::NBD_FLAG_FIXED_NEWSTYLE) {
        return Err(PeerIncompatible::NotFixedNewstyle.into());
    }
    negotiator.start_tls().await?;
    let Negotiator { reader, writer } = negotiator;
    let (reader, writer) = tls.connect(reader, writer, host).await?;
    Ok((Negotiator { reader, writer }, server))
}

async fn greet(negotiator: &mut Negotiator) -> Result<HandshakeFlags> {
    let greeting = negotiator.array::<{ Greeting::LEN }>().await?;
    let Greeting::Newstyle(server) = Greeting::decode(&greeting)? else {
        return Err(PeerIncompatible::Oldstyle.into());
    };
    let known = HandshakeFlags::NBD_FLAG_FIXED_NEWSTYLE | HandshakeFlags::NBD_FLAG_NO_ZEROES;
    let client = ClientFlags::from_bits_truncate(u32::from((server & known).bits()));
    negotiator.send(&client.bits().to_be_bytes()).await?;
    Ok(server)
}

fn check(negotiated: &Negotiated) -> Result<()> {
    if i64::try_from(negotiated.size).is_err() {
        return Err(PeerMisbehaved::ImpossibleSize(negotiated.size).into());
    }
    if let Some(BlockSize { minimum, preferred, maximum }) = negotiated.block_size
        && (!minimum.is_power_of_two() || minimum > MAX_PAYLOAD || preferred < minimum || maximum < minimum)
    {
        return Err(PeerMisbehaved::ImpossibleBlockSize { minimum, preferred, maximum }.into());
    }
    Ok(())
}
