//! What a call gives for a record, read by the types of its fields: from JSON, or from a row of CSV.
//!
//! What is wrong here is wrong with the call, not with the record: Salesforce reads the whole body
//! before it looks at any record, so that one unknown field refuses all of them. Only the values of
//! a bulk job are read row by row.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};

use super::catalog::{Field, Kind, Object};
use super::org::Org;
use super::problem::Problem;

/// A record as it is given.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// What is given as `Id`.
    pub(super) id: Option<String>,
    /// In the order given.
    pub(super) values: Vec<(&'static Field, Given)>,
}

/// What is given for a field.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// A value of the field's type, or null.
    Value(Value),
    /// For a reference: the record of `object` whose `key` is this.
    Related { object: &'static Object, key: &'static Field, value: String },
}

/// What a column of a bulk job is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    Field(&'static Field),
    Related { reference: &'static Field, object: &'static Object, key: &'static Field },
}

impl Draft {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// A field that the object has not, or a value of another type.
    pub(super) fn of_json(
        org: &Org,
        object: &'static Object,
        given: &Map<String, Value>,
    ) -> Result<Self, Problem> {
        let mut draft = Self::default();
        for (name, value) in given {
            if name == "attributes" {
                continue;
            }
            if let Some(field) = object.field(name) {
                if field.kind == Kind::Id {
                    draft.id = value.as_str().map(str::to_owned);
                } else {
                    draft.values.push((field, Given::Value(of_json(field, value)?)));
                }
            } else if let Some(reference) = object.relation(name) {
                draft.values.extend(related(org, object, name, reference, value)?);
            } else {
                return Err(Problem::no_field(object.name, name));
            }
        }
        Ok(draft)
    }

    /// Reads a row. An empty cell leaves its field alone, `#N/A` clears it.
    ///
    /// # Errors
    /// A value of another type.
    pub(super) fn of_row<'a>(
        columns: &[Column],
        cells: impl Iterator<Item = &'a str>,
    ) -> Result<Self, Problem> {
        let mut draft = Self::default();
        for (column, cell) in columns.iter().zip(cells) {
            match *column {
                _ if cell.is_empty() => {}
                Column::Field(field) if field.kind == Kind::Id => {
                    draft.id = Some(cell.to_owned());
                }
                Column::Field(field) => {
                    let value = if cell == "#N/A" {
                        Value::Null
                    } else {
                        of_text(field.kind, cell).ok_or_else(|| not_of_type(field, cell))?
                    };
                    draft.values.push((field, Given::Value(value)));
                }
                Column::Related { reference, object, key } => {
                    let value = cell.to_owned();
                    draft.values.push((reference, Given::Related { object, key, value }));
                }
            }
        }
        Ok(draft)
    }

    /// What is given for the field of this name, as text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let (_, given) = self.values.iter().find(|(field, _)| field.name == name)?;
        match given {
            Given::Value(Value::String(text)) => Some(text.clone()),
            Given::Value(Value::Null) | Given::Related { .. } => None,
            Given::Value(value) => Some(value.to_string()),
        }
    }

    /// Takes a field out.
    pub(super) fn take(&mut self, name: &str) {
        self.values.retain(|(field, _)| field.name != name);
    }
}

impl Column {
    /// What a column of this name is: a field, or `Relation.Key` of the record that one is to, or
    /// `Object:Relation.Key` where it may be of several objects.
    pub(super) fn parse(org: &Org, object: &'static Object, name: &str) -> Option<Self> {
        let Some((path, key)) = name.split_once('.') else {
            return object.field(name).map(Self::Field);
        };
        let (of, relation) = match path.split_once(':') {
            Some((of, relation)) => (Some(of), relation),
            None => (None, path),
        };
        let reference = object.relation(relation)?;
        let object = referred(org, reference, of)?;
        let key = object.field(key).filter(|key| key.is_key())?;
        Some(Self::Related { reference, object, key })
    }
}

/// `{"Ext_Id__c": "x"}`, in the place of the id of a record that is known by it.
fn related(
    org: &Org,
    object: &'static Object,
    name: &str,
    reference: &'static Field,
    value: &Value,
) -> Result<Option<(&'static Field, Given)>, Problem> {
    let Value::Object(members) = value else {
        if value.is_null() {
            return Ok(None);
        }
        return Err(Problem::json(format!(
            "Cannot deserialize instance of {} from {} value {value} or request may be missing a \
             required field",
            name,
            token(value)
        )));
    };
    let of = value["attributes"]["type"].as_str();
    let to = referred(org, reference, of).ok_or_else(|| {
        Problem::bad(
            "INVALID_FIELD",
            format!(
                "Polymorphic relationship {name} of {} needs the type of its record",
                object.name
            ),
        )
    })?;
    let mut keys = members.iter().filter(|(name, _)| *name != "attributes");
    let (Some((key, value)), None) = (keys.next(), keys.next()) else {
        return Err(Problem::bad(
            "INVALID_FIELD",
            format!(
                "More than 1 field provided in an external foreign key reference in entity: {}",
                to.name
            ),
        ));
    };
    let key = to.field(key).ok_or_else(|| Problem::no_field(to.name, key))?;
    if !key.is_key() {
        return Err(Problem::bad(
            "INVALID_FIELD",
            format!("{} is not an external ID field of {}", key.name, to.name),
        ));
    }
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Null => return Ok(None),
        other => other.to_string(),
    };
    Ok(Some((reference, Given::Related { object: to, key, value })))
}

