//! What the operations of a stream mean; see [`program`](super::program).

use std::time::Duration;

use indexmap::IndexMap;

use super::endpoint::{Parts, endpoint, node};
use super::lookup::{Kind, lookup};
use super::manifest::{self, Encoding, Unnamed};
use super::matching::{Operation, told};
use super::program::{Endpoint, Node, Splice, Stream, Write, header_name, path, selector};
use super::reading::ROW_NAMES;
use super::shape::Shape;
use super::template::{Template, Templates};
use super::text::{Place, Placed, Text, Wrong};
use crate::config::Seconds;
use crate::config::seconds::EXPECTED;
use crate::connector::contract::{Action, KEY_LIFE_SECS, KeyHeader};

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
            let message = "it reads what it writes (`version`, `read_first`, `read_after`), and \
                           the stream has no `read`";
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
    let max_records = at_least_one(write.max_records.unwrap_or(1), "max_records", at)?;
    let max_bytes = at_least_one(write.max_bytes.unwrap_or(MAX_BYTES), "max_bytes", at)?;
    let single = max_records == 1;
    let known = KnownNames::by(action, single);
    let (endpoint, each) = call(templates, write, action, &known)?;
    let record = record(templates, write.record.as_ref(), action, &known.of_record)?;
    let nodes = || each.iter().chain(record.iter().map(|(_, value)| value));
    let names = |name| endpoint.names(name) || nodes().any(|node| node.names(name));
    let (reads_first, names_record) = (names("version"), names("record"));
    only_where_meant(write, action, single)?;
    let operation = Operation { write, action, has_property };
    let rows = operation.rows(templates)?;
    let failures = operation.failures(templates)?;
    let unnamed = write.unnamed.unwrap_or_default();
    let is_told = rows.is_some() || (unnamed == Unnamed::Written);
    if !is_told && (max_records > 1 || failures.is_some()) {
        let message = "nothing tells what becomes of single records";
        let hint = "add `rows` and `match`, or, where the answer names those alone that were \
                    refused or none, `unnamed: written`";
        return Err(Wrong { hint: Some(hint.to_owned()), ..at.wrong(message) });
    }
    let remote_id = selector(templates, write.remote_id.as_ref(), ROW_NAMES)?;
    let is_new = matches!(action, Action::Create | Action::Upsert);
    let reads_after = write.read_after == Some(true);
    if reads_after && is_new && (remote_id.is_none() || unnamed == Unnamed::Written) {
        let message = "`read_after` needs an answer that tells the `remote_id` of each record";
        return Err(at.wrong(message));
    }
    let created = write.created.as_ref();
    Ok(Write {
        max_records,
        max_bytes,
        record_needs_property: write.record.is_none(),
        reads_first: reads_first || write.read_first == Some(true),
        reads_after,
        names_record,
        stored: path(write.stored.as_ref())?,
        rows,
        failures,
        unnamed,
        external_id: selector(templates, write.external_id.as_ref(), ROW_NAMES)?,
        remote_id,
        created: created.map(|created| templates.test(created, ROW_NAMES)).transpose()?,
        told: told(templates, [&write.error, &write.error_code, &write.error_field])?,
        missing_is_done: write.missing_is_done.unwrap_or(false),
        key_header: key_header(write)?,
        endpoint,
        record,
        each,
    })
}

/// What the templates of a write know, and what can stand in its body as raw JSON.
struct KnownNames {
    of_call: Vec<&'static str>,
    of_record: Vec<&'static str>,
    splices: Vec<Splice>,
}

impl KnownNames {
    fn by(action: Action, single: bool) -> Self {
        let mut of_call = NAMES.to_vec();
        of_call.push("external_ids");
        let mut of_record = NAMES.to_vec();
        of_record.extend(["external_id", "key", "record"]);
        let mut splices = vec![Splice::Records, Splice::ExternalIds];
        if matches!(action, Action::Update | Action::Delete) {
            of_call.push("remote_ids");
            of_record.extend(["remote_id", "version"]);
            splices.push(Splice::RemoteIds);
        }
        // A call of one record is about that record.
        if single {
            of_call.extend(&of_record);
            splices.push(Splice::Record);
        }
        Self { of_call, of_record, splices }
    }
}

