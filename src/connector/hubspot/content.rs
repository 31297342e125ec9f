//! Whose result is whose, by nothing but the values that were sent: for a remote that names none of
//! the records that it has made.

use std::collections::HashMap;

use serde_json::Value;

use super::find::folded;
use super::part::Part;
use crate::json::exact;

/// Which of `parts` results are of: by their places. A result is one of those all of whose values it
/// has. Of parts that are alike, either may have either.
///
/// HubSpot may spell a value otherwise, so that a result lacks a value of its own part and has all of
/// another's that has fewer. So a match counts where each of both has one, or where all other parts
/// have another value for something that this one has too.
pub(super) fn matched<'a>(parts: &[&Part], results: &[&'a Value]) -> Vec<(usize, &'a Value)> {
    if results.is_empty() {
        return Vec::new();
    }
    let sent: Vec<HashMap<String, Value>> = parts
        .iter()
        .map(|part| serde_json::from_str(&part.properties).unwrap_or_default())
        .collect();
    let mut open: Vec<(&Value, Vec<usize>)> = results
        .iter()
        .map(|result| (*result, (0..sent.len()).filter(|at| has_all(result, &sent[*at])).collect()))
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
    if matched.len() < parts.len() || !open.is_empty() {
        let is_told_apart = |place: usize| {
            (0..sent.len()).all(|other| {
                parts[other].is_like(parts[place]) || differs(&sent[place], &sent[other])
            })
        };
        matched.retain(|(place, _)| is_told_apart(*place));
    }
    matched
}

/// Whether something that both have is not the same.
fn differs(one: &HashMap<String, Value>, other: &HashMap<String, Value>) -> bool {
    one.iter().any(|(name, value)| {
        let other = other.get(name);
        other.is_some_and(|other| spelled(name, other) != spelled(name, value))
    })
}

fn spelled(name: &str, value: &Value) -> Option<String> {
    exact::text(value).map(|text| folded(Some(name), &text))
}

fn has_all(result: &Value, sent: &HashMap<String, Value>) -> bool {
    let held = |name: &str| spelled(name, result.get("properties")?.get(name)?);
    let is_same = |(name, value): (&String, &Value)| held(name) == spelled(name, value);
    !sent.is_empty() && sent.iter().all(is_same)
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
        let told: Vec<&Value> = results.iter().collect();
        let matched = matched(&parts.iter().collect::<Vec<_>>(), &told);
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
        // A value that is spelled otherwise makes one look like another.
        let sent = [json!({"name": "Ann"}), json!({"name": "Ann", "phone": "+1 5"})];
        let held = [json!({"name": "Ann", "phone": "15"}), json!({"name": "Ann"})];
        assert_eq!(places(&sent, &held), [None, None]);
        // One that lacks its result takes nothing from those that nobody else can be.
        let sent = [1, 2, 3].map(|n| json!({"name": "Ann", "phone": n.to_string()}));
        assert_eq!(places(&sent, &[sent[2].clone(), sent[0].clone()]), [Some(1), None, Some(0)]);
        let email = |text: &str| [json!({"email": text})];
        assert_eq!(places(&email("ANN@x.com "), &email("ann@x.com")), [Some(0)]);
    }
}
