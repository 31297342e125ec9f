//! Lines of a record that is changed: which of them are there already, which are other by now, which are
//! new; and addresses, which are lines, too.
//!
//! A line is known by what it says of itself (`description`, or `memo`), as the platform's target
//! has it; one that says nothing, by all that the record has of it. What is there and the same does
//! not go out; what is there and other goes out with its key, `line`, which changes it; all else is
//! appended. But for a line that says nothing and may be one that NetSuite shows in another
//! [form](super::alike): to append it might double it.

use std::collections::{HashMap, VecDeque};

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::alike::{Alike, MOST_ROUNDED, Seen, words};
use super::paths::is_number;
use super::unified::TAX;
use crate::json::exact;
use crate::json::fields::Fields;

/// Names under which a line says what it is.
const SAYS: [&str; 2] = ["description", "memo"];
/// What of a line is no content.
const ASIDE: [&str; 3] = [TAX, "taxdetailsreference", "line"];

/// What goes out of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Going {
    /// It is there, and the same.
    No,
    /// It changes the one with this key.
    Changes(String),
    /// It is new.
    New,
    /// It is new, or there in another form.
    Unsure,
}

/// What is to become of the `lines` of a record whose sublist `held` is what NetSuite has. Two lines
/// are never the same one.
pub(super) fn going(lines: &[&RawValue], held: &[Value]) -> Vec<Going> {
    let lines: Vec<Line> = lines
        .iter()
        .map(|line| Line::of(&exact::parse(line.get().as_bytes()).unwrap_or_default()))
        .collect();
    let keys: Vec<Option<String>> = held.iter().map(key).collect();
    let held: Vec<Line> = held.iter().map(Line::of).collect();
    let mut taken = vec![false; held.len()];
    let mut going = vec![Going::New; lines.len()];
    let (said, bare): (Vec<usize>, Vec<usize>) =
        (0..lines.len()).partition(|at| lines[*at].says.is_some());
    // Those first that are the same, so that a line is not changed into one that stands beside it;
    // of these, those first that say what they are.
    for group in [&said, &bare] {
        let places = Places::of(&lines, group, &held);
        for at in group {
            if let Some(place) = places.first(&lines[*at], Alike::Yes, &held, &taken) {
                taken[place] = true;
                going[*at] = Going::No;
            }
        }
    }
    let mut by_words: HashMap<&str, VecDeque<usize>> = HashMap::new();
    for (place, own) in held.iter().enumerate().filter(|(place, _)| !taken[*place]) {
        if let Some(said) = &own.says {
            by_words.entry(said).or_default().push_back(place);
        }
    }
    for at in said {
        if going[at] != Going::New {
            continue;
        }
        let places = lines[at].says.as_deref().and_then(|said| by_words.get_mut(said));
        let Some(place) = places.and_then(VecDeque::pop_front) else { continue };
        taken[place] = true;
        // Without a key it cannot be changed, and to append it would double it.
        going[at] = keys[place].clone().map_or(Going::No, Going::Changes);
    }
    let places = Places::of(&lines, &bare, &held);
    for at in bare {
        if going[at] == Going::New
            && let Some(place) = places.first(&lines[at], Alike::Perhaps, &held, &taken)
        {
            taken[place] = true;
            going[at] = Going::Unsure;
        }
    }
    going
}

/// A line, as it is compared.
struct Line {
    says: Option<String>,
    /// Its content beside that, by names in lower case, as which NetSuite may have them.
    fields: HashMap<String, Seen>,
}

