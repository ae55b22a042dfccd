//! The digests that Glance keeps of an image's data: MD5 (`checksum`) and, from Rocky on, SHA-512.
//!
//! They tell a broken transfer from a good one. Against forgery they are not used.

use std::fmt::Write as _;

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
            Self::Md5(_) => Hasher::Md5(Blocks::new(Md5::new())),
            Self::Sha512(_) => Hasher::Sha512(Box::new(Blocks::new(Sha512::new()))),
        }
    }
}

/// Computes a digest piece by piece.
pub(crate) enum Hasher {
    Md5(Blocks<Md5, 64>),
    Sha512(Box<Blocks<Sha512, 128>>),
}

impl Hasher {
    pub(crate) fn update(&mut self, data: &[u8]) {
        match self {
            Self::Md5(blocks) => blocks.update(data),
            Self::Sha512(blocks) => blocks.update(data),
        }
    }

    pub(crate) fn finish(self) -> Digest {
        match self {
            Self::Md5(blocks) => Digest::Md5(blocks.finish(|length| length.to_le_bytes().to_vec()).hex()),
            Self::Sha512(blocks) => {
                Digest::Sha512(blocks.finish(|length| u128::from(length).to_be_bytes().to_vec()).hex())
            }
        }
    }
}

/// A digest's inner function.
pub(crate) trait Compress<const N: usize> {
    fn compress(&mut self, block: &[u8; N]);
}

/// Cuts data into blocks and pads the last one, as both digests do.
pub(crate) struct Blocks<C, const N: usize> {
    state: C,
    pending: Vec<u8>,
    length: u64,
}

impl<C: Compress<N>, const N: usize> Blocks<C, N> {
    fn new(state: C) -> Self {
        Self { state, pending: Vec::with_capacity(N), length: 0 }
    }

    fn update(&mut self, mut data: &[u8]) {
        self.length = self.length.wrapping_add(data.len() as u64);
        if !self.pending.is_empty() {
            let (first, rest) = data.split_at(data.len().min(N - self.pending.len()));
            self.pending.extend_from_slice(first);
            data = rest;
            if let Ok(block) = <&[u8; N]>::try_from(self.pending.as_slice()) {
                self.state.compress(block);
                self.pending.clear();
            }
        }
        let (blocks, rest) = data.as_chunks::<N>();
        for block in blocks {
            self.state.compress(block);
        }
        self.pending.extend_from_slice(rest);
    }

    /// Pads with one bit, zeroes and the length in bits; the length's size follows from its text.
    fn finish(mut self, length: impl Fn(u64) -> Vec<u8>) -> C {
        let length = length(self.length.wrapping_mul(8));
        let mut tail = vec![0x80];
        while !(self.pending.len() + tail.len() + length.len()).is_multiple_of(N) {
            tail.push(0);
        }
        tail.extend(length);
        self.update(&tail);
        self.state
    }
}

/// The state of MD5.
pub(crate) struct Md5([u32; 4]);

impl Md5 {
    fn new() -> Self {
        Self([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476])
    }

    fn hex(&self) -> String {
        hex(self.0.iter().flat_map(|word| word.to_le_bytes()))
    }
}

impl Compress<64> for Md5 {
    fn compress(&mut self, block: &[u8; 64]) {
        let mut words = [0_u32; 16];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        let [mut a, mut b, mut c, mut d] = self.0;
        for (step, constant) in SINES.iter().enumerate() {
            let (mix, index) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), 5 * step + 1),
                2 => (b ^ c ^ d, 3 * step + 5),
                _ => (c ^ (b | !d), 7 * step),
            };
            let sum = a.wrapping_add(mix).wrapping_add(*constant).wrapping_add(words[index % 16]);
            let turned = sum.rotate_left(TURNS[step / 16][step % 4]);
            (a, b, c, d) = (d, b.wrapping_add(turned), b, c);
        }
        for (word, change) in self.0.iter_mut().zip([a, b, c, d]) {
            *word = word.wrapping_add(change);
        }
    }
}

const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The fractions of the sines of 1 to 64.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// The state of SHA-512.
pub(crate) struct Sha512([u64; 8]);

impl Sha512 {
    fn new() -> Self {
        Self(SQUARE_ROOTS)
    }

    fn hex(&self) -> String {
        hex(self.0.iter().flat_map(|word| word.to_be_bytes()))
    }
}

