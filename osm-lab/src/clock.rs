//! Times and ids as the services write them.

use jiff::Timestamp;
use uuid::Uuid;

/// This instant.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// `2026-11-21T02:39:23Z`: Nova, Neutron, Glance.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-11-21T02:39:23.000000`: Cinder, and Nova where it shows database columns.
pub(crate) fn column(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000000").to_string()
}

/// `2026-11-21T02:39:23.000000Z`: Keystone.
pub(crate) fn micros(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string()
}

/// A fresh id with dashes.
pub(crate) fn new_id() -> String {
    Uuid::new_v4().to_string()
}

/// A fresh id without dashes, as Keystone makes them.
pub(crate) fn new_hex_id() -> String {
    Uuid::new_v4().simple().to_string()
}
