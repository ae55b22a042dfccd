//! VDDK's C interface on x86-64: its structures, what it calls back, and memory that it writes to on its own.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::mem::{offset_of, size_of};
use std::ops::DerefMut as _;
use std::sync::{Arc, Mutex, PoisonError};

use osm_transfer::block::Buffer;

/// `VixError`.
pub(super) type Answer = u64;

/// A connection, a disk: VDDK alone knows what is behind it.
pub(super) type Opaque = *mut c_void;

/// `VIXDISKLIB_CRED_UID`: a user and a password.
pub(super) const CRED_UID: u32 = 1;
/// `VIXDISKLIB_FLAG_OPEN_READ_ONLY`.
pub(super) const OPEN_READ_ONLY: u32 = 0x4;
/// `VIXDISKLIB_FLAG_OPEN_COMPRESSION_*`.
pub(super) const OPEN_ZLIB: u32 = 0x10;
pub(super) const OPEN_FASTLZ: u32 = 0x20;
pub(super) const OPEN_SKIPZ: u32 = 0x40;

/// `VixDiskLibConnectParams`, with the user and the password in its union of credentials.
#[repr(C)]
pub(super) struct ConnectParams {
    pub(super) vmx_spec: *const c_char,
    pub(super) server_name: *const c_char,
    pub(super) thumbprint: *const c_char,
    pub(super) private_use: c_long,
    pub(super) cred_type: u32,
    pub(super) user_name: *const c_char,
    pub(super) password: *const c_char,
    pub(super) key: *const c_char,
    pub(super) port: u32,
    pub(super) nfc_host_port: u32,
    pub(super) reserved: [*mut c_void; 3],
    pub(super) storage_object: [*const c_char; 3],
    pub(super) spec_type: u32,
}

/// The beginning of `VixDiskLibInfo`; what follows differs between versions.
#[repr(C)]
pub(super) struct Info {
    geometry: [u32; 6],
    pub(super) capacity: u64,
}

/// `VixDiskLibBlockList`: so many [`Block`]s follow it.
#[repr(C)]
pub(super) struct BlockList {
    pub(super) count: u32,
    pub(super) blocks: [Block; 0],
}

/// `VixDiskLibBlock`, in sectors.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) offset: u64,
    pub(super) length: u64,
}

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<ConnectParams>() == 128);
    assert!(offset_of!(ConnectParams, cred_type) == 32);
    assert!(offset_of!(ConnectParams, user_name) == 40);
    assert!(offset_of!(ConnectParams, port) == 64);
    assert!(offset_of!(ConnectParams, storage_object) == 96);
    assert!(offset_of!(ConnectParams, spec_type) == 120);
    assert!(offset_of!(Info, capacity) == 24);
    assert!(offset_of!(BlockList, blocks) == 8);
};

pub(super) type LogFn = unsafe extern "C" fn(*const c_char, *mut c_void);
pub(super) type InitExFn =
    unsafe extern "C" fn(u32, u32, LogFn, LogFn, LogFn, *const c_char, *const c_char) -> Answer;
pub(super) type GetErrorTextFn = unsafe extern "C" fn(Answer, *const c_char) -> *mut c_char;
pub(super) type FreeErrorTextFn = unsafe extern "C" fn(*mut c_char);
pub(super) type AllocateConnectParamsFn = unsafe extern "C" fn() -> *mut ConnectParams;
pub(super) type FreeConnectParamsFn = unsafe extern "C" fn(*mut ConnectParams);
pub(super) type ConnectExFn =
    unsafe extern "C" fn(*const ConnectParams, c_char, *const c_char, *const c_char, *mut Opaque) -> Answer;
pub(super) type OpenFn = unsafe extern "C" fn(Opaque, *const c_char, u32, *mut Opaque) -> Answer;
pub(super) type GetTransportModeFn = unsafe extern "C" fn(Opaque) -> *const c_char;
pub(super) type GetInfoFn = unsafe extern "C" fn(Opaque, *mut *mut Info) -> Answer;
pub(super) type FreeInfoFn = unsafe extern "C" fn(*mut Info);
pub(super) type ReadFn = unsafe extern "C" fn(Opaque, u64, u64, *mut u8) -> Answer;
pub(super) type CompletionFn = unsafe extern "C" fn(*mut c_void, Answer);
pub(super) type ReadAsyncFn =
    unsafe extern "C" fn(Opaque, u64, u64, *mut u8, CompletionFn, *mut c_void) -> Answer;
/// `Wait`, `Close` and `Disconnect`.
pub(super) type EndFn = unsafe extern "C" fn(Opaque) -> Answer;
pub(super) type QueryAllocatedBlocksFn =
    unsafe extern "C" fn(Opaque, u64, u64, u64, *mut *mut BlockList) -> Answer;
pub(super) type FreeBlockListFn = unsafe extern "C" fn(*mut BlockList) -> Answer;

/// Part of a buffer that a read fills. The parts of a buffer never overlap, and the buffer lives until all of them are
/// back.
#[derive(Debug)]
pub(super) struct Piece {
    memory: Arc<Memory>,
    offset: usize,
    len: usize,
}

#[derive(Debug)]
struct Memory {
    buffer: Buffer,
    /// The first byte of the buffer; nobody touches the buffer itself while there are pieces.
    start: *mut u8,
}

// SAFETY: `start` points to what `buffer` owns, and `Buffer` may go to another thread.
unsafe impl Send for Memory {}
// SAFETY: through a shared `Memory` only pieces are reached, and no two of them overlap.
unsafe impl Sync for Memory {}

