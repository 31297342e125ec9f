//! Questions in Salesforce's language: every value in them is escaped, whatever it says.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm>

/// Characters of one question, at most. Salesforce takes 100,000; an address takes some 16,000, and a
/// character of a value up to three there, or nine.
const MAX_CHARS: usize = 12_000;

/// A value, between quotes.
pub(super) fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('\'');
    for c in value.chars() {
        match c {
            '\'' => text.push_str("\\'"),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            c => text.push(c),
        }
    }
    text.push('\'');
    text
}

/// `SELECT {fields} FROM {object} WHERE {field} IN ({values})`: as many as hold all `values`, which
/// stand as they are.
pub(super) fn questions(
    object: &str,
    fields: &[&str],
    field: &str,
    values: &[String],
) -> Vec<String> {
    let start = format!("SELECT {} FROM {object} WHERE {field} IN (", fields.join(","));
    let encoded = |text: &str| {
        text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { 1 } else { 3 }).sum::<usize>()
    };
    let (first, mut questions) = (encoded(&start), Vec::new());
    let (mut question, mut length) = (start.clone(), first);
    for value in values {
        let own = encoded(value) + 3;
        if length > first && length + own > MAX_CHARS {
            questions.push(std::mem::replace(&mut question, start.clone()) + ")");
            length = first;
        }
        if length > first {
            question.push(',');
        }
        question.push_str(value);
        length += own;
    }
    questions.push(question + ")");
    questions
}

/// Whether a text can be the name of a field or an object: what is asked for is never more than that.
pub(super) fn is_name(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_end_its_quotes() {
        assert_eq!(quoted("O'Brien"), r"'O\'Brien'");
        assert_eq!(quoted(r"\' OR Id != '"), r"'\\\' OR Id != \''");
        assert_eq!(quoted("a\nb"), r"'a\nb'");
    }

    #[test]
    fn many_values_are_asked_for_in_several_questions() {
        let values: Vec<String> = (0..1000).map(|n| quoted(&format!("customer-{n:05}"))).collect();
        let questions = questions("Account", &["Id", "Ext__c"], "Ext__c", &values);
        assert!(questions.len() > 1 && questions.iter().all(|one| one.len() < MAX_CHARS));
        let asked: usize = questions.iter().map(|one| one.matches("customer-").count()).sum();
        assert_eq!(asked, 1000);
        assert!(
            questions[0]
                .starts_with("SELECT Id,Ext__c FROM Account WHERE Ext__c IN ('customer-00000',")
        );
        // One that is longer than all may be is asked for alone.
        let long = vec![quoted(&"x".repeat(20_000)), quoted("y")];
        assert_eq!(super::questions("Account", &["Id"], "Name", &long).len(), 2);
    }

    #[test]
    fn names_are_names() {
        for name in ["Id", "Ext_Id__c", "Account.Name", "npe03__Amount__c"] {
            assert!(is_name(name), "{name}");
        }
        for other in ["", "a b", "Name)", "1a", "a.", "Name'", "é"] {
            assert!(!is_name(other), "{other}");
        }
    }
}
