//! `NBD_OPT_LIST_META_CONTEXT`, `NBD_OPT_SET_META_CONTEXT` and `NBD_REP_META_CONTEXT`.

use super::consts::MAX_STRING;
use super::cursor::{Cursor, Put, len_u32};
use super::error::MalformedMessage;

/// The data of both options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetaQuery {
    pub(crate) export: String,
    pub(crate) queries: Vec<String>,
}

impl MetaQuery {
    pub(crate) fn decode(data: &[u8]) -> Result<Self, MalformedMessage> {
        let mut cursor = Cursor::new("NBD_OPT_SET_META_CONTEXT", data);
        let export = cursor.string("export name", MAX_STRING)?.to_owned();
        // The count is not trusted for an allocation: the data runs out first.
        let count = cursor.u32("number of queries")?;
        let mut queries = Vec::new();
        for _ in 0..count {
            queries.push(cursor.string("query", MAX_STRING)?.to_owned());
        }
        cursor.end()?;
        Ok(Self { export, queries })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut data = Vec::new();
        data.put_string(&self.export);
        data.put_u32(len_u32(self.queries.len()));
        for query in &self.queries {
            data.put_string(query);
        }
        data
    }
}

/// A context that the server has, and its number in block status replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetaContext {
    pub(crate) id: u32,
    pub(crate) name: String,
}

impl MetaContext {
    pub(crate) fn decode(data: &[u8]) -> Result<Self, MalformedMessage> {
        let mut cursor = Cursor::new("NBD_REP_META_CONTEXT", data);
        let id = cursor.u32("context id")?;
        let bytes = cursor.rest();
        let mut name = Cursor::new("NBD_REP_META_CONTEXT", bytes);
        let name = name.text("context name", bytes.len(), MAX_STRING)?.to_owned();
        Ok(Self { id, name })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(4 + self.name.len());
        data.put_u32(self.id);
        data.extend_from_slice(self.name.as_bytes());
        data
    }
}
