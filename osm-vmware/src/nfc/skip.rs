//! SkipZ: the runs of a fragment that are not zero, with where they are.
//!
//! ```text
//!   u32 length of the fragment   u32 0   { u32 offset   u32 length   bytes }*
//! ```

/// Why bytes are no such fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The most bytes that a fragment of this length may take: every other of its bytes as a run.
pub(super) fn longest(len: usize) -> usize {
    8 + len.saturating_mul(5)
}

/// Fills `into`, which is as long as the fragment, with what `sent` says. Runs come in order and do not overlap.
pub(super) fn expand(sent: &[u8], into: &mut [u8]) -> Result<(), Malformed> {
    let (total, rest) = number(sent).ok_or(Malformed)?;
    let (zero, mut rest) = number(rest).ok_or(Malformed)?;
    if total != into.len() || zero != 0 {
        return Err(Malformed);
    }
    into.fill(0);
    let mut end = 0;
    while !rest.is_empty() {
        let (offset, after) = number(rest).ok_or(Malformed)?;
        let (len, after) = number(after).ok_or(Malformed)?;
        let (bytes, after) = after.split_at_checked(len).ok_or(Malformed)?;
        if offset < end || len == 0 {
            return Err(Malformed);
        }
        end = offset.checked_add(len).ok_or(Malformed)?;
        into.get_mut(offset..end).ok_or(Malformed)?.copy_from_slice(bytes);
        rest = after;
    }
    Ok(())
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*head)).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(total: u32, runs: &[(u32, &[u8])]) -> Vec<u8> {
        let mut sent = [total, 0].map(u32::to_le_bytes).concat();
        for (offset, bytes) in runs {
            sent.extend([*offset, bytes.len() as u32].map(u32::to_le_bytes).concat());
            sent.extend_from_slice(bytes);
        }
        sent
    }

    #[test]
    fn what_no_run_covers_is_zero() {
        let mut into = *b"12345678";
        expand(&sent(8, &[(1, b"a"), (4, b"bc")]), &mut into).unwrap();
        assert_eq!(&into, b"\0a\0\0bc\0\0");
        expand(&sent(8, &[]), &mut into).unwrap();
        assert_eq!(into, [0; 8]);
    }

    #[test]
    fn runs_that_lie_outside_or_overlap_are_refused() {
        let whole = sent(8, &[(1, b"a"), (4, b"bc")]);
        let cut = (0..whole.len()).filter(|len| ![8, 17].contains(len)).map(|len| whole[..len].to_vec());
        let wrong = [
            sent(9, &[]),
            sent(8, &[(7, b"ab")]),
            sent(8, &[(u32::MAX, b"ab")]),
            sent(8, &[(4, b"ab"), (5, b"c")]),
            sent(8, &[(4, b"ab"), (0, b"c")]),
            sent(8, &[(4, b"")]),
            [8, 1].map(u32::to_le_bytes).concat(),
        ];
        for wrong in wrong.into_iter().chain(cut) {
            assert_eq!(expand(&wrong, &mut [0; 8]), Err(Malformed), "{wrong:?}");
        }
    }
}
