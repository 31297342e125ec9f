//! stub
use serde_json::value::RawValue;
use crate::record::Fingerprint;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temporal { DateTime, Date }
pub fn fingerprint<'a>(_fields: impl Iterator<Item = (&'a str, &'a RawValue, Option<Temporal>)>, _external_id: Option<&RawValue>) -> Fingerprint { Fingerprint([0;32]) }
pub fn is_date_time(_t: &str) -> bool { true }
pub fn is_date(_t: &str) -> bool { true }
pub fn is_time(_t: &str) -> bool { true }
