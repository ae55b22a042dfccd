//! The two digests Glance shows: MD5 (RFC 1321) and SHA-512 (FIPS 180-4).
//!
//! Only to be read by clients that check what they download; nothing here is about security.

use md5::{Digest as _, Md5};
use ring::digest::{Context, SHA512};

/// Both digests of a stream.
pub(crate) struct Digests {
    md5: Md5,
    sha512: Context,
}

impl Digests {
    pub(crate) fn new() -> Self {
        Self { md5: Md5::new(), sha512: Context::new(&SHA512) }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sha512.update(bytes);
    }

    /// MD5 and SHA-512, in hexadecimal.
    pub(crate) fn finish(self) -> (String, String) {
        (hex(&self.md5.finalize()), hex(self.sha512.finish().as_ref()))
    }
}

/// The MD5 of some bytes, in hexadecimal.
pub(crate) fn md5(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_digests_match_their_standards() {
        let mut digests = Digests::new();
        digests.update(b"a");
        digests.update(b"bc");
        let (md5, sha512) = digests.finish();
        assert_eq!(md5, "900150983cd24fb0d6963f7d28e17f72");
        assert!(sha512.starts_with("ddaf35a193617abacc417349ae204131"), "{sha512}");
        assert!(sha512.ends_with("2a9ac94fa54ca49f"), "{sha512}");
    }

    #[test]
    fn padding_spills_into_a_second_block() {
        assert_eq!(super::md5(&[b'a'; 56]), "3b0c8ac703f828b04c6c197006d17218");
    }
}
