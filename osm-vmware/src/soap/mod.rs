//! SOAP as vSphere speaks it: one method an envelope, references with a `type`, errors as faults.

mod fault;
mod request;
mod tree;

pub(crate) use self::fault::Fault;
pub(crate) use self::request::Request;
pub(crate) use self::tree::{Element, LARGEST};

use crate::{Error, ErrorKind, Result};

/// What a method answered: what its response holds, or the fault it ended with.
///
/// # Errors
/// `BadResponse`: the answer is neither.
pub(crate) fn read(answer: &str) -> Result<std::result::Result<Element, Fault>> {
    let wrong = |message: &str| Error::new(ErrorKind::BadResponse, message);
    let mut envelope = Element::parse(answer)?;
    if envelope.name != "Envelope" {
        return Err(wrong(
            "the answer is no SOAP envelope: is this the address of a vCenter or an ESXi host?",
        ));
    }
    let body = envelope.children.iter_mut().find(|child| child.name == "Body");
    let body = body.ok_or_else(|| wrong("the answer's envelope has no body"))?;
    let content = body.children.pop().ok_or_else(|| wrong("the answer's body is empty"))?;
    match content.name.as_str() {
        "Fault" => Ok(Err(Fault::of(&content))),
        name if name.ends_with("Response") => Ok(Ok(content)),
        name => Err(wrong(&format!("the answer's body holds {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(body: &str) -> String {
        format!(
            r#"<soapenv:Envelope xmlns:soapenv="x"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"#
        )
    }

    #[test]
    fn an_answer_is_a_response_or_a_fault() {
        let response =
            read(&envelope("<CurrentTimeResponse><returnval>now</returnval></CurrentTimeResponse>"));
        assert_eq!(response.unwrap().unwrap().text_at(&["returnval"]), Some("now"));
        let fault = envelope(
            r#"<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>no</faultstring><detail>
               <NotAuthenticatedFault xsi:type="NotAuthenticated"><privilegeId>System.View</privilegeId></NotAuthenticatedFault>
               </detail></soapenv:Fault>"#,
        );
        assert!(read(&fault).unwrap().unwrap_err().is("NotAuthenticated"));
        for text in [String::new(), "<html/>".into(), envelope(""), envelope("<a/>"), "<Envelope/>".into()] {
            assert!(read(&text).is_err(), "{text}");
        }
    }
}
