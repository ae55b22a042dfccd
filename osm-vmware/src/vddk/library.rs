//! The library itself: found symbols, and its functions made safe to call.
//!
//! The invariant is a thread's: what takes a [`Connection`], `Library` itself included, is called by the control thread;
//! what takes a [`Disk`], by one thread at a time. `Disk` is not `Sync` to that end.

use std::error::Error as _;
use std::ffi::{CStr, CString, c_char};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::ptr::{from_mut, null, null_mut};
use std::sync::Arc;

use libloading::os::unix::{Library as Shared, RTLD_LOCAL, RTLD_NOW};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::allocation::SECTOR;
use super::code::{Failure, VIX_ASYNC, VIX_E_FAIL, VIX_OK, code_of};
use super::ffi::{self, Answer, Block, ConnectParams, Done, Opaque, Piece, UnderWay};
use super::options::VddkOptions;
use crate::{Error, ErrorKind, Result};

/// The interface that is asked for; every VDDK since 6.5 has it.
const MAJOR: u32 = 6;
const MINOR: u32 = 5;

/// VDDK, loaded into this process.
pub(super) struct Library {
    path: PathBuf,
    init: ffi::InitExFn,
    error_text: ffi::GetErrorTextFn,
    free_error_text: ffi::FreeErrorTextFn,
    /// Before 6.7 the caller made the parameters itself.
    params: Option<(ffi::AllocateConnectParamsFn, ffi::FreeConnectParamsFn)>,
    connect: ffi::ConnectExFn,
    disconnect: ffi::EndFn,
    open: ffi::OpenFn,
    close: ffi::EndFn,
    transport: Option<ffi::GetTransportModeFn>,
    info: ffi::GetInfoFn,
    free_info: ffi::FreeInfoFn,
    read: ffi::ReadFn,
    /// How to read without waiting, and how to wait for all that is read.
    read_async: Option<(ffi::ReadAsyncFn, ffi::EndFn)>,
    /// Since 6.7.
    allocated: Option<(ffi::QueryAllocatedBlocksFn, ffi::FreeBlockListFn)>,
    /// Keeps what the functions above point to.
    _shared: Shared,
}

impl Library {
    /// Loads a library and looks its functions up.
    pub(super) fn load(path: &Path) -> Result<Self> {
        // SAFETY: what VDDK does when it is loaded is as safe as VDDK is.
        let shared = unsafe { Shared::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|error| not_loaded(path, &error))?;
        // SAFETY: each type is that of VDDK's function of that name.
        unsafe {
            Ok(Self {
                path: path.to_path_buf(),
                init: needed(&shared, path, "VixDiskLib_InitEx")?,
                error_text: needed(&shared, path, "VixDiskLib_GetErrorText")?,
                free_error_text: needed(&shared, path, "VixDiskLib_FreeErrorText")?,
                params: symbol(&shared, "VixDiskLib_AllocateConnectParams")
                    .zip(symbol(&shared, "VixDiskLib_FreeConnectParams")),
                connect: needed(&shared, path, "VixDiskLib_ConnectEx")?,
                disconnect: needed(&shared, path, "VixDiskLib_Disconnect")?,
                open: needed(&shared, path, "VixDiskLib_Open")?,
                close: needed(&shared, path, "VixDiskLib_Close")?,
                transport: symbol(&shared, "VixDiskLib_GetTransportMode"),
                info: needed(&shared, path, "VixDiskLib_GetInfo")?,
                free_info: needed(&shared, path, "VixDiskLib_FreeInfo")?,
                read: needed(&shared, path, "VixDiskLib_Read")?,
                read_async: symbol(&shared, "VixDiskLib_ReadAsync").zip(symbol(&shared, "VixDiskLib_Wait")),
                allocated: symbol(&shared, "VixDiskLib_QueryAllocatedBlocks")
                    .zip(symbol(&shared, "VixDiskLib_FreeBlockList")),
                _shared: shared,
            })
        }
    }

