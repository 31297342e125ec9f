//! Companies.

use super::contact::phones;
use super::made::{Made, Record};

/// What the unified schema alone has.
pub(super) const NAMES: &[&str] = &["addresses", "phone_numbers"];
const PLAIN: &[(&str, &str)] =
    &[("name", "Name"), ("description", "Description"), ("owner_id", "OwnerId")];
/// Fields of phone numbers, by their types. A fax is no phone: a number goes there that says so.
const PHONES: [(&str, &str); 2] = [("primary", "Phone"), ("fax", "Fax")];

pub(super) fn make(record: Record<'_>, made: &mut Made<'_>) -> Result<(), String> {
    made.take(record, PLAIN);
    let has_website = made.object.field("Website").is_some();
    made.set(if has_website { "Website" } else { "Site" }, record.get("website"));
    made.pick(record, "type", "Type");
    made.pick_any(record, "industry", "Industry");
    for (address, prefix) in record.list("addresses")?.iter().zip(["Billing", "Shipping"]) {
        made.address(address, prefix)?;
    }
    let mut numbers = record.list("phone_numbers")?;
    let is_fax = |one: &serde_json::Value| {
        one.get("type")
            .and_then(|kind| kind.as_str())
            .is_some_and(|it| it.eq_ignore_ascii_case("fax"))
    };
    let faxes: Vec<_> = numbers.extract_if(.., |one| is_fax(one)).collect();
    let found = phones(&numbers, &PHONES[..1])?;
    for (field, number) in found.into_iter().chain(phones(&faxes, &PHONES[1..])?) {
        made.set_text(field, Some(&number));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::{made, made_by, unified};

    #[test]
    fn fields_that_are_there_become_fields() {
        let record = json!({
            "name": "Acme", "website": "acme.example", "type": "customer direct", "industry": "Mining",
            "addresses": [{"city": "Bern", "country": "CH"}, {"line1": "Road 1", "line2": "B"}],
            "phone_numbers": [{"type": "fax", "number": "9"}, {"number": "1"}, {"number": "2"}],
        });
        assert_eq!(
            made(Kind::Company, &record).unwrap(),
            json!({"$object": "Account", "Name": "Acme", "Website": "acme.example", "Type": "Customer_-_Direct",
                "Industry": "Mining", "BillingCity": "Bern", "BillingCountry": "Switzerland",
                "ShippingStreet": "Road 1 - B", "Phone": "1", "Fax": "9"})
        );
    }

    #[test]
    fn an_object_without_a_website_has_a_site() {
        let mut unified = unified(Kind::Company);
        let mut object = (*unified.objects[0]).clone();
        object.fields =
            object.fields.iter().filter(|field| field.name != "Website").cloned().collect();
        unified.objects = vec![object.into()];
        let made = made_by(&unified, &json!({"name": "Acme", "website": "acme.example"})).unwrap();
        assert_eq!(made["Site"], "acme.example");
    }
}
