//! Companies.

use super::{Made, Unified, contact};

pub(super) fn make(record: Unified<'_>) -> Result<Made, String> {
    let mut made = Made::default();
    made.take(record, &[("name", "name"), ("website", "domain"), ("industry", "industry")]);
    let numbers = record.list("phone_numbers")?;
    if !numbers.is_empty() {
        made.set_text("phone", contact::phone(&numbers)?);
    }
    made.take_address(record, &[("city", "city"), ("state", "state"), ("country", "country")])?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::made;

    #[test]
    fn fields_that_are_there_become_properties() {
        let record = json!({
            "name": "Acme", "website": "acme.example", "phone_numbers": [{"number": "1"}, {"number": "2"}],
            "addresses": [{"city": "Bern", "country": "CH"}],
        });
        assert_eq!(
            made(Kind::Company, &record.to_string()).unwrap(),
            json!({"name": "Acme", "domain": "acme.example", "phone": "1", "city": "Bern", "state": null,
                   "country": "Switzerland"})
        );
    }
}
