//! What the operations of a stream mean; see [`program`](super::program).

use indexmap::IndexMap;

use super::endpoint::{Parts, endpoint, node};
use super::lookup::{Kind, lookup};
use super::manifest::{self, Encoding, Match, Unnamed};
use super::program::{Failures, Named, Rows, Splice, Stream, Write, finder, header_name, selector};
use super::reading::ROW_NAMES;
use super::select::RowsSelector;
use super::template::{Template, Templates};
use super::text::{Place, Text, Wrong};
use crate::connector::contract::Action;

/// What every template of an operation knows.
pub(super) const NAMES: [&str; 4] = ["config", "stream", "object", "external_id_property"];
/// Bytes of a body: a megabyte is what the tightest APIs take.
const MAX_BYTES: usize = 1_000_000;

/// Compiles a stream.
pub(super) fn stream(
    templates: &mut Templates,
    stream: &manifest::Stream,
) -> Result<Stream, Wrong> {
    let default = Text::of("{{ stream }}");
    let object = stream.object.as_ref().unwrap_or(&default);
    let object = templates.text(object, &["config", "stream"])?;
    let plain = [
        stream.lookup.as_ref().and_then(|lookup| lookup.external_id.as_ref()),
        stream.upsert.as_ref().and_then(|upsert| upsert.external_id.as_ref()),
    ];
    let plain = plain.into_iter().flatten().find_map(plain_name);
    let property = match (&stream.external_id_property, plain) {
        (Some(property), _) => Some(templates.text(property, &["config", "stream", "object"])?),
        (None, Some(name)) => Some(templates.text(&Text::of(name), &[])?),
        (None, None) => None,
    };
    let has_property = property.is_some();
    let mut compile = |write: &Option<manifest::Write>, action| {
        let write = write.as_ref();
        write.map(|write| self::write(templates, write, action, has_property)).transpose()
    };
    let create = compile(&stream.create, Action::Create)?;
    let update = compile(&stream.update, Action::Update)?;
    let upsert = compile(&stream.upsert, Action::Upsert)?;
    let delete = compile(&stream.delete, Action::Delete)?;
    let mut compile = |found: &Option<manifest::Lookup>, kind| {
        let found = found.as_ref();
        found.map(|found| lookup(templates, found, kind, has_property)).transpose()
    };
    let lookup = compile(&stream.lookup, Kind::ExternalIds)?;
    let find = compile(&stream.find, Kind::Values)?;
    let read = compile(&stream.read, Kind::RemoteIds)?;
    let writing = [&create, &update, &upsert, &delete].into_iter().flatten();
    let written = [&stream.create, &stream.update, &stream.upsert, &stream.delete];
    for (compiled, written) in writing.zip(written.into_iter().flatten()) {
        if (compiled.reads_first || compiled.reads_after) && read.is_none() {
            let message = "it reads what it writes (`version`, `read_first`, `read_after`), and the \
                           stream has no `read`";
            return Err(written.path.at().wrong(message));
        }
    }
    Ok(Stream { object, property, lookup, find, read, create, update, upsert, delete })
}

/// The name in `$.name`.
fn plain_name(selector: &Text) -> Option<&str> {
    let name = selector.as_str().strip_prefix("$.")?;
    let plain = |c: char| c.is_alphanumeric() || c == '_';
    name.chars().all(plain).then_some(name).filter(|name| !name.is_empty())
}

