//! Open disks.

use std::ffi::{c_char, c_void};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use crate::connection::{Connection, on_control_thread, text};
use crate::reads::{self, CompletionFn};
use crate::settings::settings;
use crate::{
    ConnectParams, FAIL, FILE_NOT_FOUND, INVALID_ARG, NOT_SUPPORTED, OK, SECTOR, VixError, image, log, trace,
};

/// `VIXDISKLIB_MIN_CHUNK_SIZE` and `VIXDISKLIB_MAX_CHUNK_NUMBER`.
const SMALLEST_CHUNK: u64 = 128;
const MOST_CHUNKS: u64 = 512 * 1024;
const READ_ONLY: u32 = 4;

/// How many reads there were, of all disks.
static READS: AtomicU64 = AtomicU64::new(0);

/// `VixDiskLibInfo`.
#[repr(C)]
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are VMware's")]
pub struct Info {
    pub geometry: [u32; 6],
    pub capacity: u64,
    pub adapter: u32,
    pub links: i32,
    pub parent: *mut c_char,
    pub uuid: *mut c_char,
    pub logical_sector: u32,
    pub physical_sector: u32,
}

/// `VixDiskLibBlockList`: so many [`Block`]s follow it.
#[repr(C)]
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are VMware's")]
pub struct BlockList {
    pub count: u32,
    pub blocks: [Block; 0],
}

/// `VixDiskLibBlock`, in sectors.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs, reason = "the fields are VMware's")]
pub struct Block {
    pub offset: u64,
    pub length: u64,
}

/// An open disk.
pub(crate) struct Disk {
    file: File,
    sectors: u64,
    connection: *const Connection,
    /// A call is under way.
    is_busy: AtomicBool,
    /// How many reads are.
    under_way: Mutex<usize>,
    fewer: Condvar,
}

// SAFETY: the connection outlives its disks, and of it only an atomic counter is used.
unsafe impl Send for Disk {}
// SAFETY: as above.
unsafe impl Sync for Disk {}

/// A call on a disk; none other may begin until it is dropped.
struct Call(ManuallyDrop<Arc<Disk>>);

impl Call {
    /// # Safety
    /// `disk` comes from `VixDiskLib_Open` and is not closed.
    unsafe fn begin(disk: *mut c_void, call: &str) -> Self {
        // SAFETY: as the caller promises; the count of `disk` itself stays.
        let this = Self(ManuallyDrop::new(unsafe { Arc::from_raw(disk.cast_const().cast::<Disk>()) }));
        if this.0.is_busy.swap(true, Ordering::SeqCst) {
            trace::violation(disk.addr(), &format!("{call} while another call is under way"));
        }
        trace::line(disk.addr(), call);
        this
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::SeqCst);
    }
}

impl Disk {
    /// What a trace calls it.
    pub(crate) fn about(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    pub(crate) fn begun(&self) {
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    pub(crate) fn ended(&self) {
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.fewer.notify_all();
    }

    /// Fills a buffer, or fails as the environment says.
    ///
    /// # Safety
    /// The buffer has so many sectors.
    pub(crate) unsafe fn fill(&self, sector: u64, sectors: u64, buffer: *mut u8) -> VixError {
        let number = READS.fetch_add(1, Ordering::SeqCst) + 1;
        thread::sleep(settings().delay);
        if settings().crash == Some(number) {
            std::process::abort();
        }
        if let Some((nth, code)) = settings().read
            && nth == number
        {
            return code;
        }
        if buffer.is_null() || sector.checked_add(sectors).is_none_or(|end| end > self.sectors) {
            return INVALID_ARG;
        }
        // SAFETY: as the caller promises.
        let buffer = unsafe { std::slice::from_raw_parts_mut(buffer, (sectors * SECTOR) as usize) };
        image::read(&self.file, sector, buffer).map_or(FAIL, |()| OK)
    }
}

/// Opens a disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Open(
    connection: *mut c_void,
    path: *const c_char,
    flags: u32,
    disk: *mut *mut c_void,
) -> VixError {
    on_control_thread(connection.addr(), "Open");
    // SAFETY: the caller hands in a C string or null.
    let Some(path) = (unsafe { text(path) }) else { return INVALID_ARG };
    trace::line(connection.addr(), &format!("Open flags={flags:#x} path={path}"));
    // SAFETY: the caller got it from `VixDiskLib_ConnectEx`.
    let Some(made_by) = (unsafe { connection.cast::<Connection>().as_ref() }) else { return INVALID_ARG };
    if flags & READ_ONLY == 0 || disk.is_null() {
        return INVALID_ARG;
    }
    if made_by.is_mistrusted {
        return FAIL;
    }
    if let Some(code) = settings().open {
        return code;
    }
    let Ok(file) = File::open(image::file_of(&path)) else { return FILE_NOT_FOUND };
    let Ok(sectors) = file.metadata().map(|metadata| metadata.len() / SECTOR) else { return FAIL };
    made_by.disks.fetch_add(1, Ordering::SeqCst);
    let made = Arc::new(Disk {
        file,
        sectors,
        connection: made_by,
        is_busy: AtomicBool::new(false),
        under_way: Mutex::new(0),
        fewer: Condvar::new(),
    });
    trace::line(made.about(), "Opened");
    log::info(c"a disk of %lu sectors is open\n", &[sectors]);
    // SAFETY: checked for null above; the caller waits for it to be written.
    unsafe { disk.write(Arc::into_raw(made).cast_mut().cast()) };
    OK
}

/// Closes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Close(disk: *mut c_void) -> VixError {
    on_control_thread(disk.addr(), "Close");
    // SAFETY: the caller got it from `VixDiskLib_Open`.
    let call = unsafe { Call::begin(disk, "Close") };
    if *call.0.under_way.lock().unwrap_or_else(PoisonError::into_inner) > 0 {
        trace::violation(disk.addr(), "Close while reads are under way");
    }
    // SAFETY: a connection outlives its disks.
    unsafe { &*call.0.connection }.disks.fetch_sub(1, Ordering::SeqCst);
    drop(call);
    // SAFETY: as above; this is the count that `VixDiskLib_Open` left.
    drop(unsafe { Arc::from_raw(disk.cast_const().cast::<Disk>()) });
    OK
}

