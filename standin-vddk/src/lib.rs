//! A stand-in for VMware's `libvixDiskLib.so`, for tests: local files instead of an ESXi host's disks.
//!
//! It has VDDK's C interface and more of a temper: whoever calls a disk from two threads at once, closes one that still
//! reads, or opens one on another thread than that of `InitEx`, is told so in the trace, and the process is aborted.
//! The environment says what it does, and is read once, by `InitEx`:
//!
//! | variable | |
//! |---|---|
//! | `VIX_STANDIN_ROOT` | the folder of datastores: `[ds] dir/x.vmdk` and `[ds] dir/x-000001.vmdk` are `ds/dir/x-flat.vmdk` in it; any other path is one of this machine |
//! | `VIX_STANDIN_TRACE` | the file that each call is added to, a line each |
//! | `VIX_STANDIN_FAIL` | what fails, comma-separated: `read:N:CODE` the N-th read, `crash:N` the process at the N-th read, `open:CODE`, `connect:CODE`, `query:CODE`, `async:CODE` each such call |
//! | `VIX_STANDIN_DELAY_MS` | how long each read takes |
//! | `VIX_STANDIN_INLINE` | `1`: reads are completed before `ReadAsync` returns; else by a thread, the newest first |
//!
//! The password `wrong` is refused when connecting; the thumbprint `bad` when opening, as VDDK does.

#![allow(non_snake_case, reason = "the names are VMware's")]
#![allow(clippy::missing_safety_doc, reason = "each function demands what VDDK's of that name does")]

mod connection;
mod disk;
mod image;
mod log;
mod reads;
mod settings;
mod trace;

pub use self::connection::{
    ConnectParams, VixDiskLib_AllocateConnectParams, VixDiskLib_ConnectEx, VixDiskLib_Disconnect,
    VixDiskLib_EndAccess, VixDiskLib_Exit, VixDiskLib_FreeConnectParams, VixDiskLib_FreeErrorText,
    VixDiskLib_GetErrorText, VixDiskLib_InitEx, VixDiskLib_PrepareForAccess,
};
pub use self::disk::{
    Block, BlockList, Info, VixDiskLib_Close, VixDiskLib_Create, VixDiskLib_Flush, VixDiskLib_FreeBlockList,
    VixDiskLib_FreeInfo, VixDiskLib_GetInfo, VixDiskLib_GetTransportMode, VixDiskLib_Open,
    VixDiskLib_QueryAllocatedBlocks, VixDiskLib_Read, VixDiskLib_ReadAsync, VixDiskLib_Wait,
    VixDiskLib_Write, VixDiskLib_WriteAsync,
};
pub use self::log::LogFn;
pub use self::reads::CompletionFn;

/// `VixError`: 0 is success.
pub type VixError = u64;

pub(crate) const OK: VixError = 0;
pub(crate) const FAIL: VixError = 1;
pub(crate) const INVALID_ARG: VixError = 3;
pub(crate) const FILE_NOT_FOUND: VixError = 4;
pub(crate) const NOT_SUPPORTED: VixError = 6;
pub(crate) const AUTHENTICATION_FAIL: VixError = 35;
pub(crate) const ASYNC: VixError = 25000;

/// The bytes of a sector.
pub(crate) const SECTOR: u64 = 512;
