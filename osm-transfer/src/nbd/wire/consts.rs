//! Numbers and flag words of the protocol, under the specification's names.

use bitflags::bitflags;

pub(crate) const NBD_MAGIC: u64 = 0x4e42_444d_4147_4943; // "NBDMAGIC"
pub(crate) const NBD_OPTS_MAGIC: u64 = 0x4948_4156_454f_5054; // "IHAVEOPT"
pub(crate) const NBD_OLDSTYLE_MAGIC: u64 = 0x0000_4202_8186_1253;
pub(crate) const NBD_REP_MAGIC: u64 = 0x0003_e889_0455_65a9;
pub(crate) const NBD_REQUEST_MAGIC: u32 = 0x2560_9513;
pub(crate) const NBD_SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
pub(crate) const NBD_STRUCTURED_REPLY_MAGIC: u32 = 0x668e_33ef;

pub(crate) const NBD_OPT_EXPORT_NAME: u32 = 0x1;
pub(crate) const NBD_OPT_ABORT: u32 = 0x2;
pub(crate) const NBD_OPT_LIST: u32 = 0x3;
pub(crate) const NBD_OPT_STARTTLS: u32 = 0x5;
pub(crate) const NBD_OPT_INFO: u32 = 0x6;
pub(crate) const NBD_OPT_GO: u32 = 0x7;
pub(crate) const NBD_OPT_STRUCTURED_REPLY: u32 = 0x8;
pub(crate) const NBD_OPT_LIST_META_CONTEXT: u32 = 0x9;
pub(crate) const NBD_OPT_SET_META_CONTEXT: u32 = 0xa;

pub(crate) const NBD_REP_ACK: u32 = 0x1;
pub(crate) const NBD_REP_SERVER: u32 = 0x2;
pub(crate) const NBD_REP_INFO: u32 = 0x3;
pub(crate) const NBD_REP_META_CONTEXT: u32 = 0x4;
pub(crate) const NBD_REP_FLAG_ERROR: u32 = 0x8000_0000;
pub(crate) const NBD_REP_ERR_UNSUP: u32 = 0x8000_0001;
pub(crate) const NBD_REP_ERR_POLICY: u32 = 0x8000_0002;
pub(crate) const NBD_REP_ERR_INVALID: u32 = 0x8000_0003;
pub(crate) const NBD_REP_ERR_TLS_REQD: u32 = 0x8000_0005;
pub(crate) const NBD_REP_ERR_UNKNOWN: u32 = 0x8000_0006;
pub(crate) const NBD_REP_ERR_SHUTDOWN: u32 = 0x8000_0007;
pub(crate) const NBD_REP_ERR_BLOCK_SIZE_REQD: u32 = 0x8000_0008;
pub(crate) const NBD_REP_ERR_TOO_BIG: u32 = 0x8000_0009;

pub(crate) const NBD_INFO_EXPORT: u16 = 0x0;
pub(crate) const NBD_INFO_NAME: u16 = 0x1;
pub(crate) const NBD_INFO_DESCRIPTION: u16 = 0x2;
pub(crate) const NBD_INFO_BLOCK_SIZE: u16 = 0x3;

pub(crate) const NBD_CMD_READ: u16 = 0x0;
pub(crate) const NBD_CMD_WRITE: u16 = 0x1;
pub(crate) const NBD_CMD_DISC: u16 = 0x2;
pub(crate) const NBD_CMD_FLUSH: u16 = 0x3;
pub(crate) const NBD_CMD_TRIM: u16 = 0x4;
pub(crate) const NBD_CMD_CACHE: u16 = 0x5;
pub(crate) const NBD_CMD_WRITE_ZEROES: u16 = 0x6;
pub(crate) const NBD_CMD_BLOCK_STATUS: u16 = 0x7;

pub(crate) const NBD_REPLY_TYPE_NONE: u16 = 0x0;
pub(crate) const NBD_REPLY_TYPE_OFFSET_DATA: u16 = 0x1;
pub(crate) const NBD_REPLY_TYPE_OFFSET_HOLE: u16 = 0x2;
pub(crate) const NBD_REPLY_TYPE_BLOCK_STATUS: u16 = 0x5;
pub(crate) const NBD_REPLY_TYPE_ERROR: u16 = 0x8001;
pub(crate) const NBD_REPLY_TYPE_ERROR_OFFSET: u16 = 0x8002;
pub(crate) const NBD_REPLY_TYPE_FLAG_ERROR: u16 = 0x8000;

pub(crate) const NBD_STATE_HOLE: u32 = 0x1;
pub(crate) const NBD_STATE_ZERO: u32 = 0x2;

/// The metadata context of holes and zeroes.
pub(crate) const BASE_ALLOCATION: &str = "base:allocation";

/// The longest export name, context name or message ("Strings" of the specification).
pub(crate) const MAX_STRING: usize = 4096;
/// The longest payload that every server takes.
pub(crate) const MAX_PAYLOAD: u32 = 32 << 20;
/// The zeroes after an answer to `NBD_OPT_EXPORT_NAME`.
pub(crate) const EXPORT_NAME_PADDING: usize = 124;

bitflags! {
    /// What the server offers in its greeting.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct HandshakeFlags: u16 {
        const NBD_FLAG_FIXED_NEWSTYLE = 0x1;
        const NBD_FLAG_NO_ZEROES = 0x2;
    }

    /// What the client answers to the greeting.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct ClientFlags: u32 {
        const NBD_FLAG_C_FIXED_NEWSTYLE = 0x1;
        const NBD_FLAG_C_NO_ZEROES = 0x2;
    }

    /// What an export can do.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct TransmissionFlags: u16 {
        const NBD_FLAG_HAS_FLAGS = 0x1;
        const NBD_FLAG_READ_ONLY = 0x2;
        const NBD_FLAG_SEND_FLUSH = 0x4;
        const NBD_FLAG_SEND_FUA = 0x8;
        const NBD_FLAG_ROTATIONAL = 0x10;
        const NBD_FLAG_SEND_TRIM = 0x20;
        const NBD_FLAG_SEND_WRITE_ZEROES = 0x40;
        const NBD_FLAG_SEND_DF = 0x80;
        const NBD_FLAG_CAN_MULTI_CONN = 0x100;
        const NBD_FLAG_SEND_RESIZE = 0x200;
        const NBD_FLAG_SEND_CACHE = 0x400;
        const NBD_FLAG_SEND_FAST_ZERO = 0x800;
        /// Flags of later versions are kept, not understood.
        const _ = !0;
    }

    /// How a request is to be carried out.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub(crate) struct CommandFlags: u16 {
        const NBD_CMD_FLAG_FUA = 0x1;
        const NBD_CMD_FLAG_NO_HOLE = 0x2;
        const NBD_CMD_FLAG_DF = 0x4;
        const NBD_CMD_FLAG_REQ_ONE = 0x8;
        const NBD_CMD_FLAG_FAST_ZERO = 0x10;
        /// Unknown flags are kept, so that the server can refuse them.
        const _ = !0;
    }

    /// Of a structured reply chunk.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct ReplyFlags: u16 {
        const NBD_REPLY_FLAG_DONE = 0x1;
        const _ = !0;
    }
}
