//! `NBD_OPT_EXPORT_NAME`: the way into an export for servers that know no better.

use super::super::super::wire::LegacyExport;
use super::super::super::wire::consts::*;
use super::go::Told;
use super::option::{Negotiator, lost};
use crate::{Error, ErrorKind, Result};

impl Negotiator {
    /// Enters the export. A server cannot refuse other than by closing the connection.
    pub(super) async fn export_name(&mut self, export: &str, padding: bool) -> Result<Told> {
        self.send_option(NBD_OPT_EXPORT_NAME, export.as_bytes()).await?;
        let answer = match self.reader.peek(LegacyExport::LEN).await.map_err(lost)? {
            Some(bytes) => LegacyExport::decode(bytes)?,
            None => {
                let message =
                    format!("the NBD server closed the connection when asked for export `{export}`");
                return Err(Error::new(ErrorKind::Config, message));
            }
        };
        self.reader.consume(LegacyExport::LEN);
        if padding {
            self.reader.skip(EXPORT_NAME_PADDING).await.map_err(lost)?;
        }
        Ok(Told { size: answer.size, flags: answer.flags, block_size: None, description: String::new() })
    }
}