impl Line {
    fn of(line: &Value) -> Self {
        let fields = line.as_object().into_iter().flatten();
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value));
        let is_content = |(name, _): &(String, &Value)| {
            !ASIDE.contains(&name.as_str()) && !SAYS.contains(&name.as_str())
        };
        let fields = fields.filter(is_content).map(|(name, value)| (name, Seen::of(value)));
        Self { says: says(line), fields: fields.collect() }
    }

    /// What a line says, of fields that are not empty.
    fn said(&self) -> impl Iterator<Item = (&str, &Seen)> {
        let is_said = |(_, value): &(&String, &Seen)| **value != Seen::Other(Value::Null);
        self.fields.iter().filter(is_said).map(|(name, value)| (name.as_str(), value))
    }

    /// Whether NetSuite has what a line says, as far as it shows it: of a line's fields it keeps
    /// those that the sublist has.
    fn alike(&self, held: &Self) -> Alike {
        // NetSuite gives a line that says nothing the words of its item.
        if self.says.is_some() && self.says != held.says {
            return Alike::No;
        }
        let (mut alike, mut is_known) = (Alike::Yes, self.says.is_some());
        for (name, value) in self.said() {
            let Some(held) = held.fields.get(name) else { continue };
            alike = alike.min(value.alike(held, name));
            is_known = true;
            if alike == Alike::No {
                break;
            }
        }
        if is_known { alike } else { Alike::No }
    }
}

/// Where lines of NetSuite's stand that others may be like: found by what is equal in all that are
/// alike, and from there by a number, for documents of thousands of lines.
struct Places {
    /// Fields that all lines have on both sides, and that are equal where lines are alike.
    names: Vec<String>,
    /// A number that all lines have on both sides.
    number: Option<String>,
    /// By their number, in the order of NetSuite.
    by_key: HashMap<Vec<String>, Vec<(f64, usize)>>,
}

impl Places {
    /// For a `group` of lines.
    fn of(lines: &[Line], group: &[usize], held: &[Line]) -> Self {
        let Some(first) = group.first().and_then(|at| lines.get(*at)) else {
            return Self { names: Vec::new(), number: None, by_key: HashMap::new() };
        };
        let is_in_all = |name: &str, is_it: &dyn Fn(&Seen) -> bool| {
            let mut all = group.iter().filter_map(|at| lines.get(*at)).chain(held);
            all.all(|line| line.fields.get(name).is_some_and(is_it))
        };
        let (mut names, mut number) = (Vec::new(), None);
        for (name, value) in first.said() {
            let kind = value.key().map(|(kind, _)| kind);
            if kind.is_some() && is_in_all(name, &|value| value.key().map(|(kind, _)| kind) == kind)
            {
                names.push(name.to_owned());
            } else if number.is_none() && is_in_all(name, &|value| value.number().is_some()) {
                number = Some(name.to_owned());
            }
        }
        let mut places = Self { names, number, by_key: HashMap::new() };
        for (place, own) in held.iter().enumerate() {
            let says = if first.says.is_some() { own.says.as_deref() } else { None };
            let (key, number) = (places.key(own, says), places.number(own));
            places.by_key.entry(key).or_default().push((number, place));
        }
        for all in places.by_key.values_mut() {
            all.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        }
        places
    }

    fn key(&self, line: &Line, says: Option<&str>) -> Vec<String> {
        let of = |name: &String| Some(line.fields.get(name)?.key()?.1.to_owned());
        self.names.iter().filter_map(of).chain(says.map(str::to_owned)).collect()
    }

    fn number(&self, line: &Line) -> f64 {
        let number = self.number.as_ref().and_then(|name| line.fields.get(name)?.number());
        number.unwrap_or_default()
    }

    /// The first one that is not taken and at least so `alike`.
    fn first(&self, line: &Line, alike: Alike, held: &[Line], taken: &[bool]) -> Option<usize> {
        let all = self.by_key.get(&self.key(line, line.says.as_deref()))?;
        let number = self.number(line);
        let from = all.partition_point(|(own, _)| *own < number - MOST_ROUNDED);
        let near = all[from..].iter().take_while(|(own, _)| *own <= number + MOST_ROUNDED);
        let is_it = |place: &usize| !taken[*place] && line.alike(&held[*place]) >= alike;
        near.map(|(_, place)| *place).find(is_it)
    }
}

/// The key of a line, by which it can be changed.
fn key(line: &Value) -> Option<String> {
    line.get("line").and_then(exact::text).filter(|key| is_number(key))
}

/// A line with the key of the one that it changes.
pub(super) fn with_key(line: &str, key: &str) -> String {
    Fields::of_text(line).unwrap_or_default().with("line", key)
}

/// What a line says of itself.
fn says(line: &Value) -> Option<String> {
    SAYS.into_iter().find_map(|name| exact::text(line.get(name)?)).map(|said| words(&said))
}

