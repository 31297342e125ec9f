//! What is said to the Metadata API, and what it answers: SOAP, whose elements are known by their
//! names, whatever stands for their namespaces.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_createMetadata.htm>

use quick_xml::escape::escape;
use serde::Deserialize;

use super::custom::LENGTH;
use crate::connector::salesforce::part::NewField;

/// A call that makes fields, each of the object that holds it.
pub(super) fn create_fields(token: &str, fields: &[(&str, &NewField)]) -> String {
    let mut metadata = String::new();
    for (holder, field) in fields {
        let is_key = field.name.to_lowercase().contains("externalid");
        metadata.push_str(&format!(
            "<metadata xsi:type=\"CustomField\"><fullName>{}.{}</fullName><externalId>{is_key}</externalId>\
             <label>{}</label><length>{LENGTH}</length><type>Text</type></metadata>",
            escaped(holder),
            escaped(&field.name),
            escaped(&field.label),
        ));
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <soapenv:Header><SessionHeader xmlns=\"http://soap.sforce.com/2006/04/metadata\">\
         <sessionId>{}</sessionId></SessionHeader></soapenv:Header>\
         <soapenv:Body><createMetadata xmlns=\"http://soap.sforce.com/2006/04/metadata\">{metadata}\
         </createMetadata></soapenv:Body></soapenv:Envelope>",
        escaped(token)
    )
}

/// Control characters are none of XML.
fn escaped(text: &str) -> String {
    escape(text.replace(char::is_control, " ")).into_owned()
}

/// What an answer says; of one that cannot be read, nothing.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Said {
    #[serde(default, rename = "Fault")]
    pub(super) fault: Option<Fault>,
    #[serde(default, rename = "createMetadataResponse")]
    made: MadeAll,
}

#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    #[serde(default)]
    pub(super) faultcode: String,
    #[serde(default)]
    pub(super) faultstring: String,
}

#[derive(Debug, Default, Deserialize)]
struct MadeAll {
    #[serde(default)]
    result: Vec<MadeOne>,
}

/// What became of one field.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MadeOne {
    #[serde(default)]
    pub(super) full_name: String,
    #[serde(default)]
    pub(super) success: String,
    #[serde(default)]
    pub(super) errors: Vec<Problem>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) status_code: String,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Body")]
    body: Said,
}

impl Said {
    pub(super) fn read(xml: &str) -> Self {
        quick_xml::de::from_str::<Envelope>(xml).map(|envelope| envelope.body).unwrap_or_default()
    }

    pub(super) fn results(&self) -> &[MadeOne] {
        &self.made.result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_in_xml_cannot_be_more_than_text() {
        let field =
            NewField { name: "A_externalId__c".to_owned(), label: "<a> & \"b\"\u{1}".to_owned() };
        let xml = create_fields("t&k", &[("Activity", &field)]);
        assert_eq!(xml.matches("<metadata ").count(), 1);
        assert!(xml.contains("<fullName>Activity.A_externalId__c</fullName>"), "{xml}");
        assert!(xml.contains("<externalId>true</externalId>"), "{xml}");
        assert!(
            xml.contains("&lt;a&gt; &amp; &quot;b&quot; <") && xml.contains("t&amp;k"),
            "{xml}"
        );
    }

    #[test]
    fn answers_are_read() {
        let xml = "<e:Envelope xmlns:e='e'><e:Body><m:createMetadataResponse xmlns:m='m'><m:result><errors>\
                   <message>It&apos;s &lt;taken&gt;</message><statusCode>X</statusCode></errors>\
                   <fullName>A.b</fullName><success>false</success></m:result><m:result><success>true</success>\
                   </m:result><n/></m:createMetadataResponse></e:Body></e:Envelope>";
        let said = Said::read(xml);
        let results = said.results();
        assert_eq!(results.len(), 2);
        assert_eq!(results[0].errors[0].message, "It's <taken>");
        assert_eq!((&*results[0].full_name, &*results[1].success), ("A.b", "true"));
        let fault = "<Envelope><Body><x:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode>\
                     <faultstring>over</faultstring></x:Fault></Body></Envelope>";
        assert_eq!(Said::read(fault).fault.unwrap().faultcode, "sf:INVALID_SESSION_ID");
        for other in ["<a>never closed", "<html></html>", ""] {
            let said = Said::read(other);
            assert!(said.fault.is_none() && said.results().is_empty(), "{other}");
        }
    }
}
