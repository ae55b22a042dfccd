//! `/sdk`: SOAP calls.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::dispatch::{self, Answer, Asked};
use super::fault::Fault;
use super::mishap::Mishap;
use super::session;
use crate::api::listener::Wire;
use crate::vcenter::core::{Call, Core};
use crate::vcenter::xml::Element;

/// No call is larger.
const LARGEST_BODY: usize = 4 << 20;

/// The cookie that a session is known by.
const COOKIE: &str = "vmware_soap_session";

/// Answers one call.
pub(super) async fn answer(core: Arc<Core>, wire: &Wire, request: Request) -> Response {
    let cookie = cookie(request.headers());
    let Ok(body) = to_bytes(request.into_body(), LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let text = String::from_utf8_lossy(&body).into_owned();
    let Some(args) = call(&text) else {
        return refuse(&Fault::new("InvalidRequest", "The request is no SOAP envelope with a method."));
    };
    let (method, object) = (args.name.clone(), args.text_of("_this").trim().to_owned());
    record(&core, &method, &object, text, &args);

    let mishap = Mishap::of(&core, wire, &method, &object).await;
    if let Some(instead) = mishap.instead() {
        return instead;
    }
    let session = match session::of(&core, cookie, &method).await {
        Ok(session) => session,
        Err(fault) => return mishap.hit(refuse(&fault)),
    };
    if let Some(fault) = &mishap.fault {
        return mishap.hit(refuse(fault));
    }
    let asked = Asked { method, this: object, args, session, mishap: mishap.task.clone() };
    let name = asked.method.clone();
    let response = match dispatch::dispatch(core, asked).await {
        Ok(answer) => accept(&name, &answer),
        Err(fault) => refuse(&fault),
    };
    mishap.hit(response)
}

/// The value of the session's cookie. One that is sent with its attributes, as pyvmomi does, is one, too.
pub(super) fn cookie(headers: &HeaderMap) -> Option<String> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.trim_matches('"').to_owned())
}

/// The element of the method.
fn call(text: &str) -> Option<Element> {
    let envelope = Element::parse(text).filter(|envelope| envelope.name == "Envelope")?;
    let body = envelope.children.into_iter().find(|child| child.name == "Body")?;
    body.children.into_iter().next()
}

fn record(core: &Core, method: &str, object: &str, text: String, args: &Element) {
    // Of a login only the user is kept.
    let body = match method.starts_with("Login") {
        true => format!("<{method}><userName>{}</userName></{method}>", args.text_of("userName")),
        false => text,
    };
    core.record(Call { method: method.to_owned(), object: object.to_owned(), body });
}

fn accept(method: &str, answer: &Answer) -> Response {
    let mut inside = String::new();
    answer.values.iter().for_each(|value| value.write_as("returnval", &mut inside));
    let body = format!("<{method}Response xmlns=\"urn:vim25\">{inside}</{method}Response>");
    let mut response = envelope(StatusCode::OK, &body);
    if let Some(value) = &answer.cookie {
        let cookie = format!("{COOKIE}=\"{value}\"; Path=/; HttpOnly; Secure;");
        if let Ok(cookie) = cookie.parse() {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
    response
}

fn refuse(fault: &Fault) -> Response {
    envelope(StatusCode::INTERNAL_SERVER_ERROR, &fault.body())
}

fn envelope(status: StatusCode, body: &str) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <soapenv:Envelope xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n\
         <soapenv:Body>\n{body}\n</soapenv:Body>\n</soapenv:Envelope>"
    );
    (status, [(header::CONTENT_TYPE, "text/xml; charset=utf-8")], text).into_response()
}
