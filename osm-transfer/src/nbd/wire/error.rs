//! What a peer can do wrong: bytes that are no message, rules broken, features missing.

use crate::{Error, ErrorKind};

/// Bytes that are not the message they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedMessage {
    /// The message ends before the field does.
    #[error("{message}: `{field}` is missing")]
    MissingField {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
    },
    /// The message goes on after its last field.
    #[error("{message}: {extra} bytes too many")]
    TrailingBytes {
        /// The message.
        message: &'static str,
        /// How many bytes follow.
        extra: usize,
    },
    /// The message does not begin with its magic number.
    #[error("{message}: magic {found:#x} instead of {expected:#x}")]
    WrongMagic {
        /// The message.
        message: &'static str,
        /// What it should begin with.
        expected: u64,
        /// What it begins with.
        found: u64,
    },
    /// A field is longer than the protocol allows.
    #[error("{message}: `{field}` has {len} bytes, at most {limit} are allowed")]
    FieldTooLong {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// How long it is.
        len: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A text is not UTF-8.
    #[error("{message}: `{field}` is not UTF-8")]
    NotUtf8 {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
    },
}

/// A well-formed message that breaks a rule of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// A reply to another option than the one under way.
    #[error("a reply to option {found:#x} while option {expected:#x} is under way")]
    ReplyToOtherOption {
        /// The option that was sent.
        expected: u32,
        /// The option that was answered.
        found: u32,
    },
    /// A reply type that the option does not have.
    #[error("reply type {reply:#x} to option {option:#x}")]
    UnexpectedOptionReply {
        /// The option.
        option: u32,
        /// The type of the reply.
        reply: u32,
    },
    /// An option request or reply beyond any sensible length.
    #[error("{len} bytes of data with option {option:#x}, at most {limit} are accepted")]
    OptionTooLong {
        /// The option.
        option: u32,
        /// How long its data is.
        len: u32,
        /// How long it may be.
        limit: u32,
    },
    /// More options, or replies to one option, than any sensible peer sends.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// The export was entered without its size and flags having been told.
    #[error("the export was acknowledged without NBD_INFO_EXPORT")]
    ExportInfoMissing,
    /// Block sizes that contradict each other.
    #[error("impossible block sizes: minimum {minimum}, preferred {preferred}, maximum {maximum}")]
    ImpossibleBlockSize {
        /// The minimum.
        minimum: u32,
        /// The preferred size.
        preferred: u32,
        /// The maximum.
        maximum: u32,
    },
    /// A size beyond the signed 64-bit range that disks have.
    #[error("an impossible export size, {0} bytes")]
    ImpossibleSize(u64),
    /// The connections of one client see exports that differ.
    #[error("the export differs from one connection to the next")]
    ExportChanged,
    /// A reply to a request that was not made, or was answered already.
    #[error("a reply with the unknown cookie {0:#x}")]
    UnknownCookie(u64),
    /// A structured reply though none was negotiated.
    #[error("a structured reply was not negotiated")]
    StructuredReplyNotNegotiated,
    /// A simple reply where the protocol wants a structured one.
    #[error("a simple reply where a structured one is due")]
    SimpleReplyToStructuredRead,
    /// A chunk that the command does not have.
    #[error("a chunk of type {chunk:#x} in reply to command {command:#x}")]
    UnexpectedChunk {
        /// The type of the chunk.
        chunk: u16,
        /// The command.
        command: u16,
    },
    /// A chunk whose length does not fit its type.
    #[error("a chunk of type {chunk:#x} and {len} bytes")]
    ChunkLength {
        /// The type of the chunk.
        chunk: u16,
        /// Its length.
        len: u32,
    },
    /// Data for bytes that were not asked for.
    #[error("a chunk for bytes {offset}..+{len}, outside of its request {request_offset}..+{request_len}")]
    ChunkOutsideRequest {
        /// Where the chunk begins.
        offset: u64,
        /// How long it is.
        len: u32,
        /// Where the request begins.
        request_offset: u64,
        /// How long it is.
        request_len: u32,
    },
    /// The same bytes twice.
    #[error("two chunks of one reply overlap")]
    OverlappingChunks,
    /// The reply ended without all bytes of the request.
    #[error("a read was answered with {received} of {expected} bytes")]
    IncompleteRead {
        /// How many bytes came.
        received: u32,
        /// How many were asked for.
        expected: u32,
    },
    /// An error reply without an error.
    #[error("an error chunk with error number 0")]
    ErrorWithoutError,
    /// Block status of a context that was not negotiated.
    #[error("block status of the unknown metadata context {0}")]
    UnknownMetaContext(u32),
    /// A block status descriptor that describes nothing.
    #[error("a block status descriptor of no bytes")]
    EmptyDescriptor,
    /// Descriptors that go on after the end of the request.
    #[error("block status descriptors beyond the request")]
    DescriptorsBeyondRequest,
    /// A block status reply that says nothing.
    #[error("block status was answered without descriptors")]
    BlockStatusMissing,
    /// Two block status chunks of one context in one reply.
    #[error("block status of one context came twice")]
    RepeatedBlockStatus,
    /// A request or a chunk with more payload than the protocol allows.
    #[error("{len} bytes of payload, at most {limit} are accepted")]
    PayloadTooLong {
        /// How long the payload is.
        len: u32,
        /// How long it may be.
        limit: u32,
    },
    /// Client flags that were not offered.
    #[error("unknown client flags {0:#x}")]
    UnknownClientFlags(u32),
}