/// The object that a reference is to: the only one, or the one that is named.
fn referred(org: &Org, reference: &Field, named: Option<&str>) -> Option<&'static Object> {
    let Kind::Reference(objects) = reference.kind else { return None };
    match (named, objects) {
        (Some(name), _) => {
            let object = org.find(name)?;
            objects.contains(&object.name).then_some(object)
        }
        (None, [one]) => org.find(one),
        (None, _) => None,
    }
}

fn of_json(field: &Field, value: &Value) -> Result<Value, Problem> {
    let read = match (field.kind, value) {
        (_, Value::Null) => Some(Value::Null),
        (_, Value::String(text)) if text.trim().is_empty() => Some(Value::Null),
        (kind, Value::String(text)) => of_text(kind, text),
        (Kind::Bool, Value::Bool(_)) => Some(value.clone()),
        (Kind::Int, Value::Number(number)) => {
            number.as_i64().and_then(|number| i32::try_from(number).ok()).map(Value::from)
        }
        (kind, Value::Number(_)) if kind.digits().is_some() => Some(value.clone()),
        _ => None,
    };
    read.ok_or_else(|| {
        let kind = match field.kind {
            Kind::Double(..) | Kind::Currency | Kind::Percent(..) => "double",
            Kind::Int | Kind::Bool | Kind::Date | Kind::DateTime | Kind::Base64 => {
                field.kind.as_str()
            }
            _ => "string",
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Problem::json(format!(
            "Cannot deserialize instance of {kind} from {} value {text} or request may be missing \
             a required field at [line:1, column:1]",
            token(value)
        ))
    })
}

/// How Salesforce's reader of JSON calls what stands there.
fn token(value: &Value) -> &'static str {
    match value {
        Value::Null => "VALUE_NULL",
        Value::Bool(true) => "VALUE_TRUE",
        Value::Bool(false) => "VALUE_FALSE",
        Value::Number(number) if number.is_f64() => "VALUE_NUMBER_FLOAT",
        Value::Number(_) => "VALUE_NUMBER_INT",
        Value::String(_) => "VALUE_STRING",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    }
}

fn not_of_type(field: &Field, text: &str) -> Problem {
    Problem::of(
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        &[field.name],
        format!("{}: value not of required type: {text}", field.label()),
    )
}

/// Reads a text as a value of this type; `None` when it is none.
fn of_text(kind: Kind, text: &str) -> Option<Value> {
    let text = text.trim();
    match kind {
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true.into()),
            "false" | "0" => Some(false.into()),
            _ => None,
        },
        Kind::Int => text.parse::<i32>().ok().map(Value::from),
        Kind::Double(..) | Kind::Currency | Kind::Percent(..) => {
            // Read as JSON first, for whole numbers have no point.
            let number = serde_json::from_str(text).ok().filter(Value::is_number);
            number.or_else(|| {
                text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from)
            })
        }
        Kind::Date => date(text).map(|date| date.to_string().into()),
        Kind::Base64 => STANDARD.decode(text).is_ok().then(|| text.into()),
        Kind::DateTime => moment(text).map(|moment| shown(moment).into()),
        _ => Some(text.into()),
    }
}

/// A day, alone or in front of a time.
pub(super) fn date(text: &str) -> Option<NaiveDate> {
    let day = text.split_once('T').map_or(text, |(day, _)| day);
    if day.len() != text.len() {
        moment(text)?;
    }
    let date = NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?;
    // Salesforce knows the years from 1700 to 4000.
    (day.len() == 10 && ("1700".."4000").contains(&day.get(..4)?)).then_some(date)
}

/// A moment with its offset, or a day.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day.and_hms_opt(0, 0, 0)?.and_utc());
    }
    let text =
        text.strip_suffix('Z').map_or_else(|| text.to_owned(), |text| format!("{text}+0000"));
    let moment = DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%z").ok()?;
    Some(moment.to_utc())
}

/// A moment as Salesforce shows it.
pub(super) fn shown(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_by_their_type() {
        let second = "2024-02-29T12:30:00.000+0000";
        for (kind, text, expected) in [
            (Kind::DateTime, "2024-02-29T12:30:00Z", Some(second.into())),
            (Kind::DateTime, "2024-02-29T13:30:00.0004+01:00", Some(second.into())),
            (Kind::DateTime, "2024-02-29T10:30:00-0200", Some(second.into())),
            (Kind::DateTime, "2024-02-29", Some("2024-02-29T00:00:00.000+0000".into())),
            (Kind::DateTime, "2024-02-29 12:30:00", None),
            (Kind::DateTime, "2023-02-29T12:30:00Z", None),
            (Kind::Date, "2024-02-29", Some("2024-02-29".into())),
            (Kind::Date, "2024-02-29T12:30:00Z", Some("2024-02-29".into())),
            (Kind::Date, "2024-02-29Tsoon", None),
            (Kind::Date, "0024-02-29", None),
            (Kind::Date, "29.2.2024", None),
            (Kind::Int, "7", Some(7.into())),
            (Kind::Int, "7.5", None),
            (Kind::Int, "3000000000", None),
            (Kind::Currency, "7", Some(7.into())),
            (Kind::Currency, "1e400", None),
            (Kind::Currency, "NaN", None),
            (Kind::Bool, "TRUE", Some(true.into())),
            (Kind::Bool, "yes", None),
            (Kind::Text(1), " x ", Some("x".into())),
        ] {
            assert_eq!(of_text(kind, text), expected, "{kind:?} {text}");
        }
    }
}
