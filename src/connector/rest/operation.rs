//! What the operations of a stream mean; see [`program`](super::program).

use indexmap::IndexMap;

use super::endpoint::{Parts, endpoint, node};
use super::lookup::{Kind, lookup};
use super::manifest::{self, Match};
use super::program::{Splice, Stream, Write, header_name, selector};
use super::select::RowsSelector;
use super::template::{Template, Templates};
use super::text::{Place, Text, Wrong};
use crate::connector::contract::Action;

/// What every template of an operation knows.
pub(super) const NAMES: [&str; 4] = ["config", "stream", "object", "external_id_property"];
/// What tests of rows know.
pub(super) const ROW_NAMES: &[&str] = &["row", "status", "body", "headers"];
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
    let reading = [(&update, &stream.update), (&delete, &stream.delete)];
    for (compiled, written) in reading {
        if let (Some(true), Some(written), None) =
            (compiled.as_ref().map(|write| write.reads_first), written, &read)
        {
            let message =
                "it reads before it writes (`version`, `read_first`), and the stream has no `read`";
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
    fields.extend(["external_id", "key"]);
    if has_remote_id {
        fields.extend(["remote_id", "version"]);
    }
    if single {
        known.extend(&fields);
        splices.push(Splice::Record);
    }
    let manifest::Write { method, path, query, headers, body, .. } = write;
    let parts = Parts { method: *method, path, query, headers, body: body.as_ref() };
    let endpoint = endpoint(templates, &parts, &known, &splices)?;
    let each = write.each.as_ref().map(|each| node(templates, each, &fields, &[Splice::Record]));
    let each = each.transpose()?;
    let sends = endpoint.splices(Splice::Record) || endpoint.splices(Splice::Records);
    if !sends && action != Action::Delete {
        let message = format!("`{name}` sends no record");
        let hint = "put `{{ record }}` or `{{ records }}` into its `body`".to_owned();
        return Err(Wrong { hint: Some(hint), ..at.wrong(message) });
    }
    if let Some(each) = write.each.as_ref().filter(|_| !endpoint.splices(Splice::Records)) {
        return Err(each.at.wrong("`each` means nothing without `{{ records }}` in the `body`"));
    }
    let record = record(templates, write.record.as_ref(), action, &fields)?;
    let names_version = endpoint.names("version")
        || record.iter().any(|(_, value)| value.names("version"))
        || each.as_ref().is_some_and(|each| each.any(&|node| node.names("version")));
    let rows = rows(write, action, has_property, max_records)?;
    let means_nothing =
        |key: &str, at: Place, to: &str| Err(at.wrong(format!("`{key}` means nothing to {to}")));
    let to = format!("`{name}`");
    if let Some(created) = write.created.as_ref().filter(|_| action != Action::Upsert) {
        return means_nothing("created", created.at(), &to);
    }
    if write.read_first.is_some() && !has_remote_id {
        return means_nothing("read_first", at, &to);
    }
    if write.missing_is_done.is_some() && action != Action::Delete {
        return means_nothing("missing_is_done", at, &to);
    }
    if let Some(header) = &write.idempotency_key_header
        && !(action == Action::Create && single)
    {
        return means_nothing(
            "idempotency_key_header",
            header.at(),
            "anything but a `create` of one record",
        );
    }
    let created = write.created.as_ref();
    Ok(Write {
        endpoint,
        max_records,
        max_bytes,
        record,
        record_needs_property: write.record.is_none(),
        each,
        reads_first: names_version || write.read_first == Some(true),
        stored: selector(write.stored.as_ref())?,
        rows,
        external_id: selector(write.external_id.as_ref())?,
        remote_id: selector(write.remote_id.as_ref())?,
        index: selector(write.index.as_ref())?,
        created: created.map(|created| templates.test(created, ROW_NAMES)).transpose()?,
        error: selector(write.error.as_ref())?,
        error_code: selector(write.error_code.as_ref())?,
        error_field: selector(write.error_field.as_ref())?,
        missing_is_done: write.missing_is_done.unwrap_or(false),
        idempotency_key_header: write
            .idempotency_key_header
            .as_ref()
            .map(header_name)
            .transpose()?,
    })
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
        compiled.push((templates.text(name, &NAMES)?, templates.text(value, known)?));
    }
    Ok(compiled)
}

fn rows(
    write: &manifest::Write,
    action: Action,
    has_property: bool,
    max_records: usize,
) -> Result<Option<(RowsSelector, Match)>, Wrong> {
    let at = write.path.at();
    let Some(rows) = &write.rows else {
        if max_records > 1 {
            return Err(at.wrong("`max_records` above 1 needs `rows` and `match`"));
        }
        if write.matched.is_some() || write.index.is_some() {
            return Err(at.wrong("`match` and `index` mean nothing without `rows`"));
        }
        return Ok(None);
    };
    let found = RowsSelector::parse(rows)?;
    if !found.members {
        return Err(rows.at().wrong("the `rows` of a write end in `[*]`"));
    }
    let wrong = |message: &str| Err(rows.at().wrong(message));
    match write.matched {
        None => wrong("`rows` needs `match`: how a row finds its record"),
        Some(Match::Index) if write.index.is_none() => wrong("`match: index` needs `index`"),
        Some(Match::RemoteId) if write.remote_id.is_none() => {
            wrong("`match: remote_id` needs `remote_id`")
        }
        Some(Match::RemoteId) if !matches!(action, Action::Update | Action::Delete) => {
            wrong("`match: remote_id` is for `update` and `delete`: other records have none yet")
        }
        Some(Match::ExternalId) if write.external_id.is_none() && !has_property => {
            wrong("`match: external_id` needs `external_id`, or the stream `external_id_property`")
        }
        Some(matched) => Ok(Some((found, matched))),
    }
}

/// A number that is no 0.
pub(super) fn at_least_one(value: usize, key: &str, at: Place) -> Result<usize, Wrong> {
    if value == 0 { Err(at.wrong(format!("`{key}` is at least 1"))) } else { Ok(value) }
}
