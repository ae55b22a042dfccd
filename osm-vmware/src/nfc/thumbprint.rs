//! The SHA-1 fingerprint of a host's certificate, by which a ticket tells whom to trust.

use std::fmt;
use std::str::FromStr;

use crate::{Error, ErrorKind};

/// A SHA-1 fingerprint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Thumbprint([u8; 20]);

impl Thumbprint {
    /// The fingerprint of a certificate.
    pub(super) fn of(certificate: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, certificate);
        let mut bytes = [0; 20];
        bytes.iter_mut().zip(digest.as_ref()).for_each(|(byte, found)| *byte = *found);
        Self(bytes)
    }
}

impl FromStr for Thumbprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::new(ErrorKind::BadResponse, format!("`{text}` is no SHA-1 fingerprint"));
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        let mut bytes = [0; 20];
        if digits.len() != 2 * bytes.len() {
            return Err(wrong());
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            // Of `from_str_radix` alone, `+1` would be a pair.
            let is_hex = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = u8::from_str_radix(pair, 16).ok().filter(|_| is_hex).ok_or_else(wrong)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|byte| format!("{byte:02X}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_with_and_without_colons() {
        let shown = format!("{:?}", Thumbprint::of(b"abc"));
        assert_eq!(shown, "A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D");
        for text in [shown.clone(), shown.replace(':', ""), shown.to_lowercase()] {
            assert!(text.parse::<Thumbprint>().unwrap() == Thumbprint::of(b"abc"));
        }
        for wrong in ["", "A9", &shown.replace("A9", "+9"), &shown.replace("A9", "é")] {
            assert!(wrong.parse::<Thumbprint>().is_err(), "{wrong}");
        }
    }
}