impl Compress<128> for Sha512 {
    fn compress(&mut self, block: &[u8; 128]) {
        let mut words = [0_u64; 80];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*bytes);
        }
        for at in 16..80 {
            let (early, late) = (words[at - 15], words[at - 2]);
            let first = early.rotate_right(1) ^ early.rotate_right(8) ^ (early >> 7);
            let second = late.rotate_right(19) ^ late.rotate_right(61) ^ (late >> 6);
            words[at] = words[at - 16].wrapping_add(first).wrapping_add(words[at - 7]).wrapping_add(second);
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = self.0;
        for (word, constant) in words.iter().zip(CUBE_ROOTS) {
            let turned = e.rotate_right(14) ^ e.rotate_right(18) ^ e.rotate_right(41);
            let choice = (e & f) ^ (!e & g);
            let one = h.wrapping_add(turned).wrapping_add(choice).wrapping_add(constant).wrapping_add(*word);
            let turned = a.rotate_right(28) ^ a.rotate_right(34) ^ a.rotate_right(39);
            let two = turned.wrapping_add((a & b) ^ (a & c) ^ (b & c));
            (a, b, c, d, e, f, g, h) = (one.wrapping_add(two), a, b, c, d.wrapping_add(one), e, f, g);
        }
        for (word, change) in self.0.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *word = word.wrapping_add(change);
        }
    }
}

/// The fractions of the square roots of the first 8 primes.
#[rustfmt::skip]
const SQUARE_ROOTS: [u64; 8] = [
    0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
];

/// The fractions of the cube roots of the first 80 primes.
#[rustfmt::skip]
const CUBE_ROOTS: [u64; 80] = [
    0x428a_2f98_d728_ae22, 0x7137_4491_23ef_65cd, 0xb5c0_fbcf_ec4d_3b2f, 0xe9b5_dba5_8189_dbbc,
    0x3956_c25b_f348_b538, 0x59f1_11f1_b605_d019, 0x923f_82a4_af19_4f9b, 0xab1c_5ed5_da6d_8118,
    0xd807_aa98_a303_0242, 0x1283_5b01_4570_6fbe, 0x2431_85be_4ee4_b28c, 0x550c_7dc3_d5ff_b4e2,
    0x72be_5d74_f27b_896f, 0x80de_b1fe_3b16_96b1, 0x9bdc_06a7_25c7_1235, 0xc19b_f174_cf69_2694,
    0xe49b_69c1_9ef1_4ad2, 0xefbe_4786_384f_25e3, 0x0fc1_9dc6_8b8c_d5b5, 0x240c_a1cc_77ac_9c65,
    0x2de9_2c6f_592b_0275, 0x4a74_84aa_6ea6_e483, 0x5cb0_a9dc_bd41_fbd4, 0x76f9_88da_8311_53b5,
    0x983e_5152_ee66_dfab, 0xa831_c66d_2db4_3210, 0xb003_27c8_98fb_213f, 0xbf59_7fc7_beef_0ee4,
    0xc6e0_0bf3_3da8_8fc2, 0xd5a7_9147_930a_a725, 0x06ca_6351_e003_826f, 0x1429_2967_0a0e_6e70,
    0x27b7_0a85_46d2_2ffc, 0x2e1b_2138_5c26_c926, 0x4d2c_6dfc_5ac4_2aed, 0x5338_0d13_9d95_b3df,
    0x650a_7354_8baf_63de, 0x766a_0abb_3c77_b2a8, 0x81c2_c92e_47ed_aee6, 0x9272_2c85_1482_353b,
    0xa2bf_e8a1_4cf1_0364, 0xa81a_664b_bc42_3001, 0xc24b_8b70_d0f8_9791, 0xc76c_51a3_0654_be30,
    0xd192_e819_d6ef_5218, 0xd699_0624_5565_a910, 0xf40e_3585_5771_202a, 0x106a_a070_32bb_d1b8,
    0x19a4_c116_b8d2_d0c8, 0x1e37_6c08_5141_ab53, 0x2748_774c_df8e_eb99, 0x34b0_bcb5_e19b_48a8,
    0x391c_0cb3_c5c9_5a63, 0x4ed8_aa4a_e341_8acb, 0x5b9c_ca4f_7763_e373, 0x682e_6ff3_d6b2_b8a3,
    0x748f_82ee_5def_b2fc, 0x78a5_636f_4317_2f60, 0x84c8_7814_a1f0_ab72, 0x8cc7_0208_1a64_39ec,
    0x90be_fffa_2363_1e28, 0xa450_6ceb_de82_bde9, 0xbef9_a3f7_b2c6_7915, 0xc671_78f2_e372_532b,
    0xca27_3ece_ea26_619c, 0xd186_b8c7_21c0_c207, 0xeada_7dd6_cde0_eb1e, 0xf57d_4f7f_ee6e_d178,
    0x06f0_67aa_7217_6fba, 0x0a63_7dc5_a2c8_98a6, 0x113f_9804_bef9_0dae, 0x1b71_0b35_131c_471b,
    0x28db_77f5_2304_7d84, 0x32ca_ab7b_40c7_2493, 0x3c9e_be0a_15c9_bebc, 0x431d_67c4_9c10_0d4c,
    0x4cc5_d4be_cb3e_42b6, 0x597f_299c_fc65_7e2a, 0x5fcb_6fab_3ad6_faec, 0x6c44_198c_4a47_5817,
];

fn hex(bytes: impl Iterator<Item = u8>) -> String {
    bytes.fold(String::new(), |mut text, byte| {
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