impl Piece {
    /// The buffer, cut into pieces of `longest` bytes and a rest.
    pub(super) fn cut(mut buffer: Buffer, longest: usize) -> Vec<Self> {
        let (start, whole) = (buffer.deref_mut().as_mut_ptr(), buffer.len());
        let memory = Arc::new(Memory { buffer, start });
        let piece = |offset| Self { memory: Arc::clone(&memory), offset, len: longest.min(whole - offset) };
        (0..whole).step_by(longest.max(1)).map(piece).collect()
    }

    /// The buffer again; none unless these are all of its pieces.
    pub(super) fn join(pieces: Vec<Self>) -> Option<Buffer> {
        let memory = Arc::clone(&pieces.first()?.memory);
        drop(pieces);
        Arc::into_inner(memory).map(|memory| memory.buffer)
    }

    /// Where it begins within the buffer, in bytes.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Its first byte.
    pub(super) fn start(&mut self) -> *mut u8 {
        // SAFETY: `cut` made the offset smaller than the length of the buffer.
        unsafe { self.memory.start.add(self.offset) }
    }
}

/// What is done when VDDK has filled a piece, or has failed to.
pub(super) type Done = Box<dyn FnOnce(Piece, Answer) + Send>;

/// What VDDK keeps of a read that is under way.
pub(super) struct UnderWay {
    rest: Mutex<Option<(Piece, Done)>>,
}

impl UnderWay {
    pub(super) fn new(piece: Piece, done: Done) -> Arc<Self> {
        Arc::new(Self { rest: Mutex::new(Some((piece, done))) })
    }

    /// The piece and what is to be done with it; only once.
    pub(super) fn take(&self) -> Option<(Piece, Done)> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// VDDK's threads call this when a read has ended.
///
/// # Safety
/// `data` comes from `Arc::into_raw` of an [`UnderWay`], and is handed in once.
pub(super) unsafe extern "C" fn completed(data: *mut c_void, answer: Answer) {
    // SAFETY: the caller hands in what `read_async` gave it, once.
    let read = unsafe { Arc::from_raw(data.cast_const().cast::<UnderWay>()) };
    if let Some((piece, done)) = read.take() {
        done(piece, answer);
    }
}

/// What VDDK says at length and to nobody's use.
const NOISE: [&str; 2] = ["Get CEIP status failed", "VDDK_PhoneHome"];

/// # Safety
/// `format` and `arguments` are what `vprintf` takes.
pub(super) unsafe extern "C" fn log(format: *const c_char, arguments: *mut c_void) {
    // SAFETY: as the caller promises.
    let text = unsafe { printed(format, arguments) };
    match NOISE.iter().any(|noise| text.contains(noise)) {
        true => tracing::trace!(target: "osm_vmware::vddk", "{text}"),
        false => tracing::debug!(target: "osm_vmware::vddk", "{text}"),
    }
}

/// # Safety
/// As for [`log`].
pub(super) unsafe extern "C" fn warn(format: *const c_char, arguments: *mut c_void) {
    // SAFETY: as the caller promises.
    let text = unsafe { printed(format, arguments) };
    match NOISE.iter().any(|noise| text.contains(noise)) {
        true => tracing::trace!(target: "osm_vmware::vddk", "{text}"),
        false => tracing::warn!(target: "osm_vmware::vddk", "{text}"),
    }
}

/// # Safety
/// As for [`log`].
pub(super) unsafe extern "C" fn panic(format: *const c_char, arguments: *mut c_void) {
    // SAFETY: as the caller promises.
    let text = unsafe { printed(format, arguments) };
    tracing::error!(target: "osm_vmware::vddk", "VDDK panics: {text}");
}

/// What `printf` would print; the first four kibibytes of it.
///
/// # Safety
/// `format` and `arguments` are what `vprintf` takes.
unsafe fn printed(format: *const c_char, arguments: *mut c_void) -> String {
    unsafe extern "C" {
        /// A `va_list` is an array on x86-64, which C passes as a pointer.
        fn vsnprintf(to: *mut c_char, size: usize, format: *const c_char, arguments: *mut c_void) -> c_int;
    }
    if format.is_null() {
        return String::new();
    }
    let mut bytes = [0_u8; 4096];
    // SAFETY: it writes no more than the size it is told; the rest is as the caller promises.
    unsafe { vsnprintf(bytes.as_mut_ptr().cast(), bytes.len(), format, arguments) };
    let text = CStr::from_bytes_until_nul(&bytes).unwrap_or_default();
    text.to_string_lossy().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_all_its_pieces_do() {
        let mut pieces = Piece::cut(Buffer::from(vec![7; 10]), 4);
        assert_eq!(
            pieces.iter().map(|piece| (piece.offset(), piece.len())).collect::<Vec<_>>(),
            [(0, 4), (4, 4), (8, 2)]
        );
        for piece in &mut pieces {
            // SAFETY: within the piece.
            unsafe { piece.start().write(piece.offset() as u8) };
        }
        pieces.reverse();
        assert_eq!(Piece::join(pieces).unwrap()[..], [0, 7, 7, 7, 4, 7, 7, 7, 8, 7]);

        let mut pieces = Piece::cut(Buffer::zeroed(10), 4);
        let missing = pieces.pop();
        assert!(Piece::join(pieces).is_none());
        drop(missing);
        assert!(Piece::join(Vec::new()).is_none());
    }
}
