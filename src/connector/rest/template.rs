//! Templates: Jinja over few names, stopped when it runs away.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use percent_encoding::utf8_percent_encode;

use sha2::Sha256;

use super::text::{Place, Text, Wrong, check_depth, quoteless, tags};
use crate::connector::error::nearest;
use crate::connector::http::SEGMENT;
use crate::text::hex;

/// Steps of one rendering, at most: a template that joins a thousand ids takes less than a tenth.
const FUEL: u64 = 50_000;

/// A compiled template. Belongs to the [`Templates`] that compiled it.
#[derive(Clone, Debug)]
pub(super) struct Template {
    source: Source,
    /// Of one that is a variable or a field of one and no more, as `{{ row.id }}`: their names. It
    /// is found without a run of the template, which costs thousands of instructions.
    variable: Option<Vec<String>>,
    names: BTreeSet<String>,
    config_keys: Vec<String>,
    at: Place,
}

#[derive(Clone, Debug)]
enum Source {
    /// Nothing to fill in.
    Constant(String),
    /// Under this name in its environment.
    Named(Kind, String),
}

/// How values come out of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// As they are.
    Text,
    /// Encoded as one segment of a path.
    Path,
    /// As JSON.
    Json,
    /// As they are; what is not there, or `null`, as nothing.
    Find,
}

impl Template {
    /// Whether it names the variable `name`.
    pub(super) fn names(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The config's keys that it names.
    pub(super) fn config_keys(&self) -> &[String] {
        &self.config_keys
    }

    /// The names in one that is a variable, or a field of one, and no more.
    pub(super) fn variable(&self) -> Option<&[String]> {
        self.variable.as_deref()
    }

    /// Of one that is a variable: its value, if it is there.
    fn value(&self, values: &Value) -> Option<Value> {
        let (first, fields) = self.variable()?.split_first()?;
        let known = |value: Value| (!value.is_undefined()).then_some(value);
        let value = values.get_attr(first).ok().and_then(known)?;
        fields.iter().try_fold(value, |value, field| value.get_attr(field).ok().and_then(known))
    }

    /// Where it stands.
    pub(super) fn at(&self) -> Place {
        self.at
    }
}

/// All templates of a manifest.
#[derive(Clone)]
pub(super) struct Templates {
    text: Environment<'static>,
    path: Environment<'static>,
    json: Environment<'static>,
    find: Environment<'static>,
    count: usize,
}

impl Templates {
    /// Without any.
    pub(super) fn new() -> Self {
        let environment = |undefined| {
            let mut environment = Environment::new();
            environment.set_undefined_behavior(undefined);
            environment.set_auto_escape_callback(|_| AutoEscape::None);
            environment.set_fuel(Some(FUEL));
            environment
                .add_filter("segment", |text: &str| utf8_percent_encode(text, SEGMENT).to_string());
            environment.add_filter("base64", |text: &str| BASE64_STANDARD.encode(text));
            environment.add_filter("md5", |text: &str| hex(&Md5::digest(text)));
            environment.add_filter("sha256", |text: &str| hex(&Sha256::digest(text)));
            environment
        };
        let mut path = environment(UndefinedBehavior::Strict);
        path.set_formatter(|out, _state, value| {
            let text = value.to_string();
            if text.is_empty() {
                // The address would be one of something else.
                let why = "an empty value cannot stand in a path";
                return Err(minijinja::Error::new(ErrorKind::InvalidOperation, why));
            }
            let encoded = utf8_percent_encode(&text, SEGMENT);
            write!(out, "{encoded}").map_err(Into::into)
        });
        let text = environment(UndefinedBehavior::Strict);
        let mut json = environment(UndefinedBehavior::Strict);
        json.set_formatter(|out, _state, value| {
            let json = serde_json::to_string(value).map_err(|error| {
                minijinja::Error::new(ErrorKind::BadSerialization, error.to_string())
            })?;
            out.write_str(&json).map_err(Into::into)
        });
        // A rule asks for what only some answers have.
        let mut find = environment(UndefinedBehavior::Chainable);
        find.set_formatter(|out, _state, value| {
            if value.is_undefined() || value.is_none() {
                return Ok(());
            }
            write!(out, "{value}").map_err(Into::into)
        });
        Self { text, path, json, find, count: 0 }
    }

    /// A template whose values come out as they are, over the variables `known`.
    pub(super) fn text(&mut self, text: &Text, known: &[&str]) -> Result<Template, Wrong> {
        self.compile(Kind::Text, text.as_str().to_owned(), text, known)
    }

    /// A template whose values come out as one segment of a path each.
    pub(super) fn path(&mut self, text: &Text, known: &[&str]) -> Result<Template, Wrong> {
        self.compile(Kind::Path, text.as_str().to_owned(), text, known)
    }

