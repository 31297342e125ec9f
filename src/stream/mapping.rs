//! What goes out under which name: the `fields` option of a stream.

use std::borrow::Cow;
use std::collections::BTreeMap;

use indexmap::IndexMap;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde_json::value::RawValue;

use crate::config::stream::FieldRule;
use crate::error::Error;
use crate::json::fields::{Fields, finish_object, push_field};

/// Steps that one template may take; a plain one needs a few dozen.
const FUEL: u64 = 50_000;
/// What a template that is one expression sets.
const VALUE: &str = "value";

/// A stream's compiled `fields` option.
#[derive(Debug)]
pub struct Mapping {
    rules: Vec<(String, Rule)>,
    /// Incoming fields that do not go out under their own name.
    taken: Vec<String>,
    /// `"*": null`: what is not named does not go out.
    only_named: bool,
    templates: Environment<'static>,
}

#[derive(Debug)]
enum Rule {
    From(String),
    Constant(String),
    /// A template that is one expression keeps the value's type.
    Expression,
    Text,
}

impl Mapping {
    /// Compiles the option; `None` when it says nothing.
    ///
    /// # Errors
    /// Exit code 2 for a template that does not parse, naming stream and field.
    pub fn compile(
        stream: &str,
        fields: &IndexMap<String, Option<FieldRule>>,
    ) -> Result<Option<Self>, Error> {
        if fields.is_empty() {
            return Ok(None);
        }
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_fuel(Some(FUEL));
        let mut mapping =
            Self { rules: Vec::new(), taken: Vec::new(), only_named: false, templates };
        for (name, rule) in fields {
            let bad = |error: minijinja::Error| {
                Error::usage(format!(
                    "the template of field `{name}` of stream `{stream}` is wrong"
                ))
                .caused_by(error)
            };
            let rule = match rule {
                None if name == "*" => {
                    mapping.only_named = true;
                    continue;
                }
                None => {
                    mapping.taken.push(name.clone());
                    continue;
                }
                Some(FieldRule::From(source)) => {
                    mapping.taken.push(source.clone());
                    Rule::From(source.clone())
                }
                Some(FieldRule::Constant(value)) => Rule::Constant(value.to_string()),
                Some(FieldRule::Template(template)) => {
                    let (rule, source) = match only_expression(template) {
                        // Compiled once; what it sets is read after it has run.
                        Some(expression) => {
                            (Rule::Expression, format!("{{% set {VALUE} = ({expression}) %}}"))
                        }
                        None => (Rule::Text, template.clone()),
                    };
                    mapping.templates.add_template_owned(name.clone(), source).map_err(bad)?;
                    rule
                }
            };
            mapping.taken.push(name.clone());
            mapping.rules.push((name.clone(), rule));
        }
        Ok(Some(mapping))
    }

    /// The outgoing object, as text. Fields that no rule touches keep their text.
    ///
    /// # Errors
    /// For people: a template that cannot be rendered for this record.
    pub fn apply(&self, fields: &Fields<'_>) -> Result<Box<RawValue>, String> {
        let mut object = String::new();
        if !self.only_named {
            for (name, value) in &fields.0 {
                if !self.taken.iter().any(|taken| taken == name) {
                    push_field(&mut object, name, value.get());
                }
            }
        }
        let mut context = None;
        for (name, rule) in &self.rules {
            let value: Cow<'_, str> = match rule {
                Rule::From(source) => match fields.get(source) {
                    Some(value) => value.get().into(),
                    None => continue,
                },
                Rule::Constant(value) => value.as_str().into(),
                Rule::Expression | Rule::Text => {
                    let context = context.get_or_insert_with(|| template_context(fields));
                    self.render(name, rule, context)
                        .map_err(|error| format!("the template of field `{name}`: {error}"))?
                        .into()
                }
            };
            push_field(&mut object, name, &value);
        }
        RawValue::from_string(finish_object(object)).map_err(|error| error.to_string())
    }

    fn render(&self, name: &str, rule: &Rule, context: &Value) -> Result<String, String> {
        let template = self.templates.get_template(name).map_err(|error| error.to_string())?;
        if matches!(rule, Rule::Expression) {
            let ran = template.render_captured(context).map_err(|error| error.to_string())?;
            let value = ran.state().lookup(VALUE).filter(|value| !value.is_undefined());
            let value = value.ok_or("it has no value")?;
            return serde_json::to_string(&value).map_err(|error| error.to_string());
        }
        let text = template.render(context).map_err(|error| error.to_string())?;
        Ok(serde_json::Value::from(text).to_string())
    }
}

/// The record's fields as values; only templates pay for this.
fn template_context(fields: &Fields<'_>) -> Value {
    let values = fields.0.iter().map(|(name, raw)| {
        let value = serde_json::from_str::<serde_json::Value>(raw.get());
        let value = value
            .map_or_else(|_| raw.get().into(), |value| Value::from(minijinja::value::Serde(value)));
        (name.to_string(), value)
    });
    Value::from(values.collect::<BTreeMap<String, Value>>())
}

/// `{{ x }}` with nothing around it.
fn only_expression(template: &str) -> Option<&str> {
    let inner = template.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}")).then(|| inner.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(rules: &str, record: &str) -> Result<String, String> {
        let rules: IndexMap<String, Option<FieldRule>> = serde_json::from_str(rules).unwrap();
        let mapping = Mapping::compile("s", &rules).unwrap().unwrap();
        let raw: &RawValue = serde_json::from_str(record).unwrap();
        Ok(mapping.apply(&Fields::parse(raw).unwrap())?.get().to_owned())
    }

    #[test]
    fn rename_drop_constant_and_template() {
        let rules = r#"{"mail": {"from": "email"}, "age": null, "kind": {"constant": {"a": 1}},
            "name": {"template": "{{ first }} {{ last }}"}, "n": {"template": "{{ n + 1 }}"}}"#;
        let record =
            r#"{"email": "x@example.com", "age": 3, "first": "A", "last": "B", "n": 1, "d": 0.10}"#;
        assert_eq!(
            apply(rules, record).unwrap(),
            r#"{"first":"A","last":"B","d":0.10,"mail":"x@example.com","kind":{"a":1},"name":"A B","n":2}"#
        );
        // A field may have the name that is used within.
        assert_eq!(
            apply(r#"{"value": {"template": "{{ value * 2 }}"}}"#, r#"{"value": 3}"#).unwrap(),
            r#"{"value":6}"#
        );
        assert_eq!(
            apply(r#"{"*": null, "a": {"from": "a"}}"#, r#"{"a": 1.0, "b": 2}"#).unwrap(),
            r#"{"a":1.0}"#
        );
    }

    #[test]
    fn a_missing_field_and_a_runaway_are_told() {
        apply(r#"{"n": {"template": "{{ nobody }}"}}"#, "{}").unwrap_err();
        let endless = r#"{"n": {"template": "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}"}}"#;
        assert!(apply(endless, "{}").unwrap_err().contains("fuel"));
    }
}