    /// Which file it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it tells what is allocated.
    pub(super) fn tells_allocated(&self) -> bool {
        self.allocated.is_some()
    }

    /// Whether it reads without waiting.
    pub(super) fn reads_async(&self) -> bool {
        self.read_async.is_some()
    }

    /// Initialises it; `root` is the root of the distribution.
    pub(super) fn init(&self, root: &Path) -> Result<()> {
        let root = c_string("the folder of VDDK", &root.to_string_lossy())?;
        // SAFETY: the strings outlive the call; the callbacks live as long as the process.
        let answer = unsafe {
            (self.init)(MAJOR, MINOR, ffi::log, ffi::warn, ffi::panic, root.as_ptr(), null::<c_char>())
        };
        self.judge("VixDiskLib_InitEx", answer).map_err(|failure| {
            Error::from(failure).with_object(self.path.display().to_string()).with_hint(format!(
                "VDDK must know interface {MAJOR}.{MINOR}, and find its own libraries by LD_LIBRARY_PATH"
            ))
        })
    }

    /// Connects to vSphere for reading a snapshot of a machine.
    pub(super) fn connect(&'static self, options: &VddkOptions) -> Result<Connection> {
        let machine = c_string("the machine", &format!("moref={}", options.machine))?;
        let server = c_string("the server", &options.server)?;
        let thumbprint = c_string("the thumbprint", &options.thumbprint)?;
        let user = c_string("the user", &options.user)?;
        let snapshot = c_string("the snapshot", &options.snapshot)?;
        let transports =
            options.transports.as_deref().map(|modes| c_string("the transports", modes)).transpose()?;
        // It is overwritten with zeroes when it is dropped.
        let password = Zeroizing::new(terminated("the password", options.password.expose_secret())?);

        // SAFETY: a null pointer, a zero: each field may be all zeroes.
        let mut own: ConnectParams = unsafe { std::mem::zeroed() };
        let params = match self.params {
            // SAFETY: it takes nothing.
            Some((allocate, _)) => unsafe { allocate() },
            None => from_mut(&mut own),
        };
        // SAFETY: VDDK's own parameters, or ours.
        let Some(filled) = (unsafe { params.as_mut() }) else {
            return Err(Error::new(ErrorKind::Refused, "VDDK has no memory for a connection"));
        };
        filled.vmx_spec = machine.as_ptr();
        filled.server_name = server.as_ptr();
        filled.thumbprint = thumbprint.as_ptr();
        filled.cred_type = ffi::CRED_UID;
        filled.user_name = user.as_ptr();
        filled.password = password.as_ptr().cast();
        filled.port = options.port.map_or(0, u32::from);
        filled.nfc_host_port = options.nfc_port.map_or(0, u32::from);
        let mut raw = null_mut();
        // SAFETY: all that the parameters point to lives on this stack until the call has returned.
        let answer = unsafe {
            (self.connect)(
                params,
                1,
                snapshot.as_ptr(),
                transports.as_ref().map_or(null(), |modes| modes.as_ptr()),
                &raw mut raw,
            )
        };
        // The strings are ours to free.
        filled.vmx_spec = null();
        filled.server_name = null();
        filled.thumbprint = null();
        filled.user_name = null();
        filled.password = null();
        if let Some((_, free)) = self.params {
            // SAFETY: VDDK allocated it, and it is not used any more.
            unsafe { free(params) };
        }
        self.judge("VixDiskLib_ConnectEx", answer)
            .map_err(|failure| Error::from(failure).with_object(options.server.clone()))?;
        Ok(Connection { library: self, raw })
    }

    /// What VDDK says of an answer.
    pub(super) fn failure(&self, call: &'static str, answer: Answer) -> Failure {
        // SAFETY: the language may be null; the text is VDDK's until it is freed.
        let text = unsafe {
            let text = (self.error_text)(answer, null());
            if text.is_null() {
                "unknown error".to_owned()
            } else {
                let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
                (self.free_error_text)(text);
                copy
            }
        };
        Failure { call, code: code_of(answer), text }
    }

