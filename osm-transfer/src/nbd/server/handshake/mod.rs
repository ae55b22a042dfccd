//! The handshake, from the greeting to the export the client enters.

mod information;
mod meta;

use std::io;

use super::super::transport::{Reader, Writer};
use super::super::wire::consts::*;
use super::super::wire::{
    Greeting, LegacyExport, ListedExport, MalformedMessage, OptionHeader, OptionReplyHeader, PeerMisbehaved,
};
use super::{Export, Server};
use crate::{Error, ErrorKind, Result};

/// Option data that is looked at; what is longer is skipped and refused.
const MAX_OPTION: u32 = 32 << 10;
/// Option data that is not even skipped.
const MAX_SKIPPED: u32 = 1 << 20;
/// More options than any client has use for.
const MAX_OPTIONS: usize = 1 << 14;

/// An export that a client has entered.
pub(super) struct Session {
    pub(super) export: Export,
    pub(super) structured: bool,
    /// Block status was negotiated.
    pub(super) allocation: bool,
}

/// What an option leads to.
enum Next {
    /// The answer, then the next option.
    Answer(Vec<u8>),
    /// The answer, then TLS, and everything anew.
    Secure(Vec<u8>),
    /// The answer, then the transmission phase.
    Enter(Vec<u8>, Export),
    /// The answer, then the end.
    Leave(Vec<u8>),
}

/// What was agreed on so far.
struct Haggle<'a> {
    server: &'a Server,
    structured: bool,
    /// The export that `base:allocation` was selected for.
    allocation: Option<String>,
    padding: bool,
    /// TLS is spoken, or need not be.
    secure: bool,
}

/// Shakes hands; `None` when the client left without entering an export.
pub(super) async fn shake(
    server: &Server,
    mut reader: Reader,
    mut writer: Writer,
) -> Result<Option<(Session, Reader, Writer)>> {
    let offered = HandshakeFlags::NBD_FLAG_FIXED_NEWSTYLE | HandshakeFlags::NBD_FLAG_NO_ZEROES;
    writer.write(&Greeting::encode(offered)).await.map_err(lost)?;
    let flags = u32::from_be_bytes(reader.array().await.map_err(lost)?);
    let flags = ClientFlags::from_bits(flags).ok_or(PeerMisbehaved::UnknownClientFlags(flags))?;
    let fixed = flags.contains(ClientFlags::NBD_FLAG_C_FIXED_NEWSTYLE);
    let padding = !flags.contains(ClientFlags::NBD_FLAG_C_NO_ZEROES);
    let anew = |secure| Haggle { server, structured: false, allocation: None, padding, secure };
    let mut haggle = anew(server.tls.is_none());
    for _ in 0..MAX_OPTIONS {
        let Some(header) = reader.peek(OptionHeader::LEN).await.map_err(lost)? else { return Ok(None) };
        let header = OptionHeader::decode(header)?;
        reader.consume(OptionHeader::LEN);
        let OptionHeader { option, len } = header;
        if len > MAX_SKIPPED || (!fixed && option != NBD_OPT_EXPORT_NAME) {
            return Err(PeerMisbehaved::OptionTooLong { option, len, limit: MAX_OPTION }.into());
        }
        let next = if len > MAX_OPTION {
            reader.skip(len as usize).await.map_err(lost)?;
            Next::Answer(answer(option, NBD_REP_ERR_TOO_BIG, b"the option is too long"))
        } else {
            let mut data = vec![0; len as usize];
            reader.read_exact(&mut data).await.map_err(lost)?;
            haggle.option(option, &data)?
        };
        match next {
            Next::Answer(bytes) => writer.write(&bytes).await.map_err(lost)?,
            Next::Secure(bytes) => {
                writer.write(&bytes).await.map_err(lost)?;
                if let Some(tls) = &server.tls {
                    (reader, writer) = tls.accept(reader, writer).await?;
                    haggle = anew(true);
                }
            }
            Next::Leave(bytes) => {
                writer.write(&bytes).await.map_err(lost)?;
                return Ok(None);
            }
            Next::Enter(bytes, export) => {
                writer.write(&bytes).await.map_err(lost)?;
                let allocation = haggle.allocation.is_some_and(|name| server.is(&name, &export));
                let session = Session { export, structured: haggle.structured, allocation };
                return Ok(Some((session, reader, writer)));
            }
        }
    }
    Err(PeerMisbehaved::TooMany { what: "options", limit: MAX_OPTIONS }.into())
}

