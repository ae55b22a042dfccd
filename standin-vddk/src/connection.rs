//! The library and its connections: what is not about one disk.

use std::ffi::{CStr, CString, c_char, c_long, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;

use crate::settings::settings;
use crate::{AUTHENTICATION_FAIL, INVALID_ARG, LogFn, OK, VixError, log, trace};

/// `VixDiskLibConnectParams`, with a user and a password in its union of credentials.
#[repr(C)]
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are VMware's")]
pub struct ConnectParams {
    pub vmx_spec: *const c_char,
    pub server_name: *const c_char,
    pub thumbprint: *const c_char,
    pub private_use: c_long,
    pub cred_type: u32,
    pub user_name: *const c_char,
    pub password: *const c_char,
    pub key: *const c_char,
    pub port: u32,
    pub nfc_host_port: u32,
    pub reserved: [*mut c_char; 3],
    pub storage_object: [*const c_char; 3],
    pub spec_type: u32,
}

/// A connection, as `Open` sees it.
pub(crate) struct Connection {
    /// The thumbprint is not the server's, which only `Open` tells.
    pub(crate) is_mistrusted: bool,
    /// How many disks are open.
    pub(crate) disks: AtomicUsize,
}

/// The thread of `InitEx`, to which opening and closing belong.
static CONTROL: OnceLock<ThreadId> = OnceLock::new();

/// Ends the process unless this is the thread of `InitEx`.
pub(crate) fn on_control_thread(about: usize, call: &str) {
    if CONTROL.get() != Some(&std::thread::current().id()) {
        trace::violation(about, &format!("{call} is not on the thread of InitEx"));
    }
}

/// A string that may be null.
///
/// # Safety
/// `text` is null or a C string.
pub(crate) unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// Initialises the library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_InitEx(
    major: u32,
    minor: u32,
    log: LogFn,
    warn: LogFn,
    _panic: LogFn,
    libdir: *const c_char,
    _config: *const c_char,
) -> VixError {
    if CONTROL.set(std::thread::current().id()).is_err() {
        trace::violation(0, "InitEx is called twice");
    }
    // SAFETY: the caller hands in a C string or null.
    let libdir = unsafe { text(libdir) }.unwrap_or_default();
    trace::line(0, &format!("InitEx version={major}.{minor} libdir={libdir}"));
    log::set(log, warn);
    log::info(c"stand-in for VDDK, interface %u.%u\n", &[major.into(), minor.into()]);
    log::warn(c"VixDiskLib: Get CEIP status failed, %lu tries\n", &[3]);
    OK
}

/// Ends it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Exit() {
    trace::line(0, "Exit");
}

/// What an error is called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_GetErrorText(error: VixError, _locale: *const c_char) -> *mut c_char {
    let text = match error & 0xFFFF {
        1 => "Unknown error".to_owned(),
        3 => "One of the parameters was invalid".to_owned(),
        4 => "A file was not found".to_owned(),
        6 => "The operation is not supported".to_owned(),
        35 => "Cannot log in".to_owned(),
        code => format!("stand-in error {code}"),
    };
    CString::new(text).map_or(std::ptr::null_mut(), CString::into_raw)
}

/// Frees what [`VixDiskLib_GetErrorText`] gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_FreeErrorText(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: the caller got it from `VixDiskLib_GetErrorText`.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// Parameters of all zeroes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_AllocateConnectParams() -> *mut ConnectParams {
    // SAFETY: null pointers and zeroes: each field may be all zeroes.
    Box::into_raw(Box::new(unsafe { std::mem::zeroed() }))
}

/// Frees them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_FreeConnectParams(params: *mut ConnectParams) {
    if !params.is_null() {
        // SAFETY: the caller got it from `VixDiskLib_AllocateConnectParams`.
        drop(unsafe { Box::from_raw(params) });
    }
}

/// Keeps a machine from being moved.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_PrepareForAccess(
    _params: *const ConnectParams,
    _identity: *const c_char,
) -> VixError {
    trace::line(0, "PrepareForAccess");
    OK
}

/// Lets it be moved again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_EndAccess(
    _params: *const ConnectParams,
    _identity: *const c_char,
) -> VixError {
    trace::line(0, "EndAccess");
    OK
}

/// Connects.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_ConnectEx(
    params: *const ConnectParams,
    read_only: c_char,
    snapshot: *const c_char,
    modes: *const c_char,
    connection: *mut *mut c_void,
) -> VixError {
    on_control_thread(0, "ConnectEx");
    // SAFETY: the caller hands in parameters or null.
    let Some(params) = (unsafe { params.as_ref() }) else { return INVALID_ARG };
    // SAFETY: the caller hands in C strings or null.
    let [machine, server, thumbprint, user, password, snapshot, modes] = unsafe {
        [
            text(params.vmx_spec),
            text(params.server_name),
            text(params.thumbprint),
            text(params.user_name),
            text(params.password),
            text(snapshot),
            text(modes),
        ]
    };
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let call = format!(
        "ConnectEx read_only={read_only} server={} machine={} snapshot={} modes={} user={} port={} nfc_port={}",
        shown(&server),
        shown(&machine),
        shown(&snapshot),
        shown(&modes),
        shown(&user),
        params.port,
        params.nfc_host_port
    );
    trace::line(0, &call);
    let is_complete = machine.is_some_and(|machine| machine.starts_with("moref="))
        && params.spec_type == 0
        && params.cred_type == 1
        && thumbprint.is_some() == server.is_some()
        && user.is_some();
    if !is_complete || connection.is_null() {
        return INVALID_ARG;
    }
    if let Some(code) = settings().connect {
        return code;
    }
    if password.is_none_or(|password| password == "wrong") {
        return AUTHENTICATION_FAIL;
    }
    let is_mistrusted = thumbprint.is_some_and(|thumbprint| thumbprint == "bad");
    let made = Box::into_raw(Box::new(Connection { is_mistrusted, disks: AtomicUsize::new(0) }));
    trace::line(made.addr(), "Connected");
    // SAFETY: checked for null above; the caller waits for it to be written.
    unsafe { connection.write(made.cast()) };
    OK
}

/// Ends a connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn VixDiskLib_Disconnect(connection: *mut c_void) -> VixError {
    on_control_thread(connection.addr(), "Disconnect");
    trace::line(connection.addr(), "Disconnect");
    // SAFETY: the caller got it from `VixDiskLib_ConnectEx`.
    let ended = unsafe { Box::from_raw(connection.cast::<Connection>()) };
    if ended.disks.load(Ordering::SeqCst) > 0 {
        trace::violation(connection.addr(), "Disconnect while disks are open");
    }
    OK
}
