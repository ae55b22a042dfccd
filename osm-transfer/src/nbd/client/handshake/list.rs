//! `NBD_OPT_LIST`: the names of the exports.

use super::super::super::wire::consts::*;
use super::super::super::wire::{ListedExport, PeerIncompatible, PeerMisbehaved};
use super::option::{Negotiator, unexpected};
use crate::Result;

/// More exports than anybody will read through.
const MAX_EXPORTS: usize = 10_000;

impl Negotiator {
    /// What the server lists.
    pub(super) async fn list(&mut self) -> Result<Vec<ListedExport>> {
        self.send_option(NBD_OPT_LIST, &[]).await?;
        let mut exports = Vec::new();
        loop {
            let reply = self.reply(NBD_OPT_LIST).await?;
            match reply.kind {
                NBD_REP_SERVER if exports.len() == MAX_EXPORTS => {
                    return Err(PeerMisbehaved::TooMany { what: "exports", limit: MAX_EXPORTS }.into());
                }
                NBD_REP_SERVER => exports.push(ListedExport::decode(&reply.data)?),
                NBD_REP_ACK => return Ok(exports),
                NBD_REP_ERR_UNSUP | NBD_REP_ERR_POLICY => return Err(PeerIncompatible::NoList.into()),
                _ if reply.is_error() => return Err(reply.refusal("")),
                kind => return Err(unexpected(NBD_OPT_LIST, kind)),
            }
        }
    }
}
