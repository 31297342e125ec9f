//! Templates: Jinja over few names, stopped when it runs away.

use std::collections::BTreeSet;
use std::fmt;

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::text::{Place, Text, Wrong};
use crate::connector::error::nearest;

/// Steps of one rendering, at most: a template that joins a thousand ids takes less than a tenth.
const FUEL: u64 = 50_000;
/// What stands in a path segment as it is: all else could be taken for something else on the way.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A compiled template. Belongs to the [`Templates`] that compiled it.
#[derive(Clone, Debug)]
pub(super) struct Template {
    source: Source,
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
    /// As yes or no.
    Test,
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
    test: Environment<'static>,
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
        };
        let mut path = environment(UndefinedBehavior::Strict);
        path.set_formatter(|out, _state, value| {
            let text = value.to_string();
            let encoded = utf8_percent_encode(&text, SEGMENT);
            write!(out, "{encoded}").map_err(Into::into)
        });
        let mut text = environment(UndefinedBehavior::Strict);
        text.add_filter("segment", |text: &str| utf8_percent_encode(text, SEGMENT).to_string());
        Self {
            text,
            path,
            // A rule asks for what only some answers have.
            test: environment(UndefinedBehavior::Chainable),
            count: 0,
        }
    }

    /// A template whose values come out as they are, over the variables `known`.
    pub(super) fn text(&mut self, text: &Text, known: &[&str]) -> Result<Template, Wrong> {
        self.compile(Kind::Text, text.as_str().to_owned(), text, known)
    }

    /// A template whose values come out as one segment of a path each.
    pub(super) fn path(&mut self, text: &Text, known: &[&str]) -> Result<Template, Wrong> {
        self.compile(Kind::Path, text.as_str().to_owned(), text, known)
    }

    /// An expression that is true or not, with or without braces around it.
    pub(super) fn test(&mut self, text: &Text, known: &[&str]) -> Result<Template, Wrong> {
        let trimmed = text.as_str().trim();
        let inner = trimmed.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
        let expression = inner.unwrap_or(trimmed);
        if let Err(error) = self.test.compile_expression_owned(expression.to_owned()) {
            return Err(text.at().wrong(format!("`{trimmed}` is no test: {}", said(&error))));
        }
        let source = format!("{{% if {expression} %}}1{{% endif %}}");
        self.compile(Kind::Test, source, text, known)
    }

    fn compile(
        &mut self,
        kind: Kind,
        source: String,
        text: &Text,
        known: &[&str],
    ) -> Result<Template, Wrong> {
        let at = text.at();
        if !source.contains("{{") && !source.contains("{%") && !source.contains("{#") {
            let source = Source::Constant(source);
            return Ok(Template { source, names: BTreeSet::new(), config_keys: Vec::new(), at });
        }
        let name = self.count.to_string();
        self.count += 1;
        let environment = match kind {
            Kind::Text => &mut self.text,
            Kind::Path => &mut self.path,
            Kind::Test => &mut self.test,
        };
        let wrong = |error: &minijinja::Error| {
            at.wrong(format!("`{}` is no template: {}", text.as_str(), said(error)))
        };
        environment.add_template_owned(name.clone(), source).map_err(|error| wrong(&error))?;
        let template = environment.get_template(&name).map_err(|error| wrong(&error))?;
        let names: BTreeSet<_> = template.undeclared_variables(false).into_iter().collect();
        let strange = names.iter().find(|name| {
            let name = name.as_str();
            !known.contains(&name) && !environment.globals().any(|(global, _)| global == name)
        });
        if let Some(name) = strange {
            let hint = match nearest(name, known.iter().copied()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let message = format!("unknown name `{name}` in `{}`", text.as_str());
            return Err(Wrong { hint: Some(hint), ..at.wrong(message) });
        }
        let nested = template.undeclared_variables(true);
        let config_keys = nested.iter().filter_map(|name| name.strip_prefix("config."));
        let config_keys = config_keys.map(ToOwned::to_owned).collect();
        Ok(Template { source: Source::Named(kind, name), names, config_keys, at })
    }

    /// Fills `template` in.
    ///
    /// # Errors
    /// What is missing, or that it ran away; holds no values.
    pub(super) fn render(&self, template: &Template, values: &Value) -> Result<String, String> {
        let (kind, name) = match &template.source {
            Source::Constant(text) => return Ok(text.clone()),
            Source::Named(kind, name) => (*kind, name),
        };
        let environment = match kind {
            Kind::Text => &self.text,
            Kind::Path => &self.path,
            Kind::Test => &self.test,
        };
        let rendered =
            environment.get_template(name).and_then(|found| found.render(values.clone()));
        rendered.map_err(|error| {
            let Place { line, column } = template.at;
            format!("the template at {line}:{column} of the manifest: {}", said(&error))
        })
    }

    /// Whether `test` is true.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub(super) fn holds(&self, test: &Template, values: &Value) -> Result<bool, String> {
        Ok(!self.render(test, values)?.is_empty())
    }
}

/// What minijinja says, without its own line numbers, which count within the template.
fn said(error: &minijinja::Error) -> String {
    if error.kind() == ErrorKind::OutOfFuel {
        return format!("it was stopped after {FUEL} steps");
    }
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates").field("count", &self.count).finish_non_exhaustive()
    }
}
