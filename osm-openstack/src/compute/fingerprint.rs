//! The fingerprint that Nova shows of an SSH key: the MD5 of its blob.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::image::Digest;

/// The fingerprint of a public key, as Nova computes it; none when it is no SSH key.
pub(crate) fn fingerprint(public_key: &str) -> Option<String> {
    let blob = decode(public_key.split_whitespace().nth(1)?)?;
    let mut hasher = Digest::Md5(String::new()).hasher();
    hasher.update(&blob);
    let digest = hasher.finish();
    let hex = digest.value();
    let pairs: Vec<&str> = (0..hex.len() / 2).filter_map(|at| hex.get(2 * at..2 * at + 2)).collect();
    Some(pairs.join(":"))
}

/// Base64 with the usual alphabet (RFC 4648, 4), padded or not; none when a letter is not of it.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_the_vectors_of_rfc_4648() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob")]
        {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode("Zm9*"), None);
    }

    #[test]
    fn a_fingerprint_is_the_one_nova_shows() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOGuc76SI1qmLevmZOkb+xmlm5hfvdDnXBQ6pDwiSKHs yes: a comment";
        assert_eq!(fingerprint(key).as_deref(), Some("5f:20:7f:44:29:13:71:be:cf:6c:32:2d:6c:8d:c1:c6"));
        assert_eq!(fingerprint("garbage"), None);
    }
}
