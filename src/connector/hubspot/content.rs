//! Whose result is whose, by nothing but the values that were sent: for a remote that names none of
//! the records that it has made.

use std::collections::HashMap;

use serde_json::Value;

use super::part::Part;
use crate::json::exact;

/// Which of `parts` each of `results` can only be of, as far as that is so: by their places. A result
/// is one of those all of whose values it has. Of parts that are alike, either may have either.
pub(super) fn matched<'a>(
    parts: &[&Part],
    results: impl Iterator<Item = &'a Value>,
) -> Vec<(usize, &'a Value)> {
    let sent: Vec<HashMap<String, Value>> = parts
        .iter()
        .map(|part| serde_json::from_str(&part.properties).unwrap_or_default())
        .collect();
    let mut open: Vec<(&Value, Vec<usize>)> = results
        .map(|result| (result, (0..sent.len()).filter(|at| has_all(result, &sent[*at])).collect()))
        .collect();
    let mut matched = Vec::new();
    let is_sure = |places: &[usize]| {
        let first = places.first().map(|at| parts[*at]);
        first.is_some_and(|first| places.iter().all(|at| first.is_like(parts[*at])))
    };
    // Each that is sure may leave another one with nobody else to be of.
    while let Some(at) = open.iter().position(|(_, places)| is_sure(places)) {
        let (result, places) = open.swap_remove(at);
        let place = places[0];
        matched.push((place, result));
        for (_, places) in &mut open {
            places.retain(|other| *other != place);
        }
    }
    matched
}

fn has_all(result: &Value, sent: &HashMap<String, Value>) -> bool {
    let held = |name: &str| result.get("properties")?.get(name).and_then(exact::text);
    !sent.is_empty() && sent.iter().all(|(name, value)| held(name) == exact::text(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(sent: &[Value], held: &[Value]) -> Vec<Option<usize>> {
        let parts: Vec<Part> = sent
            .iter()
            .map(|sent| Part { properties: sent.to_string(), ..Part::default() })
            .collect();
        let results: Vec<Value> = held.iter().map(|held| json!({"properties": held})).collect();
        let matched = matched(&parts.iter().collect::<Vec<_>>(), results.iter());
        let of = |part: usize| {
            let (_, result) = matched.iter().find(|(place, _)| *place == part)?;
            results.iter().position(|other| std::ptr::eq(other, *result))
        };
        (0..sent.len()).map(of).collect()
    }

    #[test]
    fn only_what_nobody_else_can_be_is_matched() {
        let (big, bigger) = (json!({"name": "Big"}), json!({"name": "Big", "amount": "5"}));
        let told = json!({"name": "Big", "amount": "5", "more": "x"});
        // The second can be either, until the first is known.
        let all = [told.clone(), big.clone()];
        assert_eq!(places(&[big.clone(), bigger.clone()], &all), [Some(1), Some(0)]);
        assert_eq!(places(&[big.clone(), bigger], &[told]), [None, None]);
        // Alike: either may have either, and each has one.
        let mut alike = places(&[big.clone(), big.clone()], &[big.clone(), big]);
        alike.sort_unstable();
        assert_eq!(alike, [Some(0), Some(1)]);
        assert_eq!(places(&[json!({})], &[json!({"a": "1"})]), [None]);
    }
}