fn write(
    templates: &mut Templates,
    write: &manifest::Write,
    action: Action,
    has_property: bool,
) -> Result<Write, Wrong> {
    let at = write.path.at();
    let name = action.as_str();
    let max_records = at_least_one(write.max_records.unwrap_or(1), "max_records", at)?;
    let max_bytes = at_least_one(write.max_bytes.unwrap_or(MAX_BYTES), "max_bytes", at)?;
    let has_remote_id = matches!(action, Action::Update | Action::Delete);
    let single = max_records == 1;
    let mut known = NAMES.to_vec();
    known.push("external_ids");
    known.extend(has_remote_id.then_some("remote_ids"));
    let mut splices = vec![Splice::Records, Splice::ExternalIds];
    splices.extend(has_remote_id.then_some(Splice::RemoteIds));
    let mut fields = NAMES.to_vec();
    fields.extend(["external_id", "key", "record"]);
    if has_remote_id {
        fields.extend(["remote_id", "version"]);
    }
    if single {
        known.extend(&fields);
        splices.push(Splice::Record);
    }
    let manifest::Write { method, path, query, headers, body, encoding, .. } = write;
    let (body, encoding) = (body.as_ref(), *encoding);
    let parts = Parts { method: *method, path, query, headers, body, encoding };
    let endpoint = endpoint(templates, &parts, &known, &splices)?;
    let each = write.each.as_ref().map(|each| node(templates, each, &fields, &[Splice::Record]));
    let each = each.transpose()?;
    let sends = endpoint.splices(Splice::Record) || endpoint.splices(Splice::Records);
    let names = |name: &str| {
        endpoint.names(name) || each.as_ref().is_some_and(|each| each.any(&|node| node.names(name)))
    };
    if !sends && action != Action::Delete && !names("record") {
        let message = format!("`{name}` sends no record");
        let hint = "put `{{ record }}` or `{{ records }}` into its `body`".to_owned();
        return Err(Wrong { hint: Some(hint), ..at.wrong(message) });
    }
    if let Some(each) = write.each.as_ref().filter(|_| !endpoint.splices(Splice::Records)) {
        return Err(each.at.wrong("`each` means nothing without `{{ records }}` in the `body`"));
    }
    let record = record(templates, write.record.as_ref(), action, &fields)?;
    let names = |name: &str| names(name) || record.iter().any(|(_, value)| value.names(name));
    let (reads_first, names_record) = (names("version"), names("record"));
    only_where_meant(write, action, single)?;
    let found = |templates: &mut Templates, text: &Option<Text>| {
        finder(templates, text.as_ref(), ROW_NAMES)
    };
    let rows = rows(templates, write, action, has_property)?;
    let failures = failures(templates, write, action, has_property)?;
    let unnamed = write.unnamed.unwrap_or_default();
    let is_told = rows.is_some() || (unnamed == Unnamed::Written);
    if !is_told && (max_records > 1 || failures.is_some()) {
        let message = "nothing tells what becomes of single records";
        let hint = "add `rows` and `match`, or, where the answer names those alone that were refused \
                    or none, `unnamed: written`";
        return Err(Wrong { hint: Some(hint.to_owned()), ..at.wrong(message) });
    }
    let remote_id = found(templates, &write.remote_id)?;
    let is_new = matches!(action, Action::Create | Action::Upsert);
    let reads_after = write.read_after == Some(true);
    if reads_after && is_new && remote_id.is_none() {
        return Err(at.wrong("`read_after` needs `remote_id`: what it is read by"));
    }
    let created = write.created.as_ref();
    Ok(Write {
        max_records,
        max_bytes,
        record_needs_property: write.record.is_none(),
        reads_first: reads_first || write.read_first == Some(true),
        reads_after,
        names_record,
        stored: selector(write.stored.as_ref())?,
        rows,
        failures,
        unnamed,
        external_id: found(templates, &write.external_id)?,
        remote_id,
        created: created.map(|created| templates.test(created, ROW_NAMES)).transpose()?,
        error: found(templates, &write.error)?,
        error_code: found(templates, &write.error_code)?,
        error_field: found(templates, &write.error_field)?,
        missing_is_done: write.missing_is_done.unwrap_or(false),
        idempotency_key_header: write
            .idempotency_key_header
            .as_ref()
            .map(header_name)
            .transpose()?,
        endpoint,
        record,
        each,
    })
}

/// Refuses keys that mean nothing to an operation.
fn only_where_meant(write: &manifest::Write, action: Action, single: bool) -> Result<(), Wrong> {
    let at = write.path.at();
    let name = action.as_str();
    let means_nothing =
        |key: &str, at: Place, to: &str| Err(at.wrong(format!("`{key}` means nothing to {to}")));
    let to = format!("`{name}`");
    if let Some(created) = write.created.as_ref().filter(|_| action != Action::Upsert) {
        return means_nothing("created", created.at(), &to);
    }
    if write.read_first.is_some() && !matches!(action, Action::Update | Action::Delete) {
        return means_nothing("read_first", at, &to);
    }
    if write.missing_is_done.is_some() && action != Action::Delete {
        return means_nothing("missing_is_done", at, &to);
    }
    if let Some(header) = &write.idempotency_key_header
        && !(action == Action::Create && single)
    {
        let to = "anything but a `create` of one record";
        return means_nothing("idempotency_key_header", header.at(), to);
    }
    if write.encoding == Encoding::Lines && single {
        return means_nothing("encoding: lines", at, "a call of one record");
    }
    Ok(())
}

