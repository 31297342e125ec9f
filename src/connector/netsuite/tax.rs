//! What a line says of its tax becomes tax details of the transaction, which go over what NetSuite
//! would reckon.

use serde::Deserialize;
use serde_json::{Value, json};

use super::suiteql::Row;
use crate::json::exact;

/// A line's tax.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Tax {
    /// The name of the tax code.
    pub(super) code: String,
    /// What is taxed.
    basis: Value,
    /// As the record has it; else it is reckoned by the code's rate.
    #[serde(default)]
    amount: Option<Value>,
}

/// The details of one line's tax; `reference`: what the line is known by in them.
///
/// # Errors
/// For people: it cannot be reckoned.
pub(super) fn detail(tax: &Tax, code: &Row, reference: &str) -> Result<Value, String> {
    let basis = number(&tax.basis)
        .ok_or_else(|| format!("what is taxed by the code `{}` is no number", tax.code))?;
    let code_rate = code.get("taxrate").and_then(|rate| rate.trim().parse::<f64>().ok());
    let given = tax.amount.as_ref().and_then(number);
    // As it is told, the amount goes over the code's own rate.
    let rate = given.filter(|_| basis != 0.0).map(|amount| amount / basis).or(code_rate);
    let rate = rate.ok_or_else(|| {
        format!("the tax code `{}` has no rate, or several: say the line's `taxAmount`", tax.code)
    })?;
    let amount = given.unwrap_or(basis * rate);
    let mut detail = json!({
        "taxDetailsReference": {"id": reference},
        "taxCode": {"id": code.get("id").unwrap_or_default()},
        "taxRate": rounded(rate * 100.0, 6),
        "taxBasis": rounded(basis, 6),
        "taxAmount": rounded(amount, 2),
    });
    if let Some(tax_type) = code.get("taxtype") {
        detail["taxType"] = tax_type.into();
    }
    Ok(detail)
}

fn number(value: &Value) -> Option<f64> {
    exact::text(value)?.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn rounded(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (number * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> Row {
        [("id", "7022"), ("taxrate", "0.115"), ("taxtype", "2")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn a_tax_is_as_told_or_as_reckoned() {
        let tax =
            |basis: Value, amount: Option<Value>| Tax { code: "VAT".to_owned(), basis, amount };
        assert_eq!(
            detail(&tax(json!(200.0), Some(json!(20.0))), &code(), "NEW_ITEM_0").unwrap(),
            json!({"taxDetailsReference": {"id": "NEW_ITEM_0"}, "taxCode": {"id": "7022"}, "taxRate": 10.0,
                "taxBasis": 200.0, "taxAmount": 20.0, "taxType": "2"})
        );
        let detail = detail(&tax(json!("99.990"), None), &code(), "NEW_EXPENSE_1").unwrap();
        assert_eq!(
            (&detail["taxRate"], &detail["taxBasis"], &detail["taxAmount"]),
            (&json!(11.5), &json!(99.99), &json!(11.5))
        );
        super::detail(&tax(json!("x"), None), &code(), "r").unwrap_err();
    }
}
