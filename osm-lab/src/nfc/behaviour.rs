//! How a host behaves, and what can go wrong at it.

/// How a host behaves; start from the usual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NfcBehaviour {
    /// The version of NFC that it tells; the first that can do several things at once is 3.
    pub version: u32,
    /// Whether it speaks TLS 1.2 alone, as hosts before ESXi 8 do.
    pub tls12: bool,
    /// Whether it can encrypt the disks' bytes.
    pub encrypts: bool,
    /// The longest fragment in bytes; that of the client's buffers, when there is none.
    pub fragment: Option<u32>,
    /// Whether fragments come in any order, those of several reads mixed.
    pub out_of_order: bool,
    /// Whether it tells what is allocated.
    pub tells_allocated: bool,
    /// Whether the usual reply follows an error.
    pub replies_after_error: bool,
    /// The fingerprint that tickets tell instead of its own.
    pub thumbprint: Option<String>,
    /// Whether the same ticket is handed out again and again.
    pub repeats_tickets: bool,
}

impl Default for NfcBehaviour {
    fn default() -> Self {
        Self {
            version: 11,
            tls12: false,
            encrypts: true,
            fragment: None,
            out_of_order: false,
            tells_allocated: true,
            replies_after_error: false,
            thumbprint: None,
            repeats_tickets: false,
        }
    }
}

/// What goes wrong, once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NfcMishap {
    /// After so many reads the next one is refused with this text.
    ReadError {
        /// How many reads pass.
        skip: u32,
        /// What the host says.
        text: String,
    },
    /// After so many reads nothing is answered any more on that connection.
    Stall {
        /// How many reads pass.
        skip: u32,
    },
    /// The connection is cut after so many bytes more.
    Cut {
        /// How many bytes go out.
        after: usize,
    },
    /// After so many messages one is sent in half, and the connection is closed.
    Truncate {
        /// How many messages pass.
        skip: u32,
    },
    /// A byte that goes out is another one.
    Flip {
        /// How many bytes go out before it.
        after: usize,
        /// Which of its bits change.
        bits: u8,
    },
}

/// Why a disk is not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NfcRefusal {
    /// The code of the error.
    pub code: u64,
    /// What it says to people.
    pub text: String,
}

impl NfcRefusal {
    /// There is no such file.
    pub fn not_found(path: &str) -> Self {
        Self { code: 0x04, text: format!("File not found: {path}") }
    }

    /// Somebody has it in use.
    pub fn locked(path: &str) -> Self {
        Self { code: 0x0d, text: format!("Failed to lock the file: {path}") }
    }

    /// What it is kept as cannot be read.
    pub fn unsupported(path: &str) -> Self {
        Self { code: 0x06, text: format!("The operation is not supported: {path}") }
    }
}