/// A field, in whatever case NetSuite has its name.
pub(super) fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let mut fields = object.as_object().into_iter().flatten();
    fields.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, own)| own)
}

/// Whether a value is the one that NetSuite shows in a field.
fn alike(value: &Value, held: &Value, name: &str) -> Alike {
    Seen::of(value).alike(&Seen::of(held), &name.to_ascii_lowercase())
}

/// The lines of a sublist.
pub(super) fn items<'a>(body: &'a Value, name: &str) -> &'a [Value] {
    let own = field(body, name).and_then(|own| own["items"].as_array());
    own.map(Vec::as_slice).unwrap_or_default()
}

/// The same, of a record that NetSuite has.
///
/// # Errors
/// For people: it shows a part of them, and to compare with that would make lines twice.
pub(super) fn whole<'a>(held: &'a Value, name: &str) -> Result<&'a [Value], String> {
    let Some(sublist) = field(held, name).filter(|own| !own.is_null()) else { return Ok(&[]) };
    let is_part = sublist["hasMore"] == true
        || (sublist["items"].is_null() && sublist["totalResults"] != json!(0));
    if is_part {
        return Err(format!(
            "NetSuite shows only a part of its `{name}`, so that what is new of it cannot be told: change \
             it in NetSuite"
        ));
    }
    Ok(items(held, name))
}

/// Whether one of the addresses is this one already: of the same use, and with all that it says.
pub(super) fn has_address(held: &[Value], address: &RawValue) -> bool {
    let Ok(address) = exact::parse(address.get().as_bytes()) else { return false };
    held.iter().any(|held| is_address(&address, held))
}

pub(super) fn is_address(address: &Value, held: &Value) -> bool {
    let fields = address.as_object().into_iter().flatten();
    // NetSuite composes the text of an address whose parts it has.
    let has_parts = address.get("addr1").is_some() || address.get("city").is_some();
    let mut fields = fields.filter(|(name, _)| !(has_parts && *name == "addrText"));
    fields.all(|(name, value)| match (value, field(held, name)) {
        // Only that it is the default matters: it may be both.
        (Value::Bool(false) | Value::Null, _) => true,
        (Value::Object(_), Some(held)) if value.get("id").is_none() => is_address(value, held),
        // One that may be there in another form is not made again.
        (value, Some(held)) => alike(value, held, name) != Alike::No,
        (_, None) => false,
    })
}

