//! The rows of a bulk job: from records to CSV, and from the CSV of results to what became of each.
//!
//! A cell that is empty leaves its field as it is, `#N/A` clears it; a record of another object stands
//! under `Relationship.Field`. Form of the data:
//! <https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/datafiles_prepare_csv.htm>

use std::collections::HashMap;

use indexmap::IndexMap;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::describe::Description;
use super::part::OBJECT;
use super::unified::BY;
use crate::json::fields::Fields;
use crate::text::hex;

/// Clears a field.
pub(super) const NULL: &str = "#N/A";
/// Characters of a cell and of a row, at most.
const MAX_CELL_CHARS: usize = 32_000;
const MAX_ROW_CHARS: usize = 400_000;
/// Bytes of an id and an error, about.
const BESIDE_BYTES: usize = 400;

/// The cells of what `keeps` keeps of a record, by column; `None`: it has what a row cannot say.
pub(super) fn cells(
    description: &Description,
    body: &str,
    keeps: impl Fn(&str) -> bool,
) -> Option<Vec<(String, String)>> {
    let fields = Fields::of_text(body).ok()?;
    let mut cells = Vec::with_capacity(fields.0.len());
    for (name, value) in fields.0.iter().filter(|(name, _)| keeps(name)) {
        // A unified record that has nothing before it or after it goes out like any other.
        let is_own = name == OBJECT && value.get().trim_matches('"') == description.name;
        if is_own || name.starts_with(BY) {
            continue;
        }
        if let Some(field) = description.field(name) {
            // Files do not go out in rows.
            if field.kind == "base64" {
                return None;
            }
            cells.push((field.name.clone(), cell(value)?));
        } else {
            let reference = description.reference(name)?;
            let relationship = reference.relationship_name.as_deref()?;
            let Ok(other) = Fields::parse(value) else { return None };
            let [(by, value)] = other.0.as_slice() else { return None };
            cells.push((format!("{relationship}.{by}"), cell(value).filter(|cell| cell != NULL)?));
        }
    }
    let chars = cells.iter().map(|(_, cell)| cell.chars().count());
    let is_short = chars.clone().all(|count| count <= MAX_CELL_CHARS);
    (is_short && chars.sum::<usize>() <= MAX_ROW_CHARS).then_some(cells)
}

fn cell(value: &RawValue) -> Option<String> {
    let json = value.get();
    match json.as_bytes().first()? {
        b'n' => Some(NULL.to_owned()),
        b'"' => {
            let text: String = serde_json::from_str(json).ok()?;
            match text.trim() {
                "" => Some(NULL.to_owned()),
                // As it is, it would clear the field.
                NULL => None,
                _ => Some(text),
            }
        }
        b'{' | b'[' => None,
        _ => Some(json.to_owned()),
    }
}

/// Rows that share their columns.
#[derive(Debug, Default)]
pub(super) struct Table {
    columns: IndexMap<String, ()>,
    /// Places of columns, and what stands there.
    rows: Vec<Vec<(usize, String)>>,
}

impl Table {
    pub(super) fn push(&mut self, cells: Vec<(String, String)>) {
        let row = cells.into_iter().map(|(name, cell)| {
            let (place, _) = self.columns.insert_full(name, ());
            (place, cell)
        });
        let row = row.collect();
        self.rows.push(row);
    }

    pub(super) fn columns(&self) -> Vec<String> {
        self.columns.keys().cloned().collect()
    }

    /// The cells of each row, in the order of the columns.
    fn whole(&self) -> impl Iterator<Item = Vec<&str>> {
        self.rows.iter().map(|row| {
            let mut whole = vec![""; self.columns.len()];
            for (place, cell) in row {
                whole[*place] = cell;
            }
            whole
        })
    }

    /// What tells each row from those with other cells.
    pub(super) fn digests(&self) -> Vec<String> {
        self.whole().map(|cells| digest(cells.into_iter())).collect()
    }

    /// Bytes of it as results tell it, at most: each cell between quotes, an id and an error beside.
    pub(super) fn told_bytes(&self) -> usize {
        let quotes = |cell: &str| cell.bytes().filter(|byte| *byte == b'"').count();
        let cells = self.rows.iter().flatten().map(|(_, cell)| cell.len() + quotes(cell));
        cells.sum::<usize>() + self.rows.len() * (self.columns.len() * 3 + BESIDE_BYTES)
    }

