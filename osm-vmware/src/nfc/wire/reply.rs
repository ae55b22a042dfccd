//! What the host answers.

use super::fields::Fields;

pub(in super::super) const SESSION_LEN: usize = 16;
pub(in super::super) const FILE_LEN: usize = 60;
pub(in super::super) const READ_LEN: usize = 44;
pub(in super::super) const QUERY_LEN: usize = 48;

/// The direction that a fragment of a read has.
pub(in super::super) const READS: u32 = 1;

/// An open disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Opened {
    /// 0 when it is open.
    pub(in super::super) status: u64,
    pub(in super::super) handle: u64,
    /// In bytes.
    pub(in super::super) capacity: u64,
    pub(in super::super) sector: u32,
}

/// The head of a fragment of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct FragmentHead {
    /// 0 when its bytes follow.
    pub(in super::super) status: u64,
    pub(in super::super) direction: u32,
    /// How it is sent.
    pub(in super::super) sent: u32,
    /// Where the read begins on the disk, and how long it is in all.
    pub(in super::super) offset: u64,
    pub(in super::super) total: u32,
    /// Where the fragment is within the read.
    pub(in super::super) at: u32,
    pub(in super::super) len: u32,
    /// How many bytes follow.
    pub(in super::super) wire: u32,
}

/// The head of a bitmap: of so many chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Allocated(pub(in super::super) u64);

/// The head of an error; its text follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Refusal {
    pub(in super::super) code: u64,
    pub(in super::super) text: u32,
}

impl Opened {
    pub(in super::super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let (status, handle) = (fields.u64()?, fields.u64()?);
        // Type, flags, and four bytes that nobody has explained.
        for _ in 0..3 {
            fields.u32()?;
        }
        Some(Self { status, handle, capacity: fields.u64()?, sector: fields.u32()? })
    }
}

impl FragmentHead {
    pub(in super::super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        Some(Self {
            status: fields.u64()?,
            direction: fields.u32()?,
            sent: fields.u32()?,
            offset: fields.u64()?,
            total: fields.u32()?,
            at: fields.u32()?,
            len: fields.u32()?,
            wire: fields.u32()?,
        })
    }
}

impl Allocated {
    pub(in super::super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        for _ in 0..4 {
            fields.u64()?;
        }
        fields.u64().map(Self)
    }

    /// How many bytes the bitmap has.
    pub(in super::super) fn bitmap(self) -> u64 {
        self.0.div_ceil(8).next_multiple_of(4)
    }
}

impl Refusal {
    pub(in super::super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let code = fields.u64()?;
        fields.u32()?;
        Some(Self { code, text: fields.u32()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_protocol_has_them() {
        let mut bytes = [0_u8; FILE_LEN];
        bytes[8] = 7;
        bytes[28 + 4] = 1;
        bytes[36 + 1] = 2;
        let opened = Opened { status: 0, handle: 7, capacity: 1 << 32, sector: 512 };
        assert_eq!(Opened::decode(&bytes), Some(opened));
        let bytes: Vec<u8> = (0..READ_LEN as u8).collect();
        let head = FragmentHead::decode(&bytes).unwrap();
        assert_eq!((head.offset, head.wire), (0x1716_1514_1312_1110, 0x2726_2524));
        assert_eq!(FragmentHead::decode(&bytes[..39]), None);
        let bytes: Vec<u8> = (0..QUERY_LEN as u8).collect();
        assert_eq!(Allocated::decode(&bytes), Some(Allocated(0x2726_2524_2322_2120)));
        assert_eq!(Allocated(33).bitmap(), 8);
        assert_eq!(Refusal::decode(&bytes[..16]).unwrap().text, 0x0f0e_0d0c);
    }
}
