//! The two digests Glance shows: MD5 (RFC 1321) and SHA-512 (FIPS 180-4).
//!
//! Only to be read by clients that check what they download; nothing here is about security.

use std::sync::OnceLock;

/// Both digests of a stream.
pub(crate) struct Digests {
    md5: Blocks<64>,
    md5_state: [u32; 4],
    sha512: Blocks<128>,
    sha512_state: [u64; 8],
    length: u64,
}

/// Collects bytes into blocks of `N`.
struct Blocks<const N: usize> {
    buffer: [u8; N],
    filled: usize,
}

impl<const N: usize> Blocks<N> {
    const fn new() -> Self {
        Self { buffer: [0; N], filled: 0 }
    }

    fn feed(&mut self, mut bytes: &[u8], mut consume: impl FnMut(&[u8; N])) {
        while !bytes.is_empty() {
            let take = bytes.len().min(N - self.filled);
            self.buffer[self.filled..self.filled + take].copy_from_slice(&bytes[..take]);
            self.filled += take;
            bytes = &bytes[take..];
            if self.filled == N {
                consume(&self.buffer);
                self.filled = 0;
            }
        }
    }

    /// The padding that ends the stream: a one bit, zeroes, and the length in `length_bytes`.
    fn padding(&self, length: &[u8]) -> Vec<u8> {
        let mut padding = vec![0x80];
        while !(self.filled + padding.len() + length.len()).is_multiple_of(N) {
            padding.push(0);
        }
        padding.extend_from_slice(length);
        padding
    }
}

impl Digests {
    pub(crate) fn new() -> Self {
        Self {
            md5: Blocks::new(),
            md5_state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476],
            sha512: Blocks::new(),
            sha512_state: sha512_start(),
            length: 0,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.feed(bytes);
    }

    fn feed(&mut self, bytes: &[u8]) {
        let Self { md5, md5_state, sha512, sha512_state, .. } = self;
        md5.feed(bytes, |block| md5_block(md5_state, block));
        sha512.feed(bytes, |block| sha512_block(sha512_state, block));
    }

    /// MD5 and SHA-512, in hexadecimal.
    pub(crate) fn finish(mut self) -> (String, String) {
        let bits = self.length.wrapping_mul(8);
        let md5_end = self.md5.padding(&bits.to_le_bytes());
        let sha512_end = self.sha512.padding(&u128::from(bits).to_be_bytes());
        let Self { md5, md5_state, sha512, sha512_state, .. } = &mut self;
        md5.feed(&md5_end, |block| md5_block(md5_state, block));
        sha512.feed(&sha512_end, |block| sha512_block(sha512_state, block));
        let md5: Vec<u8> = md5_state.iter().flat_map(|word| word.to_le_bytes()).collect();
        let sha512: Vec<u8> = sha512_state.iter().flat_map(|word| word.to_be_bytes()).collect();
        (hex(&md5), hex(&sha512))
    }
}

/// The MD5 of some bytes, in hexadecimal.
pub(crate) fn md5(bytes: &[u8]) -> String {
    let mut digests = Digests::new();
    digests.update(bytes);
    digests.finish().0
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const MD5_SHIFTS: [u32; 16] = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];

/// The sines RFC 1321 defines: the integer part of `2^32 * abs(sin(i + 1))`.
fn md5_sines() -> &'static [u32; 64] {
    static SINES: OnceLock<[u32; 64]> = OnceLock::new();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the definition")]
    SINES.get_or_init(|| {
        let mut sines = [0; 64];
        for (index, sine) in (1..=64_u32).zip(&mut sines) {
            *sine = (f64::from(index).sin().abs() * 4_294_967_296.0) as u32;
        }
        sines
    })
}

fn md5_block(state: &mut [u32; 4], block: &[u8; 64]) {
    let sines = md5_sines();
    let mut words = [0_u32; 16];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let [mut a, mut b, mut c, mut d] = *state;
    for round in 0..64 {
        let (mixed, word) = match round / 16 {
            0 => ((b & c) | (!b & d), round),
            1 => ((d & b) | (!d & c), (5 * round + 1) % 16),
            2 => (b ^ c ^ d, (3 * round + 5) % 16),
            _ => (c ^ (b | !d), (7 * round) % 16),
        };
        let sum = a.wrapping_add(mixed).wrapping_add(sines[round]).wrapping_add(words[word]);
        let shift = MD5_SHIFTS[round / 16 * 4 + round % 4];
        (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(shift)));
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(add);
    }
}

