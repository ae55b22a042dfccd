//! How disks are read over NFC.

use std::time::Duration;

use crate::{Error, ErrorKind, Result};

/// The smallest and the largest buffer that a host takes.
const SMALLEST: u32 = 64 << 10;
const LARGEST: u32 = 2 << 20;

/// The most memory that one disk may take of a host, which has 48 MB for all.
const MOST: u64 = 16 << 20;

/// How a disk is read over NFC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NfcOptions {
    /// The bytes are encrypted on their way (`nbdssl`); without, they cross the network as they are (`nbd`). The
    /// ticket is encrypted always.
    pub encrypted: bool,
    /// The host leaves zeroes out of what it sends (SkipZ).
    pub skip_zeroes: bool,
    /// The size of a buffer of the host, in bytes: a multiple of 64 KiB, at most 2 MiB.
    pub buffer_size: u32,
    /// How many buffers the host has for this disk: so many requests are under way at once.
    pub buffers: u32,
    /// How long the host may stand still before the connection is given up.
    pub timeout: Duration,
    /// How often bytes are asked for, each time over another connection, before they are given up.
    pub attempts: u32,
    /// How long the first pause between two attempts is; each is twice as long as the one before.
    pub pause: Duration,
}

impl Default for NfcOptions {
    fn default() -> Self {
        Self {
            encrypted: true,
            skip_zeroes: true,
            buffer_size: 1 << 20,
            buffers: 4,
            timeout: Duration::from_secs(60),
            attempts: 6,
            pause: Duration::from_millis(250),
        }
    }
}

impl NfcOptions {
    /// # Errors
    /// `Config`: no host would take these.
    pub(super) fn check(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::new(ErrorKind::Config, message));
        if !(SMALLEST..=LARGEST).contains(&self.buffer_size) || !self.buffer_size.is_multiple_of(SMALLEST) {
            return wrong(format!(
                "an NFC buffer of {} bytes: it must be a multiple of 64 KiB, and no more than 2 MiB",
                self.buffer_size
            ));
        }
        if self.buffers == 0 || u64::from(self.buffers) * u64::from(self.buffer_size) > MOST {
            return wrong(format!(
                "{} NFC buffers of {} bytes: there must be one, and no more than 16 MiB in all",
                self.buffers, self.buffer_size
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_such_as_a_host_has() {
        NfcOptions::default().check().unwrap();
        for (buffer_size, buffers) in [(0, 4), (1 << 16, 0), (100_000, 4), (4 << 20, 1), (1 << 20, 17)] {
            let options = NfcOptions { buffer_size, buffers, ..NfcOptions::default() };
            assert_eq!(options.check().unwrap_err().kind(), ErrorKind::Config, "{buffer_size} x {buffers}");
        }
    }
}
