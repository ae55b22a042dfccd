//! One option and its replies, and the options that have no data.

use std::io;

use super::super::super::transport::{Reader, Writer};
use super::super::super::wire::consts::*;
use super::super::super::wire::{
    OptionHeader, OptionReplyHeader, PeerIncompatible, PeerMisbehaved, decode_message,
};
use crate::{Error, ErrorKind, Result, Retry};

/// The longest reply data that is accepted.
const MAX_REPLY: u32 = 64 << 10;

/// A connection in its handshake.
pub(super) struct Negotiator {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
}

/// One reply to an option.
pub(super) struct OptionReply {
    pub(super) kind: u32,
    pub(super) data: Vec<u8>,
}

impl OptionReply {
    pub(super) fn is_error(&self) -> bool {
        self.kind & NBD_REP_FLAG_ERROR != 0
    }

    /// Why the server refuses `export`.
    pub(super) fn refusal(&self, export: &str) -> Error {
        let said = decode_message(&self.data);
        match self.kind {
            NBD_REP_ERR_UNKNOWN => {
                Error::new(ErrorKind::Config, format!("the server has no export `{export}`"))
            }
            NBD_REP_ERR_TLS_REQD => PeerIncompatible::TlsRequired.into(),
            NBD_REP_ERR_POLICY => PeerIncompatible::Policy(said).into(),
            NBD_REP_ERR_SHUTDOWN => {
                Error::new(ErrorKind::Io, "the NBD server is shutting down").with_retry(Retry::Safe)
            }
            reply => PeerIncompatible::Refused { reply, message: said }.into(),
        }
    }
}

/// What became of the connection, in words.
pub(super) fn lost(error: io::Error) -> Error {
    let message = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the NBD server closed the connection in the middle of the handshake",
        _ => "the connection to the NBD server failed",
    };
    Error::new(ErrorKind::Io, message).with_retry(Retry::Safe).with_source(error)
}

impl Negotiator {
    pub(super) async fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.reader.array().await.map_err(lost)
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write(bytes).await.map_err(lost)
    }

    pub(super) async fn send_option(&mut self, option: u32, data: &[u8]) -> Result<()> {
        self.send(&OptionHeader::encode(option, data)).await
    }

    /// The next reply to the option under way.
    pub(super) async fn reply(&mut self, option: u32) -> Result<OptionReply> {
        let header = OptionReplyHeader::decode(&self.array::<{ OptionReplyHeader::LEN }>().await?)?;
        if header.option != option {
            return Err(PeerMisbehaved::ReplyToOtherOption { expected: option, found: header.option }.into());
        }
        if header.len > MAX_REPLY {
            return Err(PeerMisbehaved::OptionTooLong { option, len: header.len, limit: MAX_REPLY }.into());
        }
        let mut data = vec![0; header.len as usize];
        self.reader.read_exact(&mut data).await.map_err(lost)?;
        Ok(OptionReply { kind: header.reply, data })
    }

    /// `NBD_OPT_STRUCTURED_REPLY`: whether the server agrees.
    pub(super) async fn structured_reply(&mut self) -> Result<bool> {
        self.send_option(NBD_OPT_STRUCTURED_REPLY, &[]).await?;
        let reply = self.reply(NBD_OPT_STRUCTURED_REPLY).await?;
        match reply.kind {
            NBD_REP_ACK => Ok(true),
            NBD_REP_ERR_TLS_REQD => Err(PeerIncompatible::TlsRequired.into()),
            _ if reply.is_error() => Ok(false),
            kind => Err(unexpected(NBD_OPT_STRUCTURED_REPLY, kind)),
        }
    }

    /// `NBD_OPT_STARTTLS`: from now on everything is said inside TLS.
    pub(super) async fn start_tls(&mut self) -> Result<()> {
        self.send_option(NBD_OPT_STARTTLS, &[]).await?;
        let reply = self.reply(NBD_OPT_STARTTLS).await?;
        match reply.kind {
            NBD_REP_ACK => Ok(()),
            _ if reply.is_error() => Err(PeerIncompatible::NoTls(decode_message(&reply.data)).into()),
            kind => Err(unexpected(NBD_OPT_STARTTLS, kind)),
        }
    }

    /// `NBD_OPT_ABORT`, a courtesy: whether it arrives does not matter.
    pub(super) async fn abort(&mut self) {
        if self.send_option(NBD_OPT_ABORT, &[]).await.is_ok() {
            let _ = self.reply(NBD_OPT_ABORT).await;
        }
        let _ = self.writer.shutdown().await;
    }
}

/// A reply type that the option does not have.
pub(super) fn unexpected(option: u32, reply: u32) -> Error {
    PeerMisbehaved::UnexpectedOptionReply { option, reply }.into()
}
