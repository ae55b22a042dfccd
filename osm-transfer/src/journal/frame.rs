//! Frames: a length, a CRC-32 of what follows, and that.
//!
//! ```text
//!   length u32 | crc u32 | payload        little-endian; the CRC is that of zlib
//! ```

/// No payload is longer: an identity has two names of paths.
const LONGEST: usize = 64 << 10;

/// Bytes before the payload.
const HEAD: usize = 8;

/// A payload with its frame; it is no longer than a frame may be.
pub(super) fn frame(payload: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= LONGEST)?;
    let mut frame = Vec::with_capacity(HEAD + payload.len());
    frame.extend(length.to_le_bytes());
    frame.extend(crc32fast::hash(payload).to_le_bytes());
    frame.extend(payload);
    Some(frame)
}

/// The payload of the first frame, and what comes after it; none when it is torn or damaged.
pub(super) fn unframe(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let (payload, rest) = rest.split_at_checked(length)?;
    (length <= LONGEST && crc32fast::hash(payload) == u32::from_le_bytes(*crc)).then_some((payload, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_whole_or_none() {
        let whole = frame(b"hello").unwrap();
        assert_eq!(unframe(&whole), Some((&b"hello"[..], &b""[..])));
        for length in 0..whole.len() {
            assert_eq!(unframe(&whole[..length]), None, "{length}");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unframe(&flipped), None, "bit {bit}");
        }
        assert!(frame(&vec![0; LONGEST + 1]).is_none());
    }
}
