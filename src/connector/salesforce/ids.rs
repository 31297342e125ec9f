//! Salesforce's ids: 15 characters whose case matters, or the same with three more that tell the case,
//! so that those of 18 can be compared without it.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/field_types.htm>

use serde_json::Value;

use crate::connector::http::Redactor;
use crate::json::exact;
use crate::record::RemoteId;

/// Of 32 values of five bits.
const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// Whether a text is an id in one of its forms.
pub(super) fn is_id(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// An id with 18 characters; any other text as it is.
pub(super) fn long_id(text: &str) -> String {
    let text = text.trim();
    if !is_id(text) || text.len() == 18 {
        return text.to_owned();
    }
    let mut long = text.to_owned();
    for five in text.as_bytes().chunks(5) {
        let bits = five.iter().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase());
        let value: usize = bits.map(|(place, _)| 1 << place).sum();
        long.push(char::from(DIGITS[value]));
    }
    long
}

/// An id that an answer tells; `None` where it is none, or a secret.
pub(super) fn told_id(value: Option<&Value>, redactor: &Redactor) -> Option<RemoteId> {
    let id = redactor.unless_secret(exact::text(value?)?)?;
    Some(RemoteId::new(long_id(&id)))
}

/// What two forms of an id have in common.
pub(super) fn spelled_id(text: &str) -> &str {
    let text = text.trim();
    if is_id(text) { text.get(..15).unwrap_or(text) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_one_id() {
        for (short, long) in
            [("001A0000006Vm9u", "001A0000006Vm9uIAC"), ("00Q000000000001", "00Q000000000001EAA")]
        {
            assert_eq!(long_id(short), long);
            assert_eq!(long_id(long), long);
            assert_eq!(spelled_id(long), short);
        }
        for other in ["", "x", "001A0000006Vm9u-AC"] {
            assert_eq!((long_id(other).as_str(), spelled_id(other)), (other, other));
        }
    }
}