/// Whether NetSuite has a record with all lines as a body says it.
pub(super) fn is_as_held(body: &str, held: &Value) -> bool {
    let Ok(fields) = Fields::of_text(body) else { return false };
    fields.0.iter().all(|(name, value)| {
        let lines = Fields::parse(value).ok().and_then(|own| own.get("items"));
        let lines =
            lines.and_then(|lines| serde_json::from_str::<Vec<&RawValue>>(lines.get()).ok());
        if let Some(lines) = lines {
            let held = items(held, name);
            let is_there = going(&lines, held).iter().all(|going| *going == Going::No);
            return lines.len() == held.len() && is_there;
        }
        let value = exact::parse(value.get().as_bytes()).unwrap_or_default();
        field(held, name).is_none_or(|held| alike(&value, held, name) == Alike::Yes)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn going_of(lines: &Value, held: &Value) -> Vec<Going> {
        let texts: Vec<String> =
            lines.as_array().unwrap().iter().map(ToString::to_string).collect();
        let raw: Vec<&RawValue> =
            texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        going(&raw, held.as_array().unwrap())
    }

    fn held() -> Value {
        json!([
            {"line": 1, "item": {"id": "7", "refName": "Bolt"}, "quantity": 2.0, "rate": 1.5, "description": "A"},
            {"line": 2, "item": {"id": "8"}, "quantity": 1, "amount": 10},
        ])
    }

    #[test]
    fn what_is_there_is_not_appended_again() {
        let lines = json!([
            {"item": {"id": "7"}, "quantity": 2, "rate": "1.50", "description": "A", "$tax": {"code": "x"}},
            {"item": {"id": "8"}, "quantity": 1.0, "amount": 10},
            {"item": {"id": "9"}, "quantity": 1},
        ]);
        assert_eq!(going_of(&lines, &held()), [Going::No, Going::No, Going::New]);
    }

    #[test]
    fn what_is_other_by_now_is_changed_by_its_key() {
        let lines = json!([{"item": {"id": "7"}, "quantity": 3, "description": "A"}]);
        assert_eq!(going_of(&lines, &held()), [Going::Changes("1".to_owned())]);
        assert_eq!(with_key(r#"{"quantity":3.50}"#, "1"), r#"{"line":1,"quantity":3.50}"#);
    }

    #[test]
    fn two_lines_are_never_one() {
        let line = json!({"item": {"id": "8"}, "quantity": 1, "amount": 10});
        assert_eq!(going_of(&json!([line, line]), &held()), [Going::No, Going::New]);
        // One that is the same is no place for one that is other.
        let lines = json!([
            {"item": {"id": "7"}, "quantity": 5, "description": "A"},
            {"item": {"id": "7"}, "quantity": 2, "rate": 1.5, "description": "A"},
        ]);
        assert_eq!(going_of(&lines, &held()), [Going::New, Going::No]);
    }

    #[test]
    fn a_line_that_may_be_there_in_another_form_is_not_appended() {
        let held =
            json!([{"line": 1, "account": {"id": "7"}, "amount": 20.0, "custcol": {"links": []}}]);
        let of = |line: Value| going_of(&json!([line]), &held);
        let line = |amount: f64, more: Value| json!({"account": {"id": "7"}, "amount": amount, "custcol": more});
        assert_eq!(of(line(20.4, Value::Null)), [Going::Unsure]);
        assert_eq!(of(line(20.0, json!({"items": [{"id": "4"}]}))), [Going::Unsure]);
        assert_eq!(of(line(21.0, Value::Null)), [Going::New]);
        assert_eq!(of(json!({"account": {"id": "8"}, "amount": 20.4})), [Going::New]);
    }

    /// Compared each with each, they would take minutes.
    #[test]
    fn a_document_may_have_thousands_of_lines() {
        let of = |more: f64| {
            let line = |n: u32| json!({"account": {"id": "7"}, "amount": f64::from(n) + more, "custcol": format!("x {n}")});
            Value::Array((0..6000).map(line).collect())
        };
        let began = std::time::Instant::now();
        assert!(going_of(&of(0.004), &of(0.0)).iter().all(|going| *going == Going::No));
        assert!(going_of(&of(9000.0), &of(0.0)).iter().all(|going| *going == Going::New));
        assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    }

    #[test]
    fn a_sublist_that_is_shown_in_part_is_not_compared() {
        let count = |sublist: Value| whole(&json!({"Item": sublist}), "item").map(<[Value]>::len);
        assert_eq!(count(json!({"items": [1, 2], "hasMore": false, "totalResults": 2})), Ok(2));
        assert_eq!(count(json!({"items": [], "totalResults": 0})), Ok(0));
        assert_eq!(count(json!({"totalResults": 0, "links": []})), Ok(0));
        assert_eq!(count(Value::Null), Ok(0));
        count(json!({"items": [1], "hasMore": true})).unwrap_err();
        count(json!({"links": [{"rel": "self"}]})).unwrap_err();
    }

    #[test]
    fn a_field_that_is_not_shown_is_no_difference() {
        let same = |line: Value, held: Value| Line::of(&line).alike(&Line::of(&held)) == Alike::Yes;
        let held =
            json!({"line": 1, "ITEM": {"id": "5"}, "quantity": 2.0, "description": " Car  2 "});
        assert!(same(
            json!({"item": {"id": "5"}, "account": {"id": "9"}, "quantity": 2}),
            held.clone()
        ));
        assert!(same(json!({"description": "Car 2", "item": {"id": "5"}}), held.clone()));
        assert!(!same(json!({"item": {"id": "6"}, "account": {"id": "9"}}), held.clone()));
        assert!(!same(json!({"description": "Car 3", "item": {"id": "5"}}), held.clone()));
        // Nothing of it is known.
        assert!(!same(json!({"account": {"id": "9"}}), held));
    }
}
