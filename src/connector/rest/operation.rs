//! What the operations of a stream mean; see [`program`](super::program).

use std::time::Duration;

use indexmap::IndexMap;

use super::endpoint::{Parts, endpoint};
use super::manifest::{self, Match};
use super::program::{Lookup, Next, Splice, Stream, Write, header_name, selector};
use super::select::{RowsSelector, Selector};
use super::template::{Template, Templates};
use super::text::{Place, Text, Wrong};
use crate::connector::contract::Action;

/// What every template of an operation knows.
const NAMES: [&str; 4] = ["config", "stream", "object", "external_id_property"];
/// What tests of rows know.
pub(super) const ROW_NAMES: &[&str] = &["row", "status", "body", "headers"];
/// Ids in one lookup: what most searches take.
const MAX_IDS: usize = 100;
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
    let lookup = stream.lookup.as_ref();
    let lookup = lookup.map(|found| self::lookup(templates, found, has_property)).transpose()?;
    Ok(Stream { object, property, lookup, create, update, upsert, delete })
}

/// The name in `$.name`.
fn plain_name(selector: &Text) -> Option<&str> {
    let name = selector.as_str().strip_prefix("$.")?;
    let plain = |c: char| c.is_alphanumeric() || c == '_';
    name.chars().all(plain).then_some(name).filter(|name| !name.is_empty())
}

fn lookup(
    templates: &mut Templates,
    lookup: &manifest::Lookup,
    has_property: bool,
) -> Result<Lookup, Wrong> {
    let at = lookup.path.at();
    let max_ids = at_least_one(lookup.max_ids.unwrap_or(MAX_IDS), "max_ids", at)?;
    let mut known = NAMES.to_vec();
    known.push("external_ids");
    known.extend((max_ids == 1).then_some("external_id"));
    known.extend(lookup.next.is_some().then_some("next"));
    let manifest::Lookup { method, path, query, headers, body, .. } = lookup;
    let parts = Parts { method: *method, path, query, headers, body: body.as_ref() };
    let endpoint = endpoint(templates, &parts, &known, &[Splice::ExternalIds])?;
    let asks = endpoint.names("external_ids")
        || endpoint.names("external_id")
        || endpoint.splices(Splice::ExternalIds);
    if !asks {
        return Err(at.wrong("`lookup` names neither `external_ids` nor `external_id`"));
    }
    if lookup.external_id.is_none() && !has_property {
        return Err(at.wrong("`lookup` needs `external_id`, or the stream `external_id_property`"));
    }
    let next = selector(lookup.next.as_ref())?;
    let next = next.map(|selector| Next { selector, is_address: !endpoint.names("next") });
    Ok(Lookup {
        endpoint,
        max_ids,
        rows: RowsSelector::parse(&lookup.rows)?,
        external_id: selector(lookup.external_id.as_ref())?,
        remote_id: Selector::parse(&lookup.remote_id)?,
        next,
        lag: Duration::from_secs(lookup.lag_secs.unwrap_or(1)),
    })
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
    fields.extend(has_remote_id.then_some("remote_id"));
    if single {
        known.extend(&fields);
        splices.push(Splice::Record);
    }
    let manifest::Write { method, path, query, headers, body, .. } = write;
    let parts = Parts { method: *method, path, query, headers, body: body.as_ref() };
    let endpoint = endpoint(templates, &parts, &known, &splices)?;
    let sends = endpoint.splices(Splice::Record) || endpoint.splices(Splice::Records);
    if !sends && action != Action::Delete {
        let message = format!("`{name}` sends no record");
        let hint = "put `{{ record }}` or `{{ records }}` into its `body`".to_owned();
        return Err(Wrong { hint: Some(hint), ..at.wrong(message) });
    }
    let record = record(templates, write.record.as_ref(), action, &fields)?;
    let rows = rows(write, action, has_property, max_records)?;
    let means_nothing =
        |key: &str, at: Place, to: &str| Err(at.wrong(format!("`{key}` means nothing to {to}")));
    let to = format!("`{name}`");
    if let Some(created) = write.created.as_ref().filter(|_| action != Action::Upsert) {
        return means_nothing("created", created.at(), &to);
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

fn at_least_one(value: usize, key: &str, at: Place) -> Result<usize, Wrong> {
    if value == 0 { Err(at.wrong(format!("`{key}` is at least 1"))) } else { Ok(value) }
}
