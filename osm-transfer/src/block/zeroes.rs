//! Looking for zeroes where the disk itself does not know of holes.

/// Whether every byte is zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    // Most data differs from zero within its first bytes; the rest is compared block by block, which
    // the compiler turns into wide instructions.
    bytes.chunks(64).all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
}

/// Runs of whole blocks of `granularity` bytes that are all zero, and what lies between them: each
/// with its length, in order, without gaps.
pub(crate) fn zero_runs(bytes: &[u8], granularity: usize) -> Vec<(usize, bool)> {
    let mut runs: Vec<(usize, bool)> = Vec::new();
    for block in bytes.chunks(granularity.max(1)) {
        let zero = is_zero(block);
        match runs.last_mut() {
            Some((len, same)) if *same == zero => *len += block.len(),
            _ => runs.push((block.len(), zero)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_anywhere_is_not_zero() {
        for at in [0, 63, 64, 199] {
            let mut bytes = [0; 200];
            assert!(is_zero(&bytes));
            bytes[at] = 1;
            assert!(!is_zero(&bytes), "{at}");
        }
    }

    #[test]
    fn runs_cover_all_bytes_in_order() {
        let mut bytes = [0; 10];
        bytes[5] = 9;
        assert_eq!(zero_runs(&bytes, 2), [(4, true), (2, false), (4, true)]);
        assert_eq!(zero_runs(&bytes[..5], 4), [(5, true)]);
        assert_eq!(zero_runs(&[], 4), []);
    }
}
