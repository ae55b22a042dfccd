//! `NBD_OPT_LIST_META_CONTEXT` and `NBD_OPT_SET_META_CONTEXT`: `base:allocation`, where the source
//! can tell holes from data.

use super::super::super::wire::consts::*;
use super::super::super::wire::{MalformedMessage, MetaContext, MetaQuery};
use super::super::work::ALLOCATION_ID;
use super::{Haggle, Next, answer};

impl Haggle<'_> {
    pub(super) fn meta_context(&mut self, option: u32, data: &[u8]) -> Result<Next, MalformedMessage> {
        let setting = option == NBD_OPT_SET_META_CONTEXT;
        if setting {
            // Whatever happens now, what was selected before is gone.
            self.allocation = None;
        }
        let query = MetaQuery::decode(data)?;
        if !self.structured {
            let message = b"structured replies must be negotiated first";
            return Ok(Next::Answer(answer(option, NBD_REP_ERR_INVALID, message)));
        }
        let Some(export) = self.server.find(&query.export) else {
            return Ok(Next::Answer(answer(option, NBD_REP_ERR_UNKNOWN, b"no such export")));
        };
        // Listing knows wildcards: nothing at all, and the whole namespace.
        let asked =
            query.queries.iter().any(|asked| asked == BASE_ALLOCATION || (!setting && asked == "base:"))
                || (!setting && query.queries.is_empty());
        let mut bytes = Vec::new();
        if asked && export.source.capabilities().extents {
            let context = MetaContext { id: ALLOCATION_ID, name: BASE_ALLOCATION.to_owned() };
            bytes.extend(answer(option, NBD_REP_META_CONTEXT, &context.encode()));
            if setting {
                self.allocation = Some(query.export);
            }
        }
        bytes.extend(answer(option, NBD_REP_ACK, &[]));
        Ok(Next::Answer(bytes))
    }
}