/// A peer that keeps the rules and cannot do what is needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerIncompatible {
    /// The oldstyle handshake, given up by everybody in 2012.
    #[error("the server speaks the oldstyle handshake")]
    Oldstyle,
    /// The newstyle handshake of before 2012, which cannot refuse an option.
    #[error("the server does not speak the fixed newstyle handshake")]
    NotFixedNewstyle,
    /// The server only speaks TLS.
    #[error("the server insists on TLS: write nbds instead of nbd")]
    TlsRequired,
    /// The server does not speak TLS, and says why.
    #[error("the server does not speak TLS, and nothing is sent to it in the clear: {0}")]
    NoTls(String),
    /// The server refuses by policy.
    #[error("the server refuses by policy: {0}")]
    Policy(String),
    /// The server does not list its exports.
    #[error("the server does not list its exports")]
    NoList,
    /// The server refuses the export for another reason.
    #[error("the server refuses the export, reply {reply:#x}: {message}")]
    Refused {
        /// The type of the reply.
        reply: u32,
        /// What the server said.
        message: String,
    },
}

/// Either way of breaking the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    Malformed(MalformedMessage),
    Misbehaved(PeerMisbehaved),
}

impl Broken {
    /// What happened; the rule itself is the source of the error.
    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::Malformed(_) => "the peer sent a malformed NBD message",
            Self::Misbehaved(_) => "the peer broke the NBD protocol",
        }
    }
}

impl From<MalformedMessage> for Broken {
    fn from(source: MalformedMessage) -> Self {
        Self::Malformed(source)
    }
}

impl From<PeerMisbehaved> for Broken {
    fn from(source: PeerMisbehaved) -> Self {
        Self::Misbehaved(source)
    }
}

impl From<Broken> for Error {
    fn from(broken: Broken) -> Self {
        let error = Self::new(ErrorKind::Protocol, broken.summary());
        match broken {
            Broken::Malformed(source) => error.with_source(source),
            Broken::Misbehaved(source) => error.with_source(source),
        }
    }
}

impl From<MalformedMessage> for Error {
    fn from(source: MalformedMessage) -> Self {
        Broken::from(source).into()
    }
}

impl From<PeerMisbehaved> for Error {
    fn from(source: PeerMisbehaved) -> Self {
        Broken::from(source).into()
    }
}

impl From<PeerIncompatible> for Error {
    fn from(source: PeerIncompatible) -> Self {
        Self::new(ErrorKind::PeerUnsupported, "the NBD peer cannot do what is needed").with_source(source)
    }
}