/// Compiles the call of a write, and what stands in it for each record.
fn call(
    templates: &mut Templates,
    write: &manifest::Write,
    action: Action,
    known: &KnownNames,
) -> Result<(Endpoint, Option<Node>), Wrong> {
    let manifest::Write { method, path: address, query, headers, body, encoding, .. } = write;
    let (body, encoding) = (body.as_ref(), *encoding);
    let parts = Parts { method: *method, path: address, query, headers, body, encoding };
    let endpoint = endpoint(templates, &parts, &known.of_call, &known.splices)?;
    let each = write.each.as_ref();
    let each = each.map(|each| node(templates, each, &known.of_record, &[Splice::Record]));
    let each = each.transpose()?;
    let splices_any = endpoint.splices(Splice::Record) || endpoint.splices(Splice::Records);
    let sends_record = splices_any
        || endpoint.names("record")
        || each.as_ref().is_some_and(|each| each.names("record"));
    if !sends_record && action != Action::Delete {
        let message = format!("`{}` sends no record", action.as_str());
        let hint = "put `{{ record }}` or `{{ records }}` into its `body`".to_owned();
        return Err(Wrong { hint: Some(hint), ..address.at().wrong(message) });
    }
    if let Some(each) = write.each.as_ref().filter(|_| !endpoint.splices(Splice::Records)) {
        return Err(each.at.wrong("`each` means nothing without `{{ records }}` in the `body`"));
    }
    Ok((endpoint, each))
}

fn key_header(write: &manifest::Write) -> Result<Option<KeyHeader>, Wrong> {
    let Some(header) = &write.idempotency_key_header else { return Ok(None) };
    let given = write.idempotency_key_secs.as_ref();
    let life = seconds(given, "idempotency_key_secs", KEY_LIFE_SECS)?;
    Ok(Some(KeyHeader { name: header_name(header)?, life }))
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
    if write.idempotency_key_secs.is_some() && write.idempotency_key_header.is_none() {
        let to = "an operation without `idempotency_key_header`";
        return means_nothing("idempotency_key_secs", at, to);
    }
    if write.encoding == Encoding::Lines && single {
        return means_nothing("encoding: lines", at, "a call of one record");
    }
    Ok(())
}

/// Compiles the fields that stand before a record's own.
fn record(
    templates: &mut Templates,
    given: Option<&IndexMap<Text, Placed<Shape>>>,
    action: Action,
    known: &[&str],
) -> Result<Vec<(Template, Node)>, Wrong> {
    let mut compiled = Vec::new();
    match given {
        Some(given) => {
            for (name, value) in given {
                let name = templates.text(name, &NAMES)?;
                compiled.push((name, node(templates, value, known, &[])?));
            }
        }
        None if action == Action::Delete => {}
        None => {
            let name = templates.text(&Text::of("{{ external_id_property }}"), &NAMES)?;
            let id = templates.value(&Text::of("{{ external_id }}"), known)?;
            compiled.push((name, Node::Value(id)));
        }
    }
    Ok(compiled)
}

/// A number that is no 0.
pub(super) fn at_least_one(value: usize, key: &str, at: Place) -> Result<usize, Wrong> {
    if value == 0 { Err(at.wrong(format!("`{key}` is at least 1"))) } else { Ok(value) }
}

/// A time, or `default` seconds.
pub(super) fn seconds(
    given: Option<&Placed<f64>>,
    key: &str,
    default: u64,
) -> Result<Duration, Wrong> {
    let Some(Placed { value, at }) = given else { return Ok(Duration::from_secs(default)) };
    let found = Seconds::parse(*value).map(Seconds::duration);
    found.ok_or_else(|| at.wrong(format!("`{key}` is {EXPECTED}")))
}
