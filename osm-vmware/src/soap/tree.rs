//! An XML answer as a tree of elements, as far as vSphere's answers need one.
//!
//! Prefixes are dropped: vSphere uses one namespace for data, and leaves prefixes out or not as it likes. Names,
//! `xsi:type`, `type` and text are kept. Depth and size are bounded before anything is believed.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use crate::{Error, ErrorKind, Result};

/// The deepest answer: a snapshot tree of 32 levels has some 40.
const DEEPEST: usize = 128;

/// The largest answer, in bytes: a page of a hundred machines with all their devices has some 5 MiB.
pub(crate) const LARGEST: usize = 64 << 20;

/// One element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Its name without prefix.
    pub(crate) name: String,
    /// Which type its value has, by `xsi:type`, without prefix; empty when it does not say.
    pub(crate) kind: String,
    /// What a reference leads to, by `type`; empty when it is no reference.
    pub(crate) reference: String,
    /// Its text, blanks around it left out.
    pub(crate) text: String,
    /// What it holds, in order.
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Reads an answer; gives its outermost element.
    ///
    /// # Errors
    /// `BadResponse`: it is no XML, has no element, is too deep or too large.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = |message: String| Error::new(ErrorKind::BadResponse, message);
        if text.len() > LARGEST {
            return Err(wrong(format!("the answer has {} bytes, more than {LARGEST}", text.len())));
        }
        let mut reader = Reader::from_str(text);
        // What is open, the outermost first; it begins with what holds all.
        let mut open = vec![Self::default()];
        loop {
            let event = reader
                .read_event()
                .map_err(|error| wrong("the answer is no XML".into()).with_source(error))?;
            match event {
                Event::Start(start) => {
                    if open.len() > DEEPEST {
                        return Err(wrong(format!("the answer is deeper than {DEEPEST} elements")));
                    }
                    open.push(Self::of(&start)?);
                }
                Event::Empty(start) => close(&mut open, Self::of(&start)?)?,
                Event::End(_) => {
                    let mut ended =
                        open.pop().ok_or_else(|| wrong("an element ends that has not begun".into()))?;
                    ended.text = ended.text.trim().to_owned();
                    close(&mut open, ended)?;
                }
                Event::Text(text) => add(&mut open, &text),
                Event::CData(data) => add(&mut open, &data),
                Event::GeneralRef(name) => {
                    let reference = format!("&{};", &*name);
                    let meant = unescape(&reference).map_err(|error| {
                        wrong(format!("`{reference}` has no meaning here")).with_source(error)
                    })?;
                    add(&mut open, &meant);
                }
                // A document type could define entities; no vCenter sends one.
                Event::DocType(_) => return Err(wrong("the answer has a document type".into())),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
        }
        let mut top = open.pop().filter(|_| open.is_empty()).unwrap_or_default();
        top.children.pop().ok_or_else(|| wrong("the answer breaks off".into()))
    }

    fn of(start: &BytesStart<'_>) -> Result<Self> {
        let wrong = |source| {
            Error::new(ErrorKind::BadResponse, "an element has no readable attributes").with_source(source)
        };
        let mut element = Self { name: start.local_name().as_ref().to_owned(), ..Self::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(wrong)?;
            match attribute.key.as_ref() {
                "type" => element.reference = attribute.value.into_owned(),
                key if key.ends_with(":type") => {
                    element.kind = attribute.value.rsplit(':').next().unwrap_or_default().to_owned();
                }
                _ => {}
            }
        }
        Ok(element)
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of this name.
    pub(crate) fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// What a way of names leads to: `["backing", "fileName"]`.
    pub(crate) fn at(&self, way: &[&str]) -> Option<&Self> {
        way.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The text that a way of names leads to; none where it is empty.
    pub(crate) fn text_at(&self, way: &[&str]) -> Option<&str> {
        self.at(way).map(|element| element.text.as_str()).filter(|text| !text.is_empty())
    }
}

fn close(open: &mut [Element], ended: Element) -> Result<()> {
    let holder = open.last_mut();
    let holder =
        holder.ok_or_else(|| Error::new(ErrorKind::BadResponse, "the answer has two outermost elements"))?;
    holder.children.push(ended);
    Ok(())
}

/// Adds text to the innermost element.
fn add(open: &mut [Element], text: &str) {
    if let Some(last) = open.last_mut() {
        last.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_with_both_types_is_read() {
        let text = r#"<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="x"><a:val xsi:type="vim25:ManagedObjectReference"
            type="VirtualMachine"> vm-42 </a:val><empty/><t>a &lt;b&gt; &amp; &#x41;&#66;<![CDATA[<raw>]]></t></soapenv:Envelope>"#;
        let tree = Element::parse(text).unwrap();
        assert_eq!(tree.name, "Envelope");
        let value = tree.child("val").unwrap();
        assert_eq!(value.kind, "ManagedObjectReference");
        assert_eq!((value.reference.as_str(), value.text.as_str()), ("VirtualMachine", "vm-42"));
        assert_eq!(tree.text_at(&["t"]), Some("a <b> & AB<raw>"));
        assert_eq!(tree.text_at(&["empty"]), None);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let deep = "<a>".repeat(1000);
        let bomb = r#"<!DOCTYPE a [<!ENTITY b "bbbb">]><a>&b;</a>"#;
        for text in ["", "plain", "<a>", "<a></b>", "<a/><b", "<a>&c;</a>", deep.as_str(), bomb] {
            let read = Element::parse(text);
            assert!(read.is_err_and(|error| error.kind() == ErrorKind::BadResponse), "{text:.20}");
        }
    }
}
