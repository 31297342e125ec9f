//! Envelopes of SOAP: read as XML by the names of elements, whatever stands for their namespaces.

use hyper::StatusCode;
use quick_xml::escape::escape;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::sandbox::remote::{Answer, Content, Request};

/// What a call has in its envelope.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    #[serde(default, rename = "Header")]
    pub(super) header: Header,
    #[serde(rename = "Body")]
    pub(super) body: T,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Header {
    #[serde(rename = "SessionHeader")]
    session: Option<Session>,
    #[serde(rename = "AllOrNoneHeader")]
    all_or_none: Option<AllOrNone>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    session_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AllOrNone {
    all_or_none: bool,
}

impl Header {
    pub(super) fn session(&self) -> Option<&str> {
        self.session.as_ref().map(|session| session.session_id.trim())
    }

    pub(super) fn all_or_none(&self) -> bool {
        self.all_or_none.as_ref().is_some_and(|header| header.all_or_none)
    }
}

/// Reads the envelope of a call.
///
/// # Errors
/// The fault that is answered to what is none, or says something else.
pub(super) fn read<T: DeserializeOwned>(
    request: &Request,
    namespace: &str,
) -> Result<Envelope<T>, Answer> {
    let text = String::from_utf8_lossy(&request.body);
    quick_xml::de::from_str(&text)
        .map_err(|error| fault(namespace, "soapenv:Client", &error.to_string()))
}

/// An answer with this in its body; `namespace` is that of the names without a prefix.
pub(super) fn answer(status: StatusCode, namespace: &str, body: &str) -> Answer {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"{namespace}\" \
         xmlns:sf=\"{namespace}\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    );
    Answer { status, headers: Vec::new(), content: Content::Text("text/xml", text) }
}

/// A fault, which is answered with 500. Its text begins with its code.
pub(super) fn fault(namespace: &str, code: &str, text: &str) -> Answer {
    let own = code.split(':').next_back().unwrap_or(code);
    let detail = [element("sf:exceptionCode", own), element("sf:exceptionMessage", text)].concat();
    let body = format!(
        "<soapenv:Fault>{}{}<detail><sf:ApiFault>{detail}</sf:ApiFault></detail></soapenv:Fault>",
        element("faultcode", code),
        element("faultstring", text)
    );
    answer(StatusCode::INTERNAL_SERVER_ERROR, namespace, &body)
}

/// An element with this text.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}
