//! What is wanted against what is there.

use std::fmt::Display;
use std::net::IpAddr;

use crate::error::{Error, ErrorKind, Result};

/// The value to send, if one is wanted and another is there.
pub(super) fn changed<T: PartialEq + Clone>(want: Option<&T>, has: Option<&T>) -> Option<T> {
    want.filter(|want| has != Some(want)).cloned()
}

/// As [`changed`], for text, where none and empty are the same.
pub(super) fn changed_text(want: Option<&str>, has: Option<&str>) -> Option<String> {
    want.filter(|want| has.unwrap_or_default() != *want).map(str::to_owned)
}

/// As [`changed`], for a flag, where none and false are the same.
pub(super) fn changed_flag(want: Option<bool>, has: Option<bool>) -> Option<bool> {
    want.filter(|want| has.unwrap_or_default() != *want)
}

/// Whether the tags differ. Neutron's database takes "Web" and "web" for one tag.
pub(super) fn tags_differ(want: &[String], has: &[String]) -> bool {
    let folded = |tags: &[String]| {
        let mut tags: Vec<String> = tags.iter().map(|tag| tag.to_lowercase()).collect();
        tags.sort();
        tags.dedup();
        tags
    };
    folded(want) != folded(has)
}

/// Whether two texts are the same address or network, however written.
pub(super) fn same_address(one: &str, two: &str) -> bool {
    let parts = |text: &str| {
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        (address.trim().parse::<IpAddr>().ok(), prefix.map(str::to_owned))
    };
    one == two || (parts(one).0.is_some() && parts(one) == parts(two))
}

/// Collects what differs and cannot be changed.
pub(super) struct Conflicts<'a> {
    what: &'a str,
    cloud: &'a str,
    found: Vec<String>,
}

impl<'a> Conflicts<'a> {
    pub(super) fn of(what: &'a str, cloud: &'a str) -> Self {
        Self { what, cloud, found: Vec::new() }
    }

    /// Compares a value that cannot be changed. A value that is not shown is not compared.
    pub(super) fn fixed<T: PartialEq + Display>(&mut self, field: &str, want: Option<T>, has: Option<T>) {
        if let (Some(want), Some(has)) = (want, has)
            && want != has
        {
            self.add(field, &want.to_string(), &has.to_string());
        }
    }

    pub(super) fn add(&mut self, field: &str, want: &str, has: &str) {
        self.found.push(format!("{field} is `{has}` there and `{want}` in the file"));
    }

    /// An error that names all of them.
    pub(super) fn check(self) -> Result<()> {
        if self.found.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{} is in cloud `{}` already and cannot be changed to what the file says: {}: rename or delete it \
             there, or correct the file",
            self.what,
            self.cloud,
            self.found.join("; ")
        );
        Err(Error::new(ErrorKind::Conflict, message))
    }
}

/// The error about several objects of one name.
pub(super) fn several(what: &str, cloud: &str, ids: &[&str]) -> Error {
    let (count, ids) = (ids.len(), ids.join(", "));
    let message = format!("{what} is {count} times in cloud `{cloud}` ({ids}): rename or delete all but one");
    Error::new(ErrorKind::Conflict, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_neither_sent_nor_compared() {
        assert_eq!(changed::<u64>(None, Some(&1)), None);
        assert_eq!(changed(Some(&2), Some(&1)), Some(2));
        assert_eq!(changed_text(Some(""), None), None);
        assert_eq!(changed_flag(Some(false), None), None);
        assert_eq!(changed_flag(Some(true), None), Some(true));
    }

    #[test]
    fn addresses_are_equal_however_written() {
        assert!(same_address("fd00:0:0::1", "fd00::1"));
        assert!(same_address("FD00::/64", "fd00::/64"));
        assert!(!same_address("10.0.0.0/24", "10.0.0.0/25"));
        assert!(!same_address("10.0.0.1", "10.0.0.2"));
    }

    #[test]
    fn tags_are_a_set_without_case() {
        let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
        assert!(!tags_differ(&tags(&["b", "A"]), &tags(&["a", "B", "b"])));
        assert!(tags_differ(&tags(&["a"]), &tags(&[])));
    }

    #[test]
    fn a_conflict_names_object_field_and_both_values() {
        let mut conflicts = Conflicts::of("subnet `a`", "dst");
        conflicts.fixed("cidr", Some("10.0.0.0/24"), Some("10.1.0.0/24"));
        conflicts.fixed("ip_version", Some(4), None);
        let error = conflicts.check().unwrap_err().to_string();
        for part in ["subnet `a`", "cloud `dst`", "cidr", "10.0.0.0/24", "10.1.0.0/24"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("ip_version"), "{error}");
    }
}
