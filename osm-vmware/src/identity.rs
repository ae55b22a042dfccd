//! What vSphere calls things by.

use std::fmt;
use std::str::FromStr;

use crate::{Error, ErrorKind};

/// A managed object reference: `VirtualMachine:vm-42`. Unique within one vCenter only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moref {
    /// The type of the object: `VirtualMachine`, `VirtualMachineSnapshot`.
    pub kind: String,
    /// Its id: `vm-42`.
    pub value: String,
}

impl Moref {
    /// The object of this type and id.
    pub fn new(kind: impl Into<String>, value: impl Into<String>) -> Self {
        Self { kind: kind.into(), value: value.into() }
    }
}

impl fmt::Display for Moref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

impl FromStr for Moref {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some((kind, value)) if !kind.is_empty() && !value.is_empty() => {
                Ok(Self { kind: kind.to_owned(), value: value.to_owned() })
            }
            _ => Err(Error::new(ErrorKind::BadResponse, format!("`{text}` is no managed object reference"))),
        }
    }
}

/// The key of a virtual device within its machine: 2000 is the first disk of the first SCSI
/// controller. It stays when the disk's file moves; labels and files do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceKey(pub i32);

impl fmt::Display for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moref_is_read_as_it_is_written() {
        let moref: Moref = "VirtualMachine:vm-42".parse().unwrap();
        assert_eq!((moref.kind.as_str(), moref.value.as_str()), ("VirtualMachine", "vm-42"));
        assert_eq!(moref.to_string(), "VirtualMachine:vm-42");
        for wrong in ["", "vm-42", ":vm-42", "VirtualMachine:"] {
            assert!(wrong.parse::<Moref>().is_err());
        }
    }
}