impl Haggle<'_> {
    fn option(&mut self, option: u32, data: &[u8]) -> Result<Next> {
        if !self.secure {
            return self.insecure(option, data);
        }
        let next = match option {
            NBD_OPT_EXPORT_NAME => return self.export_name(data),
            NBD_OPT_ABORT => return Ok(Next::Leave(answer(option, NBD_REP_ACK, &[]))),
            NBD_OPT_LIST => self.list(data),
            NBD_OPT_STRUCTURED_REPLY => self.structured_reply(data),
            NBD_OPT_INFO | NBD_OPT_GO => self.information(option, data),
            NBD_OPT_LIST_META_CONTEXT | NBD_OPT_SET_META_CONTEXT => self.meta_context(option, data),
            _ => Ok(Next::Answer(answer(option, NBD_REP_ERR_UNSUP, b"unknown option"))),
        };
        // Malformed data spoils the option, not the handshake.
        Ok(next.unwrap_or_else(|error| Next::Answer(refuse_invalid(option, &error))))
    }

    /// Before TLS a client learns nothing but that it is wanted.
    fn insecure(&self, option: u32, data: &[u8]) -> Result<Next> {
        match option {
            NBD_OPT_STARTTLS if data.is_empty() => Ok(Next::Secure(answer(option, NBD_REP_ACK, &[]))),
            NBD_OPT_STARTTLS => Ok(Next::Answer(answer(option, NBD_REP_ERR_INVALID, b"it has no data"))),
            NBD_OPT_ABORT => Ok(Next::Leave(answer(option, NBD_REP_ACK, &[]))),
            NBD_OPT_EXPORT_NAME => {
                Err(Error::new(ErrorKind::Config, "the client asked for an export without TLS"))
            }
            _ => Ok(Next::Answer(answer(option, NBD_REP_ERR_TLS_REQD, b"TLS first"))),
        }
    }

    /// The only way to refuse this one is to close the connection.
    fn export_name(&self, data: &[u8]) -> Result<Next> {
        let found = std::str::from_utf8(data).ok().and_then(|name| self.server.find(name));
        let export = found.ok_or_else(|| {
            let name = super::super::wire::decode_message(data);
            Error::new(ErrorKind::Config, format!("the client asked for the unknown export `{name}`"))
        })?;
        let legacy = LegacyExport { size: export.source.size(), flags: export.flags(self.structured) };
        Ok(Next::Enter(legacy.encode(self.padding), export.clone()))
    }

    fn list(&self, data: &[u8]) -> std::result::Result<Next, MalformedMessage> {
        if !data.is_empty() {
            return Err(MalformedMessage::TrailingBytes { message: "NBD_OPT_LIST", extra: data.len() });
        }
        let mut bytes = Vec::new();
        for export in self.server.exports.iter() {
            let listed = ListedExport { name: export.name.clone(), description: export.description.clone() };
            bytes.extend(answer(NBD_OPT_LIST, NBD_REP_SERVER, &listed.encode()));
        }
        bytes.extend(answer(NBD_OPT_LIST, NBD_REP_ACK, &[]));
        Ok(Next::Answer(bytes))
    }

    fn structured_reply(&mut self, data: &[u8]) -> std::result::Result<Next, MalformedMessage> {
        let option = NBD_OPT_STRUCTURED_REPLY;
        if !data.is_empty() {
            let message = "NBD_OPT_STRUCTURED_REPLY";
            return Err(MalformedMessage::TrailingBytes { message, extra: data.len() });
        }
        if !self.server.options.structured {
            return Ok(Next::Answer(answer(option, NBD_REP_ERR_UNSUP, b"no structured replies")));
        }
        self.structured = true;
        Ok(Next::Answer(answer(option, NBD_REP_ACK, &[])))
    }
}

impl Server {
    /// Whether the client's `name` means that export.
    fn is(&self, name: &str, export: &Export) -> bool {
        self.find(name).is_some_and(|found| found.name == export.name)
    }
}

/// One reply to an option.
fn answer(option: u32, reply: u32, data: &[u8]) -> Vec<u8> {
    OptionReplyHeader::encode(option, reply, data)
}

fn refuse_invalid(option: u32, error: &MalformedMessage) -> Vec<u8> {
    answer(option, NBD_REP_ERR_INVALID, error.to_string().as_bytes())
}

fn lost(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "the NBD client was lost in the handshake").with_source(error)
}
