//! Sources around sources: each does one thing more and is a [`BlockSource`](crate::block::BlockSource)
//! itself.
//!
//! ```text
//!   Throttle   no more than so many bytes a second
//!   Reconnect  opens its disk again when the connection breaks, and asks again
//! ```

mod reconnect;
mod throttle;

pub use self::reconnect::{Patience, Reconnect};
pub use self::throttle::{Rate, Throttle};
