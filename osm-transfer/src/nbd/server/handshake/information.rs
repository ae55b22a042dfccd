//! `NBD_OPT_INFO` and `NBD_OPT_GO`.

use super::super::super::wire::consts::*;
use super::super::super::wire::{ExportFlagsAndSize, Info, InfoRequest, MalformedMessage};
use super::{Haggle, Next, answer};

impl Haggle<'_> {
    pub(super) fn information(&self, option: u32, data: &[u8]) -> Result<Next, MalformedMessage> {
        let request = InfoRequest::decode(data)?;
        let Some(export) = self.server.find(&request.export) else {
            return Ok(Next::Answer(answer(option, NBD_REP_ERR_UNKNOWN, b"no such export")));
        };
        let wants = |kind| request.wanted.contains(&kind);
        let block_size = export.block_size();
        if block_size.minimum > 1 && option == NBD_OPT_GO && !wants(NBD_INFO_BLOCK_SIZE) {
            let message = b"this export has a minimum block size: ask for NBD_INFO_BLOCK_SIZE";
            return Ok(Next::Answer(answer(option, NBD_REP_ERR_BLOCK_SIZE_REQD, message)));
        }
        let mut told = vec![
            Info::Export(ExportFlagsAndSize {
                size: export.source.size(),
                flags: export.flags(self.structured),
            }),
            Info::BlockSize(block_size),
        ];
        if wants(NBD_INFO_NAME) {
            told.push(Info::Name(export.name.clone()));
        }
        if wants(NBD_INFO_DESCRIPTION) && !export.description.is_empty() {
            told.push(Info::Description(export.description.clone()));
        }
        let mut bytes = Vec::new();
        for info in told {
            bytes.extend(answer(option, NBD_REP_INFO, &info.encode()));
        }
        bytes.extend(answer(option, NBD_REP_ACK, &[]));
        Ok(if option == NBD_OPT_GO { Next::Enter(bytes, export.clone()) } else { Next::Answer(bytes) })
    }
}