    fn judge(&self, call: &'static str, answer: Answer) -> std::result::Result<(), Failure> {
        if answer == VIX_OK { Ok(()) } else { Err(self.failure(call, answer)) }
    }
}

/// A connection to vSphere. To be ended with [`Connection::disconnect`].
pub(super) struct Connection {
    library: &'static Library,
    raw: Opaque,
}

// SAFETY: VDDK wants one thread for connections, and the control thread is it; the others only keep it.
unsafe impl Send for Connection {}
// SAFETY: as above.
unsafe impl Sync for Connection {}

impl Connection {
    /// Opens a disk for reading.
    pub(super) fn open(&self, path: &str, flags: u32) -> Result<Disk> {
        let name = c_string("the path of the disk", path)?;
        let mut raw = null_mut();
        // SAFETY: the connection is open, and the name outlives the call.
        let answer = unsafe {
            (self.library.open)(self.raw, name.as_ptr(), flags | ffi::OPEN_READ_ONLY, &raw mut raw)
        };
        self.library.judge("VixDiskLib_Open", answer).map_err(|failure| {
            let error = match failure.code {
                VIX_E_FAIL => Error::from(failure)
                    .with_hint("maybe the thumbprint is not that of the server's certificate: VDDK tells it here, and no better"),
                _ => Error::from(failure),
            };
            error.with_object(path)
        })?;
        Ok(Disk { library: self.library, raw })
    }

    /// Ends the connection. All its disks are closed.
    pub(super) fn disconnect(self) -> std::result::Result<(), Failure> {
        // SAFETY: the connection is open, and `self` is used up.
        let answer = unsafe { (self.library.disconnect)(self.raw) };
        self.library.judge("VixDiskLib_Disconnect", answer)
    }
}

/// An open disk. To be ended with [`Disk::close`].
pub(super) struct Disk {
    library: &'static Library,
    raw: Opaque,
}

// SAFETY: VDDK lets any thread use a disk, one at a time.
unsafe impl Send for Disk {}

