//! Disks around disks: each does one thing more, and is a [`BlockSource`](crate::block::BlockSource) or a
//! [`BlockSink`](crate::block::BlockSink) itself.
//!
//! ```text
//!   Throttle   no more than so many bytes a second
//!   Reconnect  opens its disk again when the connection breaks, and asks again
//!   Known      has its data where somebody else says
//!   Counted    counts requests, bytes and failures
//!   Faulty     fails on purpose, in tests
//!
//!   Differing  is written only where it differs
//!   Dense      gets zeroes as bytes
//!   Proven     remembers what was written, and is read again
//! ```

mod counted;
mod dense;
mod differing;
mod faulty;
mod known;
mod proven;
mod reconnect;
mod throttle;

pub use self::counted::{Counted, Counts};
pub use self::dense::Dense;
pub use self::differing::Differing;
pub use self::faulty::Faulty;
pub use self::known::Known;
pub use self::proven::Proven;
pub use self::reconnect::{Patience, Reconnect};
pub use self::throttle::{Rate, Throttle};