/// Which way the bytes come.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_GetTransportMode(disk: *mut c_void) -> *const c_char {
    // SAFETY: the caller got it from `VixDiskLib_Open`.
    let _call = unsafe { Call::begin(disk, "GetTransportMode") };
    c"file".as_ptr()
}

/// What the disk is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_GetInfo(disk: *mut c_void, info: *mut *mut Info) -> VixError {
    // SAFETY: the caller got it from `VixDiskLib_Open`.
    let call = unsafe { Call::begin(disk, "GetInfo") };
    let made = Info {
        geometry: [0; 6],
        capacity: call.0.sectors,
        adapter: 3,
        links: 1,
        parent: std::ptr::null_mut(),
        uuid: std::ptr::null_mut(),
        logical_sector: 512,
        physical_sector: 512,
    };
    // SAFETY: the caller waits for it to be written.
    unsafe { info.write(Box::into_raw(Box::new(made))) };
    OK
}

/// Frees what [`VixDiskLib_GetInfo`] gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_FreeInfo(info: *mut Info) {
    if !info.is_null() {
        // SAFETY: the caller got it from `VixDiskLib_GetInfo`.
        drop(unsafe { Box::from_raw(info) });
    }
}

/// Reads, and waits for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Read(
    disk: *mut c_void,
    sector: u64,
    sectors: u64,
    buffer: *mut u8,
) -> VixError {
    // SAFETY: the caller got the disk from `VixDiskLib_Open`.
    let call = unsafe { Call::begin(disk, &format!("Read start={sector} count={sectors}")) };
    // SAFETY: the caller promises a buffer of so many sectors.
    unsafe { call.0.fill(sector, sectors, buffer) }
}

/// Begins to read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_ReadAsync(
    disk: *mut c_void,
    sector: u64,
    sectors: u64,
    buffer: *mut u8,
    done: CompletionFn,
    data: *mut c_void,
) -> VixError {
    // SAFETY: the caller got the disk from `VixDiskLib_Open`.
    let call = unsafe { Call::begin(disk, &format!("ReadAsync start={sector} count={sectors}")) };
    match settings().read_async {
        Some(code) => code,
        None => reads::begin(reads::Read { disk: Arc::clone(&call.0), sector, sectors, buffer, done, data }),
    }
}

/// Returns when all reads have ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Wait(disk: *mut c_void) -> VixError {
    // SAFETY: the caller got the disk from `VixDiskLib_Open`.
    let call = unsafe { Call::begin(disk, "Wait") };
    let under_way = call.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
    drop(call.0.fewer.wait_while(under_way, |reads| *reads > 0));
    OK
}

/// Which blocks are allocated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_QueryAllocatedBlocks(
    disk: *mut c_void,
    start: u64,
    count: u64,
    chunk: u64,
    list: *mut *mut BlockList,
) -> VixError {
    let name = format!("QueryAllocatedBlocks start={start} count={count} chunk={chunk}");
    // SAFETY: the caller got the disk from `VixDiskLib_Open`.
    let call = unsafe { Call::begin(disk, &name) };
    if let Some(code) = settings().query {
        return code;
    }
    let is_valid = chunk >= SMALLEST_CHUNK
        && count > 0
        && start.is_multiple_of(chunk)
        && count.is_multiple_of(chunk)
        && count / chunk <= MOST_CHUNKS
        && start.checked_add(count).is_some_and(|end| end <= call.0.sectors);
    if !is_valid || list.is_null() {
        return INVALID_ARG;
    }
    let Ok(runs) = image::allocated(&call.0.file, start..start + count, chunk) else { return FAIL };
    // The head of the list has the size of half a block.
    let mut made = vec![0_u64; 1 + 2 * runs.len()];
    for (at, run) in runs.iter().enumerate() {
        made[1 + 2 * at] = run.start;
        made[2 + 2 * at] = run.end - run.start;
    }
    let made: *mut BlockList = Box::into_raw(made.into_boxed_slice()).cast();
    // SAFETY: it was made just now; the caller waits for `list` to be written.
    unsafe {
        (*made).count = runs.len() as u32;
        list.write(made);
    }
    OK
}

/// Frees what [`VixDiskLib_QueryAllocatedBlocks`] gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_FreeBlockList(list: *mut BlockList) -> VixError {
    if !list.is_null() {
        // SAFETY: the caller got it from `VixDiskLib_QueryAllocatedBlocks`, which made so many words.
        unsafe {
            let words = 1 + 2 * (*list).count as usize;
            drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(list.cast::<u64>(), words)));
        }
    }
    OK
}

/// Disks are read only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Write(_: *mut c_void, _: u64, _: u64, _: *const u8) -> VixError {
    NOT_SUPPORTED
}

/// Disks are read only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_WriteAsync(
    _: *mut c_void,
    _: u64,
    _: u64,
    _: *const u8,
    _: CompletionFn,
    _: *mut c_void,
) -> VixError {
    NOT_SUPPORTED
}

/// Nothing was written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Flush(_: *mut c_void) -> VixError {
    OK
}

/// Disks are read only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Create(
    _: *mut c_void,
    _: *const c_char,
    _: *const ConnectParams,
    _: *mut c_void,
    _: *mut c_void,
) -> VixError {
    NOT_SUPPORTED
}