impl Disk {
    pub(super) fn library(&self) -> &'static Library {
        self.library
    }

    /// How many sectors it has.
    pub(super) fn capacity(&self) -> std::result::Result<u64, Failure> {
        let mut info = null_mut();
        // SAFETY: the disk is open.
        let answer = unsafe { (self.library.info)(self.raw, &raw mut info) };
        self.library.judge("VixDiskLib_GetInfo", answer)?;
        // SAFETY: VDDK has answered, and the answer is VDDK's until it is freed.
        let Some(capacity) = (unsafe { info.as_ref() }).map(|info| info.capacity) else {
            return Err(self.library.failure("VixDiskLib_GetInfo", VIX_E_FAIL));
        };
        // SAFETY: VDDK allocated it, and it is not used any more.
        unsafe { (self.library.free_info)(info) };
        Ok(capacity)
    }

    /// Which way its bytes come: `nbdssl`.
    pub(super) fn transport(&self) -> Option<String> {
        // SAFETY: the disk is open; the text lives as long.
        unsafe {
            let text = (self.library.transport?)(self.raw);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        }
    }

    /// Fills a piece from a sector on.
    pub(super) fn read(&self, sector: u64, piece: &mut Piece) -> Answer {
        // SAFETY: the disk is open, and the piece has so many sectors.
        unsafe { (self.library.read)(self.raw, sector, piece.len() as u64 / SECTOR, piece.start()) }
    }

    /// Begins to fill a piece from a sector on. `done` is called with the result, maybe before this returns and maybe by
    /// another thread. Gives the piece back when it was not begun.
    pub(super) fn read_async(
        &self,
        sector: u64,
        mut piece: Piece,
        done: Done,
    ) -> std::result::Result<(), (Piece, Answer)> {
        let Some((read_async, _)) = self.library.read_async else {
            return Err((piece, super::code::VIX_E_NOT_SUPPORTED));
        };
        let (sectors, start) = (piece.len() as u64 / SECTOR, piece.start());
        let read = UnderWay::new(piece, done);
        let data = Arc::into_raw(Arc::clone(&read)).cast_mut().cast();
        // SAFETY: the disk is open. The piece, and with it its memory, lives until `completed` was called.
        let answer = unsafe { read_async(self.raw, sector, sectors, start, ffi::completed, data) };
        if code_of(answer) == VIX_ASYNC {
            return Ok(());
        }
        // A refused read is not completed. Should VDDK do so all the same, what `data` points to must still be there: that
        // it is never freed costs some bytes a refusal.
        match read.take() {
            Some((piece, _)) => Err((piece, answer)),
            None => Ok(()),
        }
    }

    /// Returns when all reads have ended.
    pub(super) fn wait(&self) -> std::result::Result<(), Failure> {
        match self.library.read_async {
            // SAFETY: the disk is open.
            Some((_, wait)) => self.library.judge("VixDiskLib_Wait", unsafe { wait(self.raw) }),
            None => Ok(()),
        }
    }

    /// The allocated runs among some sectors; start and count are multiples of the chunk.
    pub(super) fn allocated(
        &self,
        start: u64,
        count: u64,
        chunk: u64,
    ) -> std::result::Result<Vec<Range<u64>>, Failure> {
        const CALL: &str = "VixDiskLib_QueryAllocatedBlocks";
        let Some((query, free)) = self.library.allocated else {
            return Err(self.library.failure(CALL, super::code::VIX_E_NOT_SUPPORTED));
        };
        let mut list = null_mut();
        // SAFETY: the disk is open.
        let answer = unsafe { query(self.raw, start, count, chunk, &raw mut list) };
        self.library.judge(CALL, answer)?;
        if list.is_null() {
            return Err(self.library.failure(CALL, VIX_E_FAIL));
        }
        // SAFETY: so many blocks follow the head of the list, and the list is VDDK's until it is freed.
        let blocks: &[Block] =
            unsafe { std::slice::from_raw_parts((&raw const (*list).blocks).cast(), (*list).count as usize) };
        let runs =
            blocks.iter().map(|block| block.offset..block.offset.saturating_add(block.length)).collect();
        // SAFETY: VDDK allocated it, and it is not used any more.
        unsafe { free(list) };
        Ok(runs)
    }

    /// Closes it. No read is under way.
    pub(super) fn close(self) -> std::result::Result<(), Failure> {
        // SAFETY: the disk is open, and `self` is used up.
        let answer = unsafe { (self.library.close)(self.raw) };
        self.library.judge("VixDiskLib_Close", answer)
    }
}

fn not_loaded(path: &Path, error: &libloading::Error) -> Error {
    let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let folder = path.parent().unwrap_or(path).display();
    Error::new(ErrorKind::Config, format!("VDDK cannot be loaded: {why}"))
        .with_object(path.display().to_string())
        .with_hint(format!(
            "VDDK is for x86-64 and finds its own libraries by LD_LIBRARY_PATH alone: start this program with \
             LD_LIBRARY_PATH={folder}"
        ))
}

/// # Safety
/// `T` is the type of the function of that name.
unsafe fn symbol<T: Copy>(shared: &Shared, name: &str) -> Option<T> {
    // SAFETY: as the caller promises.
    unsafe { shared.get::<T>(name) }.ok().map(|symbol| *symbol)
}

/// # Safety
/// As for [`symbol`].
unsafe fn needed<T: Copy>(shared: &Shared, path: &Path, name: &str) -> Result<T> {
    // SAFETY: as the caller promises.
    unsafe { symbol(shared, name) }.ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("the library has no function {name}"))
            .with_object(path.display().to_string())
            .with_hint("VDDK is needed, 6.5 or later")
    })
}

fn c_string(what: &str, text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| holds_nul(what))
}

/// The text as C has it, in one allocation: a longer one would leave its former self behind.
fn terminated(what: &str, text: &str) -> Result<Vec<u8>> {
    if text.contains('\0') {
        return Err(holds_nul(what));
    }
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    Ok(bytes)
}

fn holds_nul(what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{what} holds a NUL character"))
}
