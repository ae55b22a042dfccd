//! What a vCenter reads and writes: elements of calls, and data objects of answers.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::{BytesStart, Event};

/// A reference to a managed object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moref {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
}

impl Moref {
    pub(crate) fn new(kind: &'static str, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }
}

/// An element of an answer, with the type of what it holds.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    name: Cow<'static, str>,
    /// The type that `xsi:type` names.
    kind: Cow<'static, str>,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Text(String),
    Reference(Moref),
    Object(Vec<Node>),
    /// Elements of one type, called after the property that they are the value of.
    List(Vec<Node>),
    /// A value that tells its type itself.
    Any(Box<Node>),
}

type Name = Cow<'static, str>;

impl Node {
    /// A text of this type: `xsd:string`, or an enumeration.
    pub(crate) fn word(name: impl Into<Name>, kind: &'static str, text: impl ToString) -> Self {
        Self { name: name.into(), kind: kind.into(), content: Content::Text(text.to_string()) }
    }

    pub(crate) fn text(name: impl Into<Name>, text: impl ToString) -> Self {
        Self::word(name, "xsd:string", text)
    }

    pub(crate) fn flag(name: impl Into<Name>, flag: bool) -> Self {
        Self::word(name, "xsd:boolean", flag)
    }

    pub(crate) fn int(name: impl Into<Name>, number: impl ToString) -> Self {
        Self::word(name, "xsd:int", number)
    }

    pub(crate) fn long(name: impl Into<Name>, number: impl ToString) -> Self {
        Self::word(name, "xsd:long", number)
    }

    pub(crate) fn time(name: impl Into<Name>, time: jiff::Timestamp) -> Self {
        Self::word(name, "xsd:dateTime", crate::clock::micros(time))
    }

    pub(crate) fn reference(name: impl Into<Name>, object: &Moref) -> Self {
        let content = Content::Reference(object.clone());
        Self { name: name.into(), kind: "ManagedObjectReference".into(), content }
    }

    /// A data object of this type.
    pub(crate) fn object(name: impl Into<Name>, kind: impl Into<Name>, children: Vec<Self>) -> Self {
        Self { name: name.into(), kind: kind.into(), content: Content::Object(children) }
    }

    /// An array of what is of this type: `VirtualDevice`, `string`, `ManagedObjectReference`.
    pub(crate) fn list(name: impl Into<Name>, item: &'static str, items: Vec<Self>) -> Self {
        Self { name: name.into(), kind: item.into(), content: Content::List(items) }
    }

    /// An array of references.
    pub(crate) fn references(name: impl Into<Name>, objects: impl IntoIterator<Item = Moref>) -> Self {
        let items = objects.into_iter().map(|object| Self::reference("", &object)).collect();
        Self::list(name, "ManagedObjectReference", items)
    }

    /// What a way of names below it leads to.
    pub(crate) fn at(&self, way: &str) -> Option<&Self> {
        way.split('.').filter(|name| !name.is_empty()).try_fold(self, |node, name| match &node.content {
            Content::Object(children) => children.iter().find(|child| child.name == name),
            _ => None,
        })
    }

    /// The objects that it leads to, if it is a reference or an array of them.
    pub(crate) fn targets(&self) -> Vec<Moref> {
        match &self.content {
            Content::Reference(object) => vec![object.clone()],
            Content::List(items) => items.iter().flat_map(Self::targets).collect(),
            _ => Vec::new(),
        }
    }

    /// Writes it as an element of a data object, where its type is known but for objects that can be of several.
    pub(crate) fn write(&self, out: &mut String) {
        self.write_as(&self.name, out);
    }

