//! Lays settings over settings.

use serde_yaml::{Mapping, Value};

/// Lays `over` over `base`: mappings are merged key by key, anything else replaces.
pub(super) fn merge(base: &mut Mapping, over: Mapping) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Mapping(below)), Value::Mapping(above)) => merge(below, above),
            // `auth:` with nothing under it takes nothing away.
            (Some(Value::Mapping(_)), Value::Null) => {}
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}
