//! Sources around sources: each does one thing more and is a [`BlockSource`](crate::block::BlockSource)
//! itself.
//!
//! ```text
//!   Throttle   no more than so many bytes a second
//!   Reconnect  opens its disk again when the connection breaks, and asks again
//!   Counted    counts requests, bytes and failures
//!   Faulty     fails on purpose, in tests
//! ```

mod counted;
mod faulty;
mod reconnect;
mod throttle;

pub use self::counted::{Counted, Counts};
pub use self::faulty::Faulty;
pub use self::reconnect::{Patience, Reconnect};
pub use self::throttle::{Rate, Throttle};
