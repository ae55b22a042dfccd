//! What VDDK says when a call fails. The numbers are those of `vix.h`.

use std::fmt;

use osm_transfer::Retry;

use crate::{Error, ErrorKind};

pub(super) const VIX_OK: u64 = 0;
pub(super) const VIX_E_FAIL: u64 = 1;
pub(super) const VIX_E_NOT_SUPPORTED: u64 = 6;
/// A read was accepted; its completion follows.
pub(super) const VIX_ASYNC: u64 = 25000;

const VIX_E_FILE_NOT_FOUND: u64 = 4;
const VIX_E_HOST_NOT_CONNECTED: u64 = 26;
const VIX_E_VM_HOST_DISCONNECTED: u64 = 34;
const VIX_E_AUTHENTICATION_FAIL: u64 = 35;
const VIX_E_HOST_CONNECTION_LOST: u64 = 36;
const VIX_E_HOST_USER_PERMISSIONS: u64 = 3014;
const VIX_E_HOST_NETBLKDEV_HANDSHAKE: u64 = 14006;
const VIX_E_HOST_TCP_CONN_LOST: u64 = 14011;
const VIX_E_HOST_SERVER_SHUTDOWN: u64 = 14014;
const VIX_E_HOST_SERVER_NOT_AVAILABLE: u64 = 14015;
const VIX_E_CANNOT_CONNECT_TO_HOST: u64 = 18000;
const VIX_E_REMOTING_LAST: u64 = 18999;

/// A call that VDDK refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The function: `VixDiskLib_Open`.
    pub(super) call: &'static str,
    pub(super) code: u64,
    /// What VDDK says of the code.
    pub(super) text: String,
}

/// The code alone: the upper bits of an answer hold details that differ between versions.
pub(super) fn code_of(answer: u64) -> u64 {
    answer & 0xFFFF
}

/// Whether the connection is gone, so that another one may do what this one could not.
fn is_lost(code: u64) -> bool {
    matches!(
        code,
        VIX_E_HOST_NOT_CONNECTED
            | VIX_E_VM_HOST_DISCONNECTED
            | VIX_E_HOST_CONNECTION_LOST
            | VIX_E_HOST_NETBLKDEV_HANDSHAKE..=VIX_E_HOST_TCP_CONN_LOST
            | VIX_E_HOST_SERVER_SHUTDOWN
            | VIX_E_HOST_SERVER_NOT_AVAILABLE
            | VIX_E_CANNOT_CONNECT_TO_HOST..=VIX_E_REMOTING_LAST
    )
}

impl Failure {
    /// As an error of a disk.
    pub(super) fn into_transfer(self, offset: u64, len: u64) -> osm_transfer::Error {
        let retry = if is_lost(self.code) { Retry::Safe } else { Retry::Never };
        osm_transfer::Error::new(osm_transfer::ErrorKind::Io, self.to_string())
            .with_retry(retry)
            .with_operation("read")
            .with_range(offset, len)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, code, text } = self;
        write!(f, "{call} failed: {text} (VIX error {code})")
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let kind = match failure.code {
            VIX_E_FILE_NOT_FOUND => ErrorKind::NotFound,
            VIX_E_AUTHENTICATION_FAIL | VIX_E_HOST_USER_PERMISSIONS => ErrorKind::Auth,
            code if is_lost(code) => ErrorKind::Unreachable,
            _ => ErrorKind::Refused,
        };
        Self::new(kind, failure.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: u64) -> Failure {
        Failure { call: "VixDiskLib_ReadAsync", code, text: "why".to_owned() }
    }

    #[test]
    fn a_lost_connection_may_be_tried_again() {
        for code in [36, 14009, 14011, 14014, 14015, 18000, 18002] {
            assert_eq!(failure(code).into_transfer(0, 512).retry(), Retry::Safe, "{code}");
            assert_eq!(Error::from(failure(code)).kind(), ErrorKind::Unreachable, "{code}");
        }
        for code in [1, 3, 13, 14012, 16000, 19000] {
            assert_eq!(failure(code).into_transfer(0, 512).retry(), Retry::Never, "{code}");
            assert_eq!(Error::from(failure(code)).kind(), ErrorKind::Refused, "{code}");
        }
        assert_eq!(Error::from(failure(35)).kind(), ErrorKind::Auth);
    }

    #[test]
    fn an_error_tells_text_code_and_place() {
        let text = failure(16000).into_transfer(1024, 512).to_string();
        assert_eq!(
            text,
            "VixDiskLib_ReadAsync failed: why (VIX error 16000), during read, at bytes 1024..1536"
        );
    }
}