    /// The same under another name.
    pub(crate) fn write_as(&self, name: &str, out: &mut String) {
        match &self.content {
            Content::Text(text) => out.push_str(&format!("<{name}>{}</{name}>", escape(text.as_str()))),
            Content::Reference(Moref { kind, id }) => {
                out.push_str(&format!(r#"<{name} type="{kind}">{}</{name}>"#, escape(id.as_str())));
            }
            Content::Object(children) => {
                let kind = match &*self.kind {
                    "" => String::new(),
                    kind => format!(r#" xsi:type="{kind}""#),
                };
                out.push_str(&format!("<{name}{kind}>"));
                children.iter().for_each(|child| child.write(out));
                out.push_str(&format!("</{name}>"));
            }
            Content::List(items) => items.iter().for_each(|item| item.write_as(name, out)),
            Content::Any(value) => value.write_value(name, out),
        }
    }

    /// Writes it as a value that can be of any type.
    pub(crate) fn write_value(&self, name: &str, out: &mut String) {
        let kind = &self.kind;
        match &self.content {
            Content::Text(text) => {
                out.push_str(&format!(r#"<{name} xsi:type="{kind}">{}</{name}>"#, escape(text.as_str())));
            }
            Content::Reference(object) => out.push_str(&format!(
                r#"<{name} xsi:type="ManagedObjectReference" type="{}">{}</{name}>"#,
                object.kind,
                escape(object.id.as_str())
            )),
            Content::Object(_) => self.write_as(name, out),
            Content::List(items) => {
                let mut letters = kind.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase()).unwrap_or_default();
                out.push_str(&format!(r#"<{name} xsi:type="ArrayOf{first}{}">"#, letters.as_str()));
                items.iter().for_each(|item| item.write_as(kind, out));
                out.push_str(&format!("</{name}>"));
            }
            Content::Any(value) => value.write_value(name, out),
        }
    }

    /// A value of any type: `val` of a property.
    pub(crate) fn any(name: &'static str, value: Self) -> Self {
        Self { name: name.into(), kind: "".into(), content: Content::Any(Box::new(value)) }
    }
}

/// An element of a call. Prefixes are dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    /// Its type by `xsi:type`; empty when it does not say.
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Reads a text; none when it is no XML of one element.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader::from_str(text);
        // What is open, the outermost first; it begins with what holds all.
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => open.push(Self::of(&start)?),
                Event::Empty(start) => open.last_mut()?.children.push(Self::of(&start)?),
                Event::End(_) => {
                    let mut ended = open.pop()?;
                    // Blanks between elements are no text; those around a password are.
                    if !ended.children.is_empty() {
                        ended.text.clear();
                    }
                    open.last_mut()?.children.push(ended);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text),
                Event::CData(text) => open.last_mut()?.text.push_str(&text),
                Event::GeneralRef(name) => {
                    open.last_mut()?.text.push_str(&unescape(&format!("&{};", &*name)).ok()?);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let mut top = open.pop().filter(|_| open.is_empty())?;
        top.children.pop()
    }

    fn of(start: &BytesStart<'_>) -> Option<Self> {
        let mut element = Self { name: start.local_name().as_ref().to_owned(), ..Self::default() };
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            if attribute.key.as_ref().ends_with(":type") {
                element.kind = attribute.value.rsplit(':').next().unwrap_or_default().to_owned();
            }
        }
        Some(element)
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(crate) fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of a child; empty when there is none.
    pub(crate) fn text_of(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| &child.text)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.text_of(name).trim(), "true" | "1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_tells_its_type_and_a_property_does_not() {
        let machine = Moref::new("VirtualMachine", "vm-1");
        let list = Node::references("vm", [machine.clone()]);
        let mut text = String::new();
        list.write(&mut text);
        list.write_value("val", &mut text);
        Node::text("name", "a<b").write_value("val", &mut text);
        assert_eq!(
            text,
            "<vm type=\"VirtualMachine\">vm-1</vm>\
             <val xsi:type=\"ArrayOfManagedObjectReference\"><ManagedObjectReference type=\"VirtualMachine\">vm-1\
             </ManagedObjectReference></val><val xsi:type=\"xsd:string\">a&lt;b</val>"
        );
        assert_eq!(list.targets(), [machine]);
    }

    #[test]
    fn a_password_is_read_as_it_was_meant() {
        let call =
            Element::parse("<s:a xmlns:s='x'><p> a&amp;&#60; </p><q xsi:type='v:T'/>\n</s:a>").unwrap();
        assert_eq!((call.name.as_str(), call.text_of("p")), ("a", " a&< "));
        assert_eq!(call.child("q").unwrap().kind, "T");
        assert!(Element::parse("<a><b></a>").is_none() && Element::parse("").is_none());
    }
}