    /// As CSV, with the columns above.
    pub(super) fn csv(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        // It cannot fail: it writes to memory, and all rows are of one length.
        let columns = writer.write_record(self.columns.keys());
        let rows = self.whole().try_for_each(|cells| writer.write_record(cells));
        debug_assert!(columns.is_ok() && rows.is_ok());
        writer.into_inner().unwrap_or_default()
    }
}

/// What stays the same however a row is told: white space around its cells, and how lines end, may
/// not.
fn digest<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for cell in cells {
        digest.update(cell.trim().replace("\r\n", "\n"));
        digest.update([0]);
    }
    hex(&digest.finalize()[..12])
}

/// What tells a row of results from others.
#[derive(Debug)]
pub(super) enum By<'a> {
    /// The cell of this column.
    Column(&'a str),
    /// All cells of these.
    Row(&'a [String]),
}

/// A row of results.
#[derive(Debug)]
pub(super) struct ResultRow {
    /// Which row it is about.
    pub(super) key: String,
    /// Under `sf__Id`.
    pub(super) id: Option<String>,
    /// Under `sf__Created`.
    pub(super) is_new: Option<bool>,
    /// Under `sf__Error`.
    pub(super) error: Option<String>,
}

/// The rows of results, whose first column is `first`.
///
/// # Errors
/// For people: they are none, or are cut off.
pub(super) fn told(csv: &[u8], by: &By<'_>, first: Option<&str>) -> Result<Vec<ResultRow>, String> {
    if !csv.is_empty() && !csv.ends_with(b"\n") {
        return Err("results are cut off".to_owned());
    }
    let mut reader = csv::Reader::from_reader(csv);
    let headers = reader.headers().map_err(|error| error.to_string())?;
    let begins = headers.get(0).map(|name| name.trim_start_matches('\u{feff}').trim());
    if first.is_some() && !csv.is_empty() && begins != first {
        return Err("what came is no list of results".to_owned());
    }
    let places: HashMap<String, usize> = headers
        .iter()
        .enumerate()
        .map(|(place, name)| (name.trim().to_lowercase(), place))
        .collect();
    let place = |name: &str| places.get(&name.to_lowercase()).copied();
    let wanted = match by {
        By::Column(name) => vec![place(name)],
        By::Row(names) => names.iter().map(|name| place(name)).collect(),
    };
    let wanted: Option<Vec<usize>> = wanted.into_iter().collect();
    // Where there is no row, there need not be columns.
    let Some(wanted) = wanted else {
        return match reader.records().next() {
            None => Ok(Vec::new()),
            Some(_) => Err("results lack the columns that were uploaded".to_owned()),
        };
    };
    let (id, is_new, error) = (place("sf__Id"), place("sf__Created"), place("sf__Error"));
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| error.to_string())?;
        let cell = |place: Option<usize>| {
            place
                .and_then(|place| row.get(place))
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
        };
        let mut cells = wanted.iter().map(|place| row.get(*place).unwrap_or_default());
        let key = match by {
            By::Column(_) => cells.next().unwrap_or_default().trim().to_owned(),
            By::Row(_) => digest(cells),
        };
        let is_new = cell(is_new).and_then(|cell| cell.to_lowercase().parse().ok());
        rows.push(ResultRow { key, id: cell(id), is_new, error: cell(error) });
    }
    Ok(rows)
}

/// `CODE:message:Field__c Other__c --`, as an error of a Collections call.
pub(super) fn problem(error: &str) -> serde_json::Value {
    let (code, rest) = error.split_once(':').unwrap_or(("", error));
    let rest = rest.trim().trim_end_matches("--").trim_end();
    let is_name = |name: &str| super::soql::is_name(name);
    let (message, fields) = match rest.rsplit_once(':') {
        Some((message, names)) if names.split_whitespace().all(is_name) => {
            (message, names.split_whitespace().collect())
        }
        _ => (rest, Vec::new()),
    };
    serde_json::json!({"statusCode": code.trim(), "message": message.trim(), "fields": fields})
}

