//! Change ids: what a copy contains, and whether a delta can bring it up to date.

use std::fmt;
use std::str::FromStr;

use crate::{Error, ErrorKind};

/// A change id: a line of changes, and a point on it. Written `52 de c0 d9 ... /7`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChangeId {
    line: String,
    sequence: u64,
}

/// How a copy can be brought to the state of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delta {
    /// It is there already.
    Nothing,
    /// By the areas that changed since.
    Areas,
    /// Only by comparing every block.
    Everything,
}

impl ChangeId {
    /// How a copy that is known to contain `copy` comes to the state of `self`, the change id of a
    /// snapshot of the same disk. A copy of which nothing is known needs everything.
    pub fn delta_since(&self, copy: Option<&Self>) -> Delta {
        match copy {
            Some(copy) if copy.line != self.line => Delta::Everything,
            // A copy from the future: the machine was reverted to an older snapshot.
            Some(copy) if copy.sequence > self.sequence => Delta::Everything,
            Some(copy) if copy.sequence == self.sequence => Delta::Nothing,
            Some(_) => Delta::Areas,
            None => Delta::Everything,
        }
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.line, self.sequence)
    }
}

impl FromStr for ChangeId {
    type Err = Error;

    /// An empty text is an error: a disk without change id keeps no record of changes, and two
    /// such disks are not "unchanged".
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::new(ErrorKind::CbtUnavailable, "the disk has no change id"));
        }
        let wrong = || Error::new(ErrorKind::BadResponse, format!("`{text}` is no change id"));
        let (line, sequence) = text.rsplit_once('/').ok_or_else(wrong)?;
        if line.trim().is_empty() {
            return Err(wrong());
        }
        let sequence = sequence.parse().map_err(|source| wrong().with_source(source))?;
        Ok(Self { line: line.to_owned(), sequence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ChangeId {
        text.parse().unwrap()
    }

    #[test]
    fn only_one_line_of_changes_gives_a_delta() {
        let now = id("52 de c0 d9/7");
        assert_eq!(now.delta_since(Some(&id("52 de c0 d9/5"))), Delta::Areas);
        assert_eq!(now.delta_since(Some(&id("52 de c0 d9/7"))), Delta::Nothing);
        assert_eq!(now.delta_since(Some(&id("52 de c0 d9/9"))), Delta::Everything);
        assert_eq!(now.delta_since(Some(&id("11 11 11 11/5"))), Delta::Everything);
        assert_eq!(now.delta_since(None), Delta::Everything);
    }

    #[test]
    fn no_change_id_is_never_no_change() {
        assert_eq!("".parse::<ChangeId>().unwrap_err().kind(), ErrorKind::CbtUnavailable);
        for wrong in ["7", "/7", "52 de/", "52 de/x"] {
            assert_eq!(wrong.parse::<ChangeId>().unwrap_err().kind(), ErrorKind::BadResponse);
        }
        assert_eq!(id("52 de c0 d9/7").to_string(), "52 de c0 d9/7");
    }
}