/// The first bits of the fractional part of a root of `prime`, found by integer Newton steps.
fn root_bits(prime: u128, cube: bool) -> u64 {
    // The root scaled by 2^64: the largest r with r^k <= prime * 2^(64 k). r stays below 2^68.
    let (mut low, mut high) = (0_u128, 1_u128 << 68);
    while low + 1 < high {
        let middle = u128::midpoint(low, high);
        if power_at_most(middle, prime, if cube { 3 } else { 2 }) { low = middle } else { high = middle }
    }
    #[expect(clippy::cast_possible_truncation, reason = "the low 64 bits are the fraction")]
    let bits = low as u64;
    bits
}

/// Whether `root^exponent <= prime * 2^(64 exponent)`, in limbs of 32 bits.
fn power_at_most(root: u128, prime: u128, exponent: usize) -> bool {
    let limbs = |mut value: u128| {
        let mut limbs = Vec::new();
        while value > 0 {
            limbs.push((value & 0xffff_ffff) as u64);
            value >>= 32;
        }
        limbs
    };
    let base = limbs(root);
    let mut power = vec![1_u64];
    for _ in 0..exponent {
        let mut product = vec![0_u64; power.len() + base.len() + 1];
        for (i, a) in power.iter().enumerate() {
            let mut carry = 0;
            for (j, b) in base.iter().enumerate() {
                let sum = product[i + j] + a * b + carry;
                product[i + j] = sum & 0xffff_ffff;
                carry = sum >> 32;
            }
            product[i + base.len()] += carry;
        }
        power = product;
    }
    let mut bound = vec![0_u64; 2 * exponent];
    bound.extend(limbs(prime));
    let width = power.len().max(bound.len());
    power.resize(width, 0);
    bound.resize(width, 0);
    power.iter().rev().le(bound.iter().rev())
}

fn primes() -> impl Iterator<Item = u128> {
    (2_u128..).filter(|number| (2..*number).take_while(|d| d * d <= *number).all(|d| number % d != 0))
}

/// FIPS 180-4, 5.3.5: fractions of the square roots of the first primes.
fn sha512_start() -> [u64; 8] {
    static START: OnceLock<[u64; 8]> = OnceLock::new();
    *START.get_or_init(|| {
        let mut start = [0; 8];
        for (word, prime) in start.iter_mut().zip(primes()) {
            *word = root_bits(prime, false);
        }
        start
    })
}

/// FIPS 180-4, 4.2.3: fractions of the cube roots of the first primes.
fn sha512_constants() -> &'static [u64; 80] {
    static CONSTANTS: OnceLock<[u64; 80]> = OnceLock::new();
    CONSTANTS.get_or_init(|| {
        let mut constants = [0; 80];
        for (word, prime) in constants.iter_mut().zip(primes()) {
            *word = root_bits(prime, true);
        }
        constants
    })
}

fn sha512_block(state: &mut [u64; 8], block: &[u8; 128]) {
    let constants = sha512_constants();
    let mut words = [0_u64; 80];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(8)) {
        let mut eight = [0; 8];
        eight.copy_from_slice(bytes);
        *word = u64::from_be_bytes(eight);
    }
    for t in 16..80 {
        let (x, y) = (words[t - 15], words[t - 2]);
        let small = x.rotate_right(1) ^ x.rotate_right(8) ^ (x >> 7);
        let large = y.rotate_right(19) ^ y.rotate_right(61) ^ (y >> 6);
        words[t] = words[t - 16].wrapping_add(small).wrapping_add(words[t - 7]).wrapping_add(large);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for t in 0..80 {
        let s1 = e.rotate_right(14) ^ e.rotate_right(18) ^ e.rotate_right(41);
        let choice = (e & f) ^ (!e & g);
        let t1 = h.wrapping_add(s1).wrapping_add(choice).wrapping_add(constants[t]).wrapping_add(words[t]);
        let s0 = a.rotate_right(28) ^ a.rotate_right(34) ^ a.rotate_right(39);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        (h, g, f, e) = (g, f, e, d.wrapping_add(t1));
        (d, c, b, a) = (c, b, a, t1.wrapping_add(s0.wrapping_add(majority)));
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(add);
    }
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
