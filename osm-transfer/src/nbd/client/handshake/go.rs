//! `NBD_OPT_GO` and `NBD_OPT_INFO`: an export with everything there is to know of it.

use super::super::super::wire::consts::*;
use super::super::super::wire::{ExportFlagsAndSize, Info, InfoRequest, PeerMisbehaved};
use super::option::{Negotiator, unexpected};
use crate::Result;
use crate::block::BlockSize;

/// More information replies than kinds of information.
const MAX_INFO: usize = 64;

/// What the server told of an export.
pub(super) struct Told {
    pub(super) size: u64,
    pub(super) flags: TransmissionFlags,
    pub(super) block_size: Option<BlockSize>,
    pub(super) description: String,
}

impl Told {
    /// The flags, if there are any: without the first, the others mean nothing.
    pub(super) fn known_flags(&self) -> TransmissionFlags {
        if self.flags.contains(TransmissionFlags::NBD_FLAG_HAS_FLAGS) {
            self.flags
        } else {
            TransmissionFlags::empty()
        }
    }
}

impl Negotiator {
    /// Enters the export; `None` when the server does not know the option.
    pub(super) async fn go(&mut self, export: &str) -> Result<Option<Told>> {
        self.ask(NBD_OPT_GO, export).await
    }

    /// Asks about an export without entering it; `None` when the server does not tell.
    pub(super) async fn info(&mut self, export: &str) -> Result<Option<Told>> {
        self.ask(NBD_OPT_INFO, export).await
    }

    async fn ask(&mut self, option: u32, export: &str) -> Result<Option<Told>> {
        let wanted = vec![NBD_INFO_BLOCK_SIZE, NBD_INFO_DESCRIPTION];
        let request = InfoRequest { export: export.to_owned(), wanted };
        self.send_option(option, &request.encode()).await?;
        let (mut told, mut block_size, mut description) = (None, None, String::new());
        for _ in 0..MAX_INFO {
            let reply = self.reply(option).await?;
            match reply.kind {
                NBD_REP_INFO => match Info::decode(&reply.data)? {
                    Info::Export(export) => told = Some(export),
                    Info::BlockSize(size) => block_size = Some(size),
                    Info::Description(text) => description = text,
                    Info::Name(_) | Info::Other(_) => {}
                },
                NBD_REP_ACK => {
                    let ExportFlagsAndSize { size, flags } = told.ok_or(PeerMisbehaved::ExportInfoMissing)?;
                    return Ok(Some(Told { size, flags, block_size, description }));
                }
                NBD_REP_ERR_UNSUP => return Ok(None),
                _ if reply.is_error() && option == NBD_OPT_INFO => return Ok(None),
                _ if reply.is_error() => return Err(reply.refusal(export)),
                kind => return Err(unexpected(option, kind)),
            }
        }
        Err(PeerMisbehaved::TooMany { what: "information replies", limit: MAX_INFO }.into())
    }
}
