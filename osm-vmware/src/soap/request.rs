//! The body of a call, written in the order in which the schema has its elements: a real server insists on it.

use crate::Moref;

/// A call of a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The method's name.
    pub(crate) method: &'static str,
    body: String,
}

impl Request {
    /// A call of a method of an object.
    pub(crate) fn new(method: &'static str, this: &Moref) -> Self {
        Self { method, body: String::new() }.reference("_this", this)
    }

    /// An element with text.
    #[must_use]
    pub(crate) fn text(mut self, name: &str, text: &str) -> Self {
        self.body.push_str(&format!("<{name}>{}</{name}>", escaped(text)));
        self
    }

    /// An element that leads to an object.
    #[must_use]
    pub(crate) fn reference(mut self, name: &str, object: &Moref) -> Self {
        let (kind, id) = (escaped(&object.kind), escaped(&object.value));
        self.body.push_str(&format!(r#"<{name} type="{kind}">{id}</{name}>"#));
        self
    }

    /// An element that holds others.
    #[must_use]
    pub(crate) fn nested(self, name: &str, fill: impl FnOnce(Self) -> Self) -> Self {
        self.typed(name, "", fill)
    }

    /// The same with the type that it has of several.
    #[must_use]
    pub(crate) fn typed(mut self, name: &str, kind: &str, fill: impl FnOnce(Self) -> Self) -> Self {
        match kind {
            "" => self.body.push_str(&format!("<{name}>")),
            kind => self.body.push_str(&format!(r#"<{name} xsi:type="{kind}">"#)),
        }
        let mut filled = fill(self);
        filled.body.push_str(&format!("</{name}>"));
        filled
    }

    /// The envelope.
    pub(crate) fn envelope(&self) -> String {
        let Self { method, body } = self;
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><Body><{method} xmlns="urn:vim25">{body}</{method}></Body></Envelope>"#
        )
    }
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Element;
    use super::*;

    #[test]
    fn what_is_written_is_read_as_it_was_meant() {
        let machine = Moref::new("VirtualMachine", "vm-42");
        let request = Request::new("Rename_Task", &machine).text("newName", r#"a <b> & "c" 'd'"#).typed(
            "spec",
            "TraversalSpec",
            |spec| spec.text("skip", "false"),
        );
        let tree = Element::parse(&request.envelope()).unwrap();
        let call = tree.at(&["Body", "Rename_Task"]).unwrap();
        assert_eq!(call.text_at(&["newName"]), Some(r#"a <b> & "c" 'd'"#));
        assert_eq!(call.child("_this").unwrap().reference, "VirtualMachine");
        assert_eq!(call.child("spec").unwrap().kind, "TraversalSpec");
        assert_eq!(call.text_at(&["spec", "skip"]), Some("false"));
    }
}
