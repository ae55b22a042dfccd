//! Lines for the log of the caller, which takes them as `vprintf` does.

use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;

/// What `InitEx` is given to log by: a format and a `va_list`.
pub type LogFn = unsafe extern "C" fn(*const c_char, *mut c_void);

static LOG: OnceLock<(LogFn, LogFn)> = OnceLock::new();

/// Remembers where lines and warnings go.
pub(crate) fn set(log: LogFn, warn: LogFn) {
    // `InitEx` is called once.
    LOG.get_or_init(|| (log, warn));
}

/// A line with numbers in it.
pub(crate) fn info(format: &CStr, numbers: &[u64]) {
    if let Some((log, _)) = LOG.get() {
        call(*log, format, numbers);
    }
}

/// A warning with numbers in it.
pub(crate) fn warn(format: &CStr, numbers: &[u64]) {
    if let Some((_, warn)) = LOG.get() {
        call(*warn, format, numbers);
    }
}

/// `va_list` on x86-64 (System V ABI, 3.5.7): here no arguments are in registers, all are in memory.
#[repr(C)]
struct Arguments {
    gp_offset: u32,
    fp_offset: u32,
    overflow: *const u64,
    registers: *const c_void,
}

fn call(log: LogFn, format: &CStr, numbers: &[u64]) {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let mut arguments = Arguments {
        gp_offset: 6 * 8,
        fp_offset: 6 * 8 + 8 * 16,
        overflow: numbers.as_ptr(),
        registers: std::ptr::null(),
    };
    // SAFETY: the format has no more conversions than there are numbers, and all of numbers.
    unsafe { log(format.as_ptr(), (&raw mut arguments).cast()) };
}