/// Compiles the fields that stand before a record's own.
fn record(
    templates: &mut Templates,
    given: Option<&IndexMap<Text, Text>>,
    action: Action,
    known: &[&str],
) -> Result<Vec<(Template, Template)>, Wrong> {
    let default = match action {
        Action::Delete => IndexMap::new(),
        _ => IndexMap::from([(
            Text::of("{{ external_id_property }}"),
            Text::of("{{ external_id }}"),
        )]),
    };
    let mut compiled = Vec::new();
    for (name, value) in given.unwrap_or(&default) {
        compiled.push((templates.text(name, &NAMES)?, templates.value(value, known)?));
    }
    Ok(compiled)
}

fn rows(
    templates: &mut Templates,
    write: &manifest::Write,
    action: Action,
    has_property: bool,
) -> Result<Option<Rows>, Wrong> {
    let Some(rows) = &write.rows else {
        if write.matched.is_some() || write.index.is_some() {
            let message = "`match` and `index` mean nothing without `rows`";
            return Err(write.path.at().wrong(message));
        }
        return Ok(None);
    };
    let manifest::Write { matched, external_id, remote_id, index, .. } = write;
    let named = [external_id, remote_id, index];
    self::matched(templates, rows, *matched, named, action, has_property).map(Some)
}

fn failures(
    templates: &mut Templates,
    write: &manifest::Write,
    action: Action,
    has_property: bool,
) -> Result<Option<Failures>, Wrong> {
    let Some(failures) = &write.failures else { return Ok(None) };
    let manifest::Failures { rows, matched, external_id, remote_id, index, .. } = failures;
    let wrong = |message: &str| Err(rows.at().wrong(message));
    if *matched == Match::Position {
        return wrong("`failures` name some of the records, so `match: position` cannot be");
    }
    if write.matched == Some(Match::Position) {
        return wrong(
            "`match: position` has a row for each record, so none is left for `failures`",
        );
    }
    let named = [external_id, remote_id, index];
    let rows = self::matched(templates, rows, Some(*matched), named, action, has_property)?;
    let mut found = |text: &Option<Text>| finder(templates, text.as_ref(), ROW_NAMES);
    Ok(Some(Failures {
        rows,
        error: found(&failures.error)?,
        error_code: found(&failures.error_code)?,
        error_field: found(&failures.error_field)?,
    }))
}

/// Compiles rows, and how one finds its record.
fn matched(
    templates: &mut Templates,
    rows: &Text,
    matched: Option<Match>,
    named: [&Option<Text>; 3],
    action: Action,
    has_property: bool,
) -> Result<Rows, Wrong> {
    let found = RowsSelector::parse(rows)?;
    if !found.is_list() {
        return Err(rows.at().wrong("the `rows` of a write end in `[*]` or in a filter"));
    }
    let [external_id, remote_id, index] =
        named.map(|text| finder(templates, text.as_ref(), ROW_NAMES));
    let (external_id, remote_id, index) = (external_id?, remote_id?, index?);
    let wrong = |message: &str| Err(rows.at().wrong(message));
    match matched {
        None => wrong("`rows` needs `match`: how a row finds its record"),
        Some(Match::Index) if index.is_none() => wrong("`match: index` needs `index`"),
        Some(Match::RemoteId) if remote_id.is_none() => {
            wrong("`match: remote_id` needs `remote_id`")
        }
        Some(Match::RemoteId) if !matches!(action, Action::Update | Action::Delete) => {
            wrong("`match: remote_id` is for `update` and `delete`: other records have none yet")
        }
        Some(Match::ExternalId) if external_id.is_none() && !has_property => {
            wrong("`match: external_id` needs `external_id`, or the stream `external_id_property`")
        }
        Some(matched) => {
            Ok(Rows { rows: found, named: Named { matched, external_id, remote_id, index } })
        }
    }
}

/// A number that is no 0.
pub(super) fn at_least_one(value: usize, key: &str, at: Place) -> Result<usize, Wrong> {
    if value == 0 { Err(at.wrong(format!("`{key}` is at least 1"))) } else { Ok(value) }
}
