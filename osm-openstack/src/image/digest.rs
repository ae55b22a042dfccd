//! The digests that Glance keeps of an image's data: MD5 (`checksum`) and, from Rocky on, SHA-512.
//!
//! They tell a broken transfer from a good one. Against forgery they are not used.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use ring::digest::{Context, SHA512};

/// A digest in hexadecimal, with its algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Digest {
    /// RFC 1321.
    Md5(String),
    /// FIPS 180-4.
    Sha512(String),
}

impl Digest {
    /// The best of an image's digests that can be computed here.
    pub fn of_image(
        hash_algo: Option<&str>,
        hash_value: Option<&str>,
        checksum: Option<&str>,
    ) -> Option<Self> {
        match (hash_algo, hash_value, checksum) {
            (Some("sha512"), Some(value), _) => Some(Self::Sha512(value.to_ascii_lowercase())),
            (_, _, Some(value)) => Some(Self::Md5(value.to_ascii_lowercase())),
            _ => None,
        }
    }

    /// The digest's text, without the algorithm.
    pub fn value(&self) -> &str {
        match self {
            Self::Md5(value) | Self::Sha512(value) => value,
        }
    }

    pub(crate) fn hasher(&self) -> Hasher {
        match self {
            Self::Md5(_) => Hasher::Md5(Box::default()),
            Self::Sha512(_) => Hasher::Sha512(Box::new(Context::new(&SHA512))),
        }
    }
}

/// Computes a digest piece by piece.
pub(crate) enum Hasher {
    Md5(Box<Md5>),
    Sha512(Box<Context>),
}

impl Hasher {
    pub(crate) fn update(&mut self, data: &[u8]) {
        match self {
            Self::Md5(md5) => md5.update(data),
            Self::Sha512(sha512) => sha512.update(data),
        }
    }

    pub(crate) fn finish(self) -> Digest {
        match self {
            Self::Md5(md5) => Digest::Md5(hex(&md5.finalize())),
            Self::Sha512(sha512) => Digest::Sha512(hex(sha512.finish().as_ref())),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(of: &Digest, data: &[u8], piece: usize) -> String {
        let mut hasher = of.hasher();
        for piece in data.chunks(piece) {
            hasher.update(piece);
        }
        hasher.finish().value().to_owned()
    }

    #[test]
    fn matches_the_standards_examples() {
        let (md5, sha512) = (Digest::Md5(String::new()), Digest::Sha512(String::new()));
        assert_eq!(digest(&md5, b"", 1), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(digest(&md5, b"message digest", 5), "f96b697d7cb7938d525a2f31aaf161d0");
        assert_eq!(
            digest(&sha512, b"abc", 2),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
    }

    #[test]
    fn does_not_depend_on_how_data_is_cut() {
        let data: Vec<u8> = (0..1000_u32).map(|byte| u8::try_from(byte % 251).unwrap_or(0)).collect();
        for of in [Digest::Md5(String::new()), Digest::Sha512(String::new())] {
            let whole = digest(&of, &data, data.len());
            for piece in [1, 63, 64, 65, 111, 112, 127, 128, 129, 999] {
                assert_eq!(digest(&of, &data, piece), whole, "pieces of {piece}");
            }
        }
    }
}
