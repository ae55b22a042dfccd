//! `NBD_OPT_SET_META_CONTEXT`: block status.

use super::super::super::wire::consts::*;
use super::super::super::wire::{MetaContext, MetaQuery, PeerMisbehaved};
use super::option::{Negotiator, unexpected};
use crate::Result;

/// One context is asked for; a server that lists more than this is no sensible peer.
const MAX_CONTEXTS: usize = 64;

impl Negotiator {
    /// Selects one context; its number, or `None` when the server does not have it.
    pub(super) async fn set_meta_context(&mut self, export: &str, context: &str) -> Result<Option<u32>> {
        let query = MetaQuery { export: export.to_owned(), queries: vec![context.to_owned()] };
        self.send_option(NBD_OPT_SET_META_CONTEXT, &query.encode()).await?;
        let mut id = None;
        for _ in 0..MAX_CONTEXTS {
            let reply = self.reply(NBD_OPT_SET_META_CONTEXT).await?;
            match reply.kind {
                NBD_REP_META_CONTEXT => {
                    let selected = MetaContext::decode(&reply.data)?;
                    if selected.name == context {
                        id = Some(selected.id);
                    }
                }
                NBD_REP_ACK => return Ok(id),
                // Also an unknown export: what enters it will say so better.
                _ if reply.is_error() => return Ok(None),
                kind => return Err(unexpected(NBD_OPT_SET_META_CONTEXT, kind)),
            }
        }
        Err(PeerMisbehaved::TooMany { what: "metadata contexts", limit: MAX_CONTEXTS }.into())
    }
}
