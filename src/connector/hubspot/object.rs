//! HubSpot's own objects: each has several names, and its records one set of ids.
//!
//! <https://developers.hubspot.com/docs/guides/api/crm/understanding-the-crm#object-type-ids>

/// The name under which an object is written to and its ids are kept: a stream `companies` and one of
/// `0-2` are of the same records.
pub(super) fn known(name: &str) -> &str {
    let is_it =
        |(many, one, id): &&(&str, &str, &str)| name == *one || name == *id || name == *many;
    OBJECTS.iter().find(is_it).map_or(name, |(many, ..)| many)
}

/// Names, and the number of the type.
const OBJECTS: [(&str, &str, &str); 15] = [
    ("contacts", "contact", "0-1"),
    ("companies", "company", "0-2"),
    ("deals", "deal", "0-3"),
    ("tickets", "ticket", "0-5"),
    ("products", "product", "0-7"),
    ("line_items", "line_item", "0-8"),
    ("quotes", "quote", "0-14"),
    ("communications", "communication", "0-18"),
    ("tasks", "task", "0-27"),
    ("notes", "note", "0-46"),
    ("meetings", "meeting", "0-47"),
    ("calls", "call", "0-48"),
    ("emails", "email", "0-49"),
    ("postal_mail", "postal_mail", "0-116"),
    ("leads", "lead", "0-136"),
];

#[cfg(test)]
mod tests {
    use super::known;

    #[test]
    fn an_object_has_one_name() {
        for (name, of) in
            [("0-2", "companies"), ("company", "companies"), ("companies", "companies")]
        {
            assert_eq!(known(name), of);
        }
        for custom in ["2-1234567", "cars", "p_cars", "Companies"] {
            assert_eq!(known(custom), custom);
        }
    }
}