    /// A template in JSON or in a query: a single expression (`{{ remote_id | int }}`) comes out as
    /// a value of its own type, all else as a text.
    pub(super) fn value(&mut self, text: &Text, known: &[&str]) -> Result<Template, Wrong> {
        let kind = if is_expression(text.as_str()) { Kind::Json } else { Kind::Text };
        self.compile(kind, text.as_str().trim().to_owned(), text, known)
    }

    /// A template that finds something in an answer.
    pub(super) fn find(&mut self, text: &Text, known: &[&str]) -> Result<Template, Wrong> {
        self.compile(Kind::Find, text.as_str().to_owned(), text, known)
    }

    /// An expression that is true or not, with or without braces around it.
    pub(super) fn test(&mut self, text: &Text, known: &[&str]) -> Result<Template, Wrong> {
        let trimmed = text.as_str().trim();
        let inner = trimmed.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
        let expression = inner.unwrap_or(trimmed);
        check_depth(text)?;
        if let Err(error) = self.find.compile_expression_owned(expression.to_owned()) {
            let told = quoteless(trimmed);
            return Err(text.at().wrong(format!("`{told}` is no test: {}", said(&error))));
        }
        let source = format!("{{% if {expression} %}}1{{% endif %}}");
        let template = self.compile(Kind::Find, source, text, known)?;
        Ok(Template { variable: variable(expression), ..template })
    }

    fn compile(
        &mut self,
        kind: Kind,
        source: String,
        text: &Text,
        known: &[&str],
    ) -> Result<Template, Wrong> {
        let at = text.at();
        check_depth(text)?;
        if !source.contains("{{") && !source.contains("{%") && !source.contains("{#") {
            let source = Source::Constant(source);
            let (names, config_keys) = (BTreeSet::new(), Vec::new());
            return Ok(Template { source, variable: None, names, config_keys, at });
        }
        let name = self.count.to_string();
        self.count += 1;
        let braced = source.strip_prefix("{{").and_then(|inside| inside.strip_suffix("}}"));
        let variable = braced.and_then(variable);
        let environment = match kind {
            Kind::Text => &mut self.text,
            Kind::Path => &mut self.path,
            Kind::Json => &mut self.json,
            Kind::Find => &mut self.find,
        };
        let wrong = |error: &minijinja::Error| {
            at.wrong(format!("`{}` is no template: {}", tags(text.as_str()), said(error)))
        };
        environment.add_template_owned(name.clone(), source).map_err(|error| wrong(&error))?;
        let template = environment.get_template(&name).map_err(|error| wrong(&error))?;
        let names: BTreeSet<_> = template.undeclared_variables(false).into_iter().collect();
        let strange = names.iter().find(|name| {
            let name = name.as_str();
            !known.contains(&name) && !environment.globals().any(|(global, _)| global == name)
        });
        if let Some(name) = strange {
            // As for a key: it may be a credential without its quotes.
            let (message, hint) = match nearest(name, known.iter().copied()) {
                Some(nearest) => (
                    format!("unknown name `{name}` in `{}`", tags(text.as_str())),
                    format!("did you mean `{nearest}`?"),
                ),
                None => (
                    "a template names something unknown".to_owned(),
                    format!("known here: {}", known.join(", ")),
                ),
            };
            return Err(Wrong { hint: Some(hint), ..at.wrong(message) });
        }
        let nested = template.undeclared_variables(true);
        let config_keys = nested.iter().filter_map(|name| name.strip_prefix("config."));
        let config_keys = config_keys.map(ToOwned::to_owned).collect();
        Ok(Template { source: Source::Named(kind, name), variable, names, config_keys, at })
    }

    /// Fills `template` in.
    ///
    /// # Errors
    /// What is missing, or that it ran away. What went wrong with a value may name it: to be
    /// cleaned before it is told.
    pub(super) fn render(&self, template: &Template, values: &Value) -> Result<String, String> {
        if let Source::Named(kind, _) = template.source
            && let Some(value) = template.value(values)
        {
            match kind {
                Kind::Find if value.is_none() => return Ok(String::new()),
                Kind::Text | Kind::Find => return Ok(value.to_string()),
                Kind::Json => {
                    if let Ok(json) = serde_json::to_string(&value) {
                        return Ok(json);
                    }
                }
                Kind::Path => {}
            }
        }
        self.run(template, values)
    }

    /// Fills `template` in by running it.
    fn run(&self, template: &Template, values: &Value) -> Result<String, String> {
        let (kind, name) = match &template.source {
            Source::Constant(text) => return Ok(text.clone()),
            Source::Named(kind, name) => (*kind, name),
        };
        let environment = match kind {
            Kind::Text => &self.text,
            Kind::Path => &self.path,
            Kind::Json => &self.json,
            Kind::Find => &self.find,
        };
        let rendered =
            environment.get_template(name).and_then(|found| found.render(values.clone()));
        rendered.map_err(|error| {
            let Place { line, column } = template.at;
            format!("the template at {line}:{column} of the manifest: {}", said(&error))
        })
    }

