//! A record of the unified schema, or an object in it, as the mapping reads it.
//!
//! What has another type than the schema says is kept as a problem with its place, and all of a
//! record's are told at once, as the platform does.

use std::cell::RefCell;

use serde_json::{Map, Value};

use super::value;
use crate::json::exact;

/// What is found out about a record while it is read.
#[derive(Debug)]
pub(super) struct Reading {
    stream: &'static str,
    problems: RefCell<Vec<String>>,
    refusals: RefCell<Vec<String>>,
    ignored: RefCell<Vec<String>>,
}

impl Reading {
    pub(super) fn new(stream: &'static str) -> Self {
        Self {
            stream,
            problems: RefCell::default(),
            refusals: RefCell::default(),
            ignored: RefCell::default(),
        }
    }

    /// Which of its fields nobody knows.
    ///
    /// # Errors
    /// For people: what is wrong with it.
    pub(super) fn finish(self) -> Result<Vec<String>, String> {
        let problems = self.problems.into_inner();
        if !problems.is_empty() {
            let stream = self.stream;
            let all = problems.join("; ");
            return Err(format!("Failed Structure/Datatype validation for {stream}: {all}"));
        }
        match self.refusals.into_inner().into_iter().next() {
            Some(refusal) => Err(refusal),
            None => Ok(self.ignored.into_inner()),
        }
    }
}

/// The record, or an object in it.
#[derive(Clone, Debug)]
pub(super) struct Source<'a> {
    reading: &'a Reading,
    /// Where it stands, such as `lineItems.0.`; empty for the record itself.
    place: String,
    fields: &'a Map<String, Value>,
}

/// Null says nothing, and neither does what is empty.
fn says(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => true,
    }
}

impl<'a> Source<'a> {
    pub(super) fn new(reading: &'a Reading, fields: &'a Map<String, Value>) -> Self {
        Self { reading, place: String::new(), fields }
    }

