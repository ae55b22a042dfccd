//! Faults: told apart by their type, never by their text.

use super::Element;
use crate::error::Told;
use crate::{Error, ErrorKind};

/// Why a method failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Its type: `InvalidLogin`, `FileFault`.
    pub(crate) kind: String,
    /// What it says to people.
    pub(crate) message: String,
    /// The keys of its messages, which tell the reasons of change tracking apart.
    pub(crate) keys: Vec<String>,
    /// What it holds.
    pub(crate) detail: Element,
}

impl Fault {
    /// The fault of a call.
    pub(super) fn of(fault: &Element) -> Self {
        let detail = fault.child("detail").and_then(|detail| detail.children.first());
        let message = fault.text_at(&["faultstring"]).unwrap_or_default();
        Self::new(detail.cloned().unwrap_or_default(), message)
    }

    /// The fault of a task: its `error`.
    pub(crate) fn of_task(error: &Element) -> Self {
        let message = error.text_at(&["localizedMessage"]).unwrap_or_default();
        Self::new(error.child("fault").cloned().unwrap_or_default(), message)
    }

    fn new(detail: Element, message: &str) -> Self {
        // The element is called after the type, so it tells the type where `xsi:type` is left out.
        let kind = match detail.kind.as_str() {
            "" => detail.name.strip_suffix("Fault").unwrap_or(&detail.name).to_owned(),
            kind => kind.to_owned(),
        };
        let keys =
            detail.all("faultMessage").filter_map(|message| message.text_at(&["key"])).map(str::to_owned);
        Self { keys: keys.collect(), kind, message: message.to_owned(), detail }
    }

    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let kind = match fault.kind.as_str() {
            "InvalidLogin" | "NotAuthenticated" | "NoPermission" => ErrorKind::Auth,
            "ManagedObjectNotFound" | "NotFound" => ErrorKind::NotFound,
            "MethodNotFound" | "NotSupported" | "NotImplemented" => ErrorKind::Unsupported,
            _ => ErrorKind::Refused,
        };
        let named = if fault.kind.is_empty() { "a fault" } else { &fault.kind };
        // The text is often the same whatever the reason; the key tells it.
        let key = fault.keys.first().map(|key| format!(" ({key})")).unwrap_or_default();
        let error = Self::new(kind, format!("{named}: {}{key}", fault.message)).with_fault(Told {
            kind: fault.kind.clone(),
            keys: fault.keys,
            property: fault.detail.text_at(&["invalidProperty"]).map(str::to_owned),
        });
        match fault.detail.text_at(&["privilegeId"]) {
            Some(privilege) if fault.kind == "NoPermission" => {
                error.with_hint(format!("the user needs the privilege {privilege}"))
            }
            _ => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_by_its_type() {
        let text = r#"<Fault><faultstring>Error caused by file /vmfs/x</faultstring><detail><FileFaultFault xsi:type="vim25:FileFault">
            <faultMessage><key>vim.hostd.vmsvc.cbt.cannotGetChanges</key><message>m</message></faultMessage><file>x</file>
            </FileFaultFault></detail></Fault>"#;
        let fault = Fault::of(&Element::parse(text).unwrap());
        assert!(fault.is("FileFault"));
        assert_eq!(fault.keys, ["vim.hostd.vmsvc.cbt.cannotGetChanges"]);
        assert_eq!(Error::from(fault).kind(), ErrorKind::Refused);
        let untyped = Element::parse("<Fault><detail><InvalidLoginFault/></detail></Fault>").unwrap();
        assert_eq!(Error::from(Fault::of(&untyped)).kind(), ErrorKind::Auth);
    }
}
