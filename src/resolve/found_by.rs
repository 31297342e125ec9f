//! What tells records apart that have no ids: the values of their `lookup_fields`.

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{first_bytes, has_values};
use crate::config::StreamOptions;
use crate::config::stream::LookupMethod;
use crate::connector::contract::Capabilities;

/// A hash of what a record is found by beside its ids; `None` where it cannot be found by that. Two
/// records of the same hash are one at the remote.
pub fn found_by(
    options: &StreamOptions,
    capabilities: &Capabilities,
    values: &[Option<Arc<str>>],
) -> Option<i64> {
    let names = options.lookup_names();
    if names.len() != values.len() || !has_values(options, values) {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update([match options.lookup_method.unwrap_or_default() {
        LookupMethod::All => 0,
        LookupMethod::Any => 1,
        LookupMethod::Sequential => 2,
    }]);
    // The lengths keep what stands beside each other apart.
    let mut part = |text: &str| {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    };
    for (name, value) in names.iter().zip(values) {
        let Some(value) = value else { continue };
        part(name);
        part(&capabilities.find.map_or(Cow::Borrowed(&**value), |find| find.spelled(value)));
    }
    Some(i64::from_be_bytes(first_bytes(hash)))
}
