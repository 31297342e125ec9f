//! Addresses, of entities and of invoices, and phones.

use serde_json::{Map, Value};

use super::source::Source;

const FIELDS: [(&str, &str); 8] = [
    ("addressText", "addrText"),
    ("line1", "addr1"),
    ("line2", "addr2"),
    ("line3", "addr3"),
    ("city", "city"),
    ("state", "state"),
    ("country", "country"),
    ("postalCode", "zip"),
];

/// Fields of phone numbers, by their types.
pub(super) const PHONES: [(&str, &str); 3] =
    [("unknown", "phone"), ("mobile", "mobilePhone"), ("home", "homePhone")];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Billing,
    Shipping,
}

/// Those that say more than what they are for.
pub(super) fn addresses(source: &Source<'_>) -> Vec<(Use, Map<String, Value>)> {
    let mut all = Vec::new();
    for address in source.objects("addresses") {
        let kind = address.key("addressType");
        let kind = match kind.as_deref().map(str::to_lowercase).as_deref() {
            Some("billing") => Use::Billing,
            Some("shipping") => Use::Shipping,
            _ => {
                let kind = kind.unwrap_or_else(|| "none".to_owned());
                source.refuse(format!(
                    "Unsupported addressType: {kind}. It is one of billing, shipping"
                ));
                continue;
            }
        };
        let fields: Map<String, Value> = FIELDS
            .iter()
            .filter_map(|(from, to)| Some(((*to).to_owned(), address.text(from)?.into())))
            .collect();
        address.ignore_unless(|name| {
            matches!(name, "id" | "addressType") || FIELDS.iter().any(|(from, _)| *from == name)
        });
        if !fields.is_empty() {
            all.push((kind, fields));
        }
    }
    all
}

/// Phone numbers, of which the last one of a type counts.
pub(super) fn phones(source: &Source<'_>, body: &mut Map<String, Value>) {
    for phone in source.objects("phoneNumbers") {
        let kind = phone.key("type").unwrap_or_else(|| "none".to_owned());
        let field = PHONES.iter().find(|(known, _)| known.eq_ignore_ascii_case(&kind));
        match field {
            None => source.refuse(format!(
                "Unsupported phone type: {kind}. It is one of unknown, mobile, home"
            )),
            Some(_) if !phone.has("phoneNumber") => {
                source.refuse(format!("Phone missing phoneNumber key: the one of type {kind}"));
            }
            Some((_, field)) => {
                if let Some(number) = phone.text("phoneNumber") {
                    body.insert((*field).to_owned(), number.into());
                }
            }
        }
        phone.ignore_unless(|name| matches!(name, "type" | "phoneNumber"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::made;

    #[test]
    fn what_has_no_place_is_refused_by_its_type() {
        let told = |record: &serde_json::Value| made(Kind::Vendor, record).unwrap_err();
        assert_eq!(
            told(&json!({"phoneNumbers": [{"type": "fax", "phoneNumber": "1"}]})),
            "Unsupported phone type: fax. It is one of unknown, mobile, home"
        );
        assert_eq!(
            told(&json!({"phoneNumbers": [{"phoneNumber": "1"}]})),
            "Unsupported phone type: none. It is one of unknown, mobile, home"
        );
        assert_eq!(
            told(&json!({"phoneNumbers": [{"type": "mobile"}]})),
            "Phone missing phoneNumber key: the one of type mobile"
        );
        assert_eq!(
            told(&json!({"addresses": [{"addressType": "office", "city": "Bern"}]})),
            "Unsupported addressType: office. It is one of billing, shipping"
        );
        assert_eq!(
            told(&json!({"addresses": [{"city": "Bern"}]})),
            "Unsupported addressType: none. It is one of billing, shipping"
        );
        assert_eq!(
            told(&json!({"phoneNumbers": [{"type": "home", "phoneNumber": [1]}]})),
            "Failed Structure/Datatype validation for Vendors: 'phoneNumbers.0.phoneNumber' -> \
             Input should be a valid string (got value [1] of type list)"
        );
        let silent = json!({"phoneNumbers": [{"type": "Home", "phoneNumber": null}],
            "addresses": [{"addressType": "billing", "id": "3", "line2": null}, null]});
        assert_eq!(made(Kind::Vendor, &silent).unwrap(), json!({}));
    }
}
