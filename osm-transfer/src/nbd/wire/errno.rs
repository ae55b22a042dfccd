//! The error numbers of the protocol; they are the same on every system.

use std::fmt;

use crate::{Error, ErrorKind, Retry};

/// An error number on the wire; any number is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) u32);

impl Errno {
    pub(crate) const OK: Self = Self(0x0);
    pub(crate) const NBD_EPERM: Self = Self(0x1);
    pub(crate) const NBD_EIO: Self = Self(0x5);
    pub(crate) const NBD_ENOMEM: Self = Self(0xc);
    pub(crate) const NBD_EINVAL: Self = Self(0x16);
    pub(crate) const NBD_ENOSPC: Self = Self(0x1c);
    pub(crate) const NBD_EOVERFLOW: Self = Self(0x4b);
    pub(crate) const NBD_ENOTSUP: Self = Self(0x5f);
    pub(crate) const NBD_ESHUTDOWN: Self = Self(0x6c);

    fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NBD_EPERM => "NBD_EPERM",
            Self::NBD_EIO => "NBD_EIO",
            Self::NBD_ENOMEM => "NBD_ENOMEM",
            Self::NBD_EINVAL => "NBD_EINVAL",
            Self::NBD_ENOSPC => "NBD_ENOSPC",
            Self::NBD_EOVERFLOW => "NBD_EOVERFLOW",
            Self::NBD_ENOTSUP => "NBD_ENOTSUP",
            Self::NBD_ESHUTDOWN => "NBD_ESHUTDOWN",
            _ => return None,
        })
    }

    /// What a server says when `error` befell it.
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::ReadOnly => Self::NBD_EPERM,
            ErrorKind::NoSpace => Self::NBD_ENOSPC,
            ErrorKind::OutOfBounds | ErrorKind::Config => Self::NBD_EINVAL,
            ErrorKind::PeerUnsupported => Self::NBD_ENOTSUP,
            ErrorKind::Interrupted => Self::NBD_ESHUTDOWN,
            _ => Self::NBD_EIO,
        }
    }

    /// What a client makes of it; `message` is what the server said in words, if it did.
    pub(crate) fn into_error(self, message: &str) -> Error {
        let (kind, retry) = match self {
            Self::NBD_EPERM => (ErrorKind::ReadOnly, Retry::Never),
            Self::NBD_ENOSPC => (ErrorKind::NoSpace, Retry::Never),
            Self::NBD_ENOTSUP | Self::NBD_EOVERFLOW => (ErrorKind::PeerUnsupported, Retry::Never),
            Self::NBD_ENOMEM | Self::NBD_ESHUTDOWN => (ErrorKind::Io, Retry::Safe),
            _ => (ErrorKind::Io, Retry::Never),
        };
        let said = if message.is_empty() { String::new() } else { format!(": {message}") };
        Error::new(kind, format!("the NBD server answered {self}{said}")).with_retry(retry)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error number {}", self.0),
        }
    }
}