    /// Whether the field is there at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// What a field says.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| says(value))
    }

    /// Where it stands, for people.
    pub(super) fn place(&self) -> &str {
        self.place.trim_end_matches('.')
    }

    pub(super) fn problem(&self, name: &str, what: &str) {
        let problem = format!("'{}{name}' -> {what}", self.place);
        self.reading.problems.borrow_mut().push(problem);
    }

    fn wrong(&self, name: &str, what: &str, value: &Value) {
        self.problem(name, &format!("Input should be {what} {}", value::shown(value)));
    }

    /// Refuses the record in words of its own.
    pub(super) fn refuse(&self, why: String) {
        self.reading.refusals.borrow_mut().push(why);
    }

    /// A text; a number is one, in its digits.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        match value {
            Value::String(_) | Value::Number(_) => exact::text(value),
            _ => {
                self.wrong(name, "a valid string", value);
                None
            }
        }
    }

    /// A text that records are compared by, in which white space around it means nothing.
    pub(super) fn key(&self, name: &str) -> Option<String> {
        self.text(name).map(|text| text.trim().to_owned())
    }

    /// A number; a text of its digits is one.
    pub(super) fn number(&self, name: &str) -> Option<Value> {
        let value = self.get(name)?;
        let read = match value {
            Value::Number(_) => Some(value.clone()),
            Value::String(text) => value::number(text),
            _ => None,
        };
        if read.is_none() {
            self.wrong(name, "a valid number", value);
        }
        read
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        let read = value.as_bool();
        if read.is_none() {
            self.wrong(name, "a valid boolean", value);
        }
        read
    }

    /// The day of a date.
    pub(super) fn day(&self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        let read = value.as_str().and_then(value::day);
        if read.is_none() {
            self.wrong(name, "a valid date or datetime", value);
        }
        read.map(str::to_owned)
    }

    /// A date with its time, as it stands.
    pub(super) fn moment(&self, name: &str) -> Option<String> {
        self.day(name).and_then(|_| self.text(name))
    }

    /// The elements of a list, with their places in it, but for those that say nothing.
    pub(super) fn list(&self, name: &str) -> Vec<(usize, &'a Value)> {
        self.all(name).into_iter().filter(|(_, value)| says(value)).collect()
    }

    fn all(&self, name: &str) -> Vec<(usize, &'a Value)> {
        match self.get(name) {
            None => Vec::new(),
            Some(Value::Array(list)) => list.iter().enumerate().collect(),
            Some(value) => {
                self.wrong(name, "a valid list", value);
                Vec::new()
            }
        }
    }

    /// The objects of a list, but for those that say nothing.
    pub(super) fn objects(&self, name: &str) -> Vec<Self> {
        self.read_objects(name, self.list(name))
    }

    /// The objects of a list in which each is a record of its own: one that says nothing would be
    /// lost.
    pub(super) fn rows(&self, name: &str) -> Vec<Self> {
        self.read_objects(name, self.all(name))
    }

    fn read_objects(&self, name: &str, values: Vec<(usize, &'a Value)>) -> Vec<Self> {
        let mut objects = Vec::new();
        for (at, value) in values {
            let Value::Object(fields) = value else {
                self.wrong(&format!("{name}.{at}"), "a valid dictionary", value);
                continue;
            };
            let place = format!("{}{name}.{at}.", self.place);
            objects.push(Self { reading: self.reading, place, fields });
        }
        objects
    }

    /// The texts of a list.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for (at, value) in self.list(name) {
            match value {
                Value::String(text) => texts.push(text.trim().to_owned()),
                Value::Number(number) => texts.push(number.to_string()),
                _ => self.wrong(&format!("{name}.{at}"), "a valid string", value),
            }
        }
        texts
    }

    /// Keeps the names of those fields that say something and that nobody knows.
    pub(super) fn ignore_unless(&self, is_known: impl Fn(&str) -> bool) {
        let mut ignored = self.reading.ignored.borrow_mut();
        let unknown = self.fields.keys().filter(|name| !is_known(name));
        for name in unknown.filter(|name| self.get(name).is_some()) {
            // Without the places in lists, so that many lines are told once.
            let parts = self.place.split('.').filter(|part| !part.is_empty());
            let parts = parts.filter(|part| !part.bytes().all(|byte| byte.is_ascii_digit()));
            let name = parts.chain([name.as_str()]).collect::<Vec<_>>().join(".");
            if !ignored.contains(&name) {
                ignored.push(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_problems_of_a_record_are_told_at_once() {
        let record = json!({
            "a": 1, "flag": "true", "day": "soon", "n": "1,0", "l": "x", "t": [1], "e": "",
            "lines": [null, {"n": true, "odd": 1, "none": null}, 5, {"odd": 2}],
            "texts": ["a ", 2, [3]]
        });
        let reading = Reading::new("Bills");
        let source = Source::new(&reading, record.as_object().unwrap());
        assert_eq!(
            (source.text("a"), source.text("e"), source.text("no")),
            (Some("1".into()), None, None)
        );
        assert_eq!(
            (source.flag("flag"), source.day("day"), source.number("n")),
            (None, None, None)
        );
        assert_eq!((source.list("l").len(), source.text("t")), (0, None));
        assert_eq!(source.texts("texts"), ["a", "2"]);
        let lines = source.objects("lines");
        assert_eq!((lines.len(), lines[0].place()), (2, "lines.1"));
        assert_eq!(lines[0].number("n"), None);
        source.refuse("no".to_owned());
        assert_eq!(
            reading.finish().unwrap_err(),
            "Failed Structure/Datatype validation for Bills: 'flag' -> Input should be a valid \
             boolean (got value true of type str); 'day' -> Input should be a valid date or \
             datetime (got value soon of type str); 'n' -> Input should be a valid number (got \
             value 1,0 of type str); 'l' -> Input should be a valid list (got value x of type \
             str); 't' -> Input should be a valid string (got value [1] of type list); 'texts.2' \
             -> Input should be a valid string (got value [3] of type list); 'lines.2' -> Input \
             should be a valid dictionary (got value 5 of type int); 'lines.1.n' -> Input should \
             be a valid number (got value True of type bool)"
        );
        let reading = Reading::new("Bills");
        let source = Source::new(&reading, record.as_object().unwrap());
        source.refuse("no".to_owned());
        source.refuse("nor this".to_owned());
        assert_eq!(reading.finish().unwrap_err(), "no");
    }

    #[test]
    fn what_nobody_knows_is_told_once_without_its_line() {
        let record =
            json!({"new": 1, "empty": "", "lines": [{"odd": 1, "n": 2}, {"odd": 2, "none": null}]});
        let reading = Reading::new("Bills");
        let source = Source::new(&reading, record.as_object().unwrap());
        source.ignore_unless(|name| name == "lines");
        for line in source.objects("lines") {
            line.ignore_unless(|name| name == "n");
        }
        assert_eq!(reading.finish().unwrap(), ["new", "lines.odd"]);
    }
}