#[cfg(test)]
mod tests {
    use super::super::describe::Field;
    use super::*;

    fn description() -> Description {
        let field = |name: &str, relationship: Option<&str>| Field {
            name: name.to_owned(),
            kind: "string".to_owned(),
            relationship_name: relationship.map(str::to_owned),
            ..Field::default()
        };
        let fields =
            vec![field("Name", None), field("Size__c", None), field("ParentId", Some("Parent"))];
        Description { name: "Account".to_owned(), fields: fields.into(), ..Description::default() }
    }

    #[test]
    fn a_record_is_a_row_where_a_row_can_say_it() {
        let cells = |body: &str| cells(&description(), body, |_| true);
        let row = cells(
            r#"{"name":"A, \"b\"\nc","Size__c":12345678901234567890.10,"Parent":{"Ext__c":"x"}}"#,
        );
        let row = row.unwrap();
        let pairs: Vec<(&str, &str)> =
            row.iter().map(|(name, cell)| (name.as_str(), cell.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("Name", "A, \"b\"\nc"),
                ("Size__c", "12345678901234567890.10"),
                ("Parent.Ext__c", "x")
            ]
        );
        assert_eq!(cells(r#"{"Name":null,"Size__c":""}"#).unwrap()[1].1, NULL);
        for other in [
            r##"{"Name":"#N/A"}"##,
            r#"{"Name":["a"]}"#,
            r#"{"Nope":1}"#,
            r#"{"Parent":{"a":"x","b":"y"}}"#,
            r#"{"Parent":{"Ext__c":null}}"#,
        ] {
            assert_eq!(cells(other), None, "{other}");
        }
        let long = format!(r#"{{"Name":"{}"}}"#, "x".repeat(MAX_CELL_CHARS + 1));
        assert_eq!(cells(&long), None);
    }

    #[test]
    fn rows_share_their_columns_and_are_known_again() {
        let mut table = Table::default();
        for row in
            [vec![("Name", "a\nb"), ("Ext__c", "1")], vec![("Ext__c", "2"), ("Size__c", "7")]]
        {
            let own = |(name, cell): (&str, &str)| (name.to_owned(), cell.to_owned());
            table.push(row.into_iter().map(own).collect());
        }
        assert_eq!(table.csv(), b"Name,Ext__c,Size__c\n\"a\nb\",1,\n,2,7\n");
        let results = b"\"sf__Id\",\"sf__Created\",\"Size__c\",\"Name\",\"Ext__c\"\r\n\
            \"001a\",\"true\",\"7\",\"\",\"2\"\r\n\"001b\",\"false\",\"\",\"a\r\nb\",\"1\"\r\n";
        let rows = told(results, &By::Column("ext__c"), Some("sf__Id")).unwrap();
        let known: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.is_new)).collect();
        assert_eq!(known, [("2", Some(true)), ("1", Some(false))]);
        let rows = told(results, &By::Row(&table.columns()), None).unwrap();
        let digests = table.digests();
        assert_eq!((&rows[0].key, &rows[1].key), (&digests[1], &digests[0]));
        told(results, &By::Column("Other__c"), None).unwrap_err();
        for cut in [&results[..results.len() - 3], b"<html></html>\n"] {
            told(cut, &By::Column("Ext__c"), Some("sf__Id")).unwrap_err();
        }
        assert!(
            told(b"\"sf__Id\",\"sf__Error\"\n", &By::Column("Ext__c"), Some("sf__Id"))
                .unwrap()
                .is_empty()
        );
        assert!(told(b"", &By::Column("Ext__c"), Some("sf__Id")).unwrap().is_empty());
    }

    #[test]
    fn an_error_is_taken_apart() {
        let told = problem("REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --");
        assert_eq!(told["statusCode"], "REQUIRED_FIELD_MISSING");
        assert_eq!(told["message"], "Required fields are missing: [Name]");
        assert_eq!(told["fields"], serde_json::json!(["Name"]));
        let told =
            problem("UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--");
        assert_eq!(told["message"], "unable to obtain exclusive access to this record");
        assert_eq!(problem("odd")["message"], "odd");
    }
}
