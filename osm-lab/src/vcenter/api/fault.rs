//! SOAP faults.

use crate::vcenter::fault::VFaultKind;
use crate::vcenter::xml::{Moref, Node};

/// Why a method, or a task, failed.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    kind: String,
    key: Option<String>,
    pub(crate) message: String,
    detail: Vec<Node>,
}

impl Fault {
    pub(crate) fn new(kind: &str, message: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), key: None, message: message.into(), detail: Vec::new() }
    }

    /// The same with the key of its message.
    pub(crate) fn key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// The same with one element more.
    pub(crate) fn with(mut self, node: Node) -> Self {
        self.detail.push(node);
        self
    }

    pub(crate) fn invalid_argument(property: &str) -> Self {
        let message = format!("A specified parameter was not correct: {property}");
        Self::new("InvalidArgument", message).with(Node::text("invalidProperty", property.to_owned()))
    }

    pub(crate) fn gone(object: &Moref) -> Self {
        let message = format!(
            "The object 'vim.{}:{}' has already been deleted or has not been completely created",
            object.kind, object.id
        );
        Self::new("ManagedObjectNotFound", message).with(Node::reference("obj", object))
    }

    pub(crate) fn no_method(object: &Moref, method: &str) -> Self {
        Self::new("MethodNotFound", format!("The method is not supported on the object: {method}"))
            .with(Node::reference("receiver", object))
            .with(Node::text("method", method))
    }

    pub(crate) fn not_authenticated() -> Self {
        Self::new("NotAuthenticated", "The session is not authenticated.")
            .with(Node::reference("object", &Moref::new("Folder", "group-d1")))
            .with(Node::text("privilegeId", "System.View"))
    }

    pub(crate) fn power_state(requested: &str, existing: &str) -> Self {
        Self::new("InvalidPowerState", "The attempted operation cannot be performed in the current state.")
            .with(Node::word("requestedState", "VirtualMachinePowerState", requested))
            .with(Node::word("existingState", "VirtualMachinePowerState", existing))
    }

    /// A fault of a file, with the key that tells what of it.
    pub(crate) fn file(file: &str, key: &str, message: &str) -> Self {
        Self::new("FileFault", message).key(key).with(Node::text("file", file.to_owned()))
    }

    /// A file of the lab cannot be written or read.
    pub(crate) fn internal(error: &std::io::Error) -> Self {
        Self::new("SystemError", format!("A general system error occurred: {error}"))
            .with(Node::text("reason", error))
    }

    /// The fault that was asked for.
    pub(crate) fn wanted(kind: &VFaultKind) -> Option<Self> {
        match kind {
            VFaultKind::Soap { kind, key, message, detail } => {
                let nodes = detail.iter().map(|(name, text)| Node::text(name.clone(), text)).collect();
                Some(Self { kind: kind.clone(), key: key.clone(), message: message.clone(), detail: nodes })
            }
            VFaultKind::TaskFails { kind, message } => Some(Self::new(kind, message.clone())),
            _ => None,
        }
    }

    fn inside(&self) -> Vec<Node> {
        let key = self.key.as_ref().map(|key| {
            let parts = vec![Node::text("key", key), Node::text("message", &self.message)];
            Node::object("faultMessage", "", parts)
        });
        key.into_iter().chain(self.detail.iter().cloned()).collect()
    }

    /// As a task tells it.
    pub(crate) fn localized(&self, name: &'static str) -> Node {
        let fault = Node::object("fault", self.kind.clone(), self.inside());
        Node::object(name, "LocalizedMethodFault", vec![fault, Node::text("localizedMessage", &self.message)])
    }

    /// As the body of an envelope.
    pub(crate) fn body(&self) -> String {
        let (kind, mut inside) = (&self.kind, String::new());
        self.inside().iter().for_each(|node| node.write(&mut inside));
        let message = quick_xml::escape::escape(self.message.as_str());
        format!(
            "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{message}</faultstring><detail>\
             <{kind}Fault xmlns=\"urn:vim25\" xsi:type=\"{kind}\">{inside}</{kind}Fault></detail></soapenv:Fault>"
        )
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::internal(&error)
    }
}
