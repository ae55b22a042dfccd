//! SkipZ: zeroes left out of a fragment.

/// What is looked at as one.
const UNIT: usize = 512;

/// The runs of a fragment that are not zero; none when there is nothing to leave out.
pub(super) fn pack(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut packed = [bytes.len() as u32, 0].map(u32::to_le_bytes).concat();
    let is_zero = |unit: &[u8]| unit.iter().all(|byte| *byte == 0);
    let mut units = bytes.chunks(UNIT).enumerate().peekable();
    while let Some((first, unit)) = units.next() {
        if is_zero(unit) {
            continue;
        }
        let mut length = unit.len();
        while let Some((_, next)) = units.next_if(|(_, unit)| !is_zero(unit)) {
            length += next.len();
        }
        let start = first * UNIT;
        packed.extend([start as u32, length as u32].map(u32::to_le_bytes).concat());
        packed.extend_from_slice(&bytes[start..start + length]);
    }
    (packed.len() < bytes.len()).then_some(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_stand_where_bytes_are() {
        let mut bytes = vec![0; 5 * UNIT + 100];
        assert_eq!(pack(&bytes).unwrap().len(), 8);
        bytes[2 * UNIT..3 * UNIT + 1].fill(7);
        bytes[5 * UNIT + 99] = 1;
        let packed = pack(&bytes).unwrap();
        assert_eq!(packed[8..16], [1024, 1024_u32].map(u32::to_le_bytes).concat());
        assert_eq!(packed.len(), 8 + 8 + 1024 + 8 + 100);
        assert_eq!(pack(&[1; 4096]), None);
    }
}
