//! The fingerprint that Nova shows of an SSH key: the MD5 of its blob.

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

/// Base64 with the usual alphabet (RFC 4648, 4); none when a letter is not of it.
fn decode(text: &str) -> Option<Vec<u8>> {
    let letters = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(letters.len() * 3 / 4);
    for group in letters.chunks(4) {
        let mut value = 0_u32;
        for letter in group {
            let sextet = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            value = value << 6 | u32::from(sextet);
        }
        // Four letters are three bytes, three are two, two are one; one alone is nothing.
        let whole = group.len() * 6 / 8;
        let value = value << (6 * (4 - group.len()));
        bytes.extend(value.to_be_bytes().get(1..=whole)?);
    }
    Some(bytes)
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