    /// Fills `template` in, as JSON.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub(super) fn render_json(
        &self,
        template: &Template,
        values: &Value,
    ) -> Result<String, String> {
        let rendered = self.render(template, values)?;
        match template.source {
            Source::Named(Kind::Json, _) => Ok(rendered),
            _ => Ok(serde_json::Value::from(rendered).to_string()),
        }
    }

    /// Fills `template` in, as texts: one for each member of a list, none for `null`.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub(super) fn render_texts(
        &self,
        template: &Template,
        values: &Value,
    ) -> Result<Vec<String>, String> {
        use serde_json::Value as Json;
        let text = |value: Json| match value {
            Json::Null => None,
            Json::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        let json = serde_json::from_str(&self.render_json(template, values)?);
        match json.map_err(|error| error.to_string())? {
            Json::Array(items) => Ok(items.into_iter().filter_map(text).collect()),
            one => Ok(text(one).into_iter().collect()),
        }
    }

    /// Whether `test` is true.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub(super) fn holds(&self, test: &Template, values: &Value) -> Result<bool, String> {
        if let Some(value) = test.value(values) {
            return Ok(value.is_true());
        }
        Ok(!self.run(test, values)?.is_empty())
    }
}

/// The names in an expression that is a variable, or a field of one, and no more.
fn variable(expression: &str) -> Option<Vec<String>> {
    let is_name = |name: &str| {
        let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_word && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
    };
    let names: Vec<String> = expression.trim().split('.').map(ToOwned::to_owned).collect();
    names.iter().all(|name| is_name(name)).then_some(names)
}

/// Whether a template is one expression in braces, and nothing beside it.
fn is_expression(text: &str) -> bool {
    let inner = text.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
    inner.is_some_and(|inner| !["{{", "{%", "{#"].iter().any(|begin| inner.contains(begin)))
}

/// What minijinja says, without its own line numbers, which count within the template.
fn said(error: &minijinja::Error) -> String {
    if error.kind() == ErrorKind::OutOfFuel {
        return format!("it was stopped after {FUEL} steps");
    }
    match error.detail() {
        // It would name what the template was made of.
        _ if error.kind() == ErrorKind::TemplateNotFound => {
            "it includes another template, and there is none".to_owned()
        }
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates").field("count", &self.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(template: &str) -> String {
        let mut templates = Templates::new();
        let template = templates.value(&Text::of(template), &["v"]).unwrap();
        let values = Value::from_pairs([("v", Value::from("a"))]);
        templates.render_json(&template, &values).unwrap()
    }

    #[test]
    fn filters_of_our_own() {
        let cases = [
            ("{{ v | md5 }}", "\"0cc175b9c0f1b6a831c399e269772661\""),
            (
                "{{ v | sha256 }}",
                "\"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\"",
            ),
            ("{{ v | base64 }}", "\"YQ==\""),
            ("/{{ (v ~ '/ä') | segment }}", "\"/a%2F%C3%A4\""),
        ];
        for (template, expected) in cases {
            assert_eq!(rendered(template), expected);
        }
    }

    #[test]
    fn the_deepest_template_that_is_taken_does_no_harm() {
        let units = [
            ("not ", ""),
            ("(", ")"),
            ("[", "]"),
            ("-", ""),
            ("v + ", ""),
            ("v ~ ", ""),
            ("v if v else ", ""),
            ("v and ", ""),
        ];
        for (unit, end) in units {
            for times in [40, 140, 290, 20_000] {
                let text = format!("{{{{ {}v{} }}}}", unit.repeat(times), end.repeat(times));
                let text = Text::of(text);
                let mut templates = Templates::new();
                let taken = templates.text(&text, &["v"]).and(templates.test(&text, &["v"]));
                assert!(taken.is_err() || times < 20_000, "{unit}");
            }
        }
    }

    #[test]
    fn an_expression_alone_is_a_value_and_all_else_a_text() {
        let cases = [
            ("{{ 7 }}", "7"),
            (" {{ [v, 1.5, none, true] }} ", "[\"a\",1.5,null,true]"),
            ("{{ {'k': {'v': v}} }}", "{\"k\":{\"v\":\"a\"}}"),
            ("{{ 7 }}{{ 8 }}", "\"78\""),
            ("{{ 7 }} ", "7"),
            ("n{{ 7 }}", "\"n7\""),
            ("{% if true %}{{ 7 }}{% endif %}", "\"7\""),
            ("plain", "\"plain\""),
        ];
        for (template, expected) in cases {
            assert_eq!(rendered(template), expected, "{template}");
        }
    }
}
