//! What the lookups of a stream mean; see [`program`](super::program).

use super::endpoint::{Parts, endpoint};
use super::manifest;
use super::operation::{NAMES, at_least_one, seconds};
use super::program::{Lookup, Next, Splice, path, selector};
use super::reading::{PAGE_NAMES, ROW_NAMES};
use super::select::RowsSelector;
use super::template::Templates;
use super::text::{Text, Wrong};

/// Ids in one lookup: what most searches take.
const MAX_IDS: usize = 100;
/// How long the remote may still be at work on a call that was given up.
const LAG_SECS: u64 = 1;

/// What a lookup goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ExternalIds,
    Values,
    RemoteIds,
}

impl Kind {
    /// The key in a stream.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ExternalIds => "lookup",
            Self::Values => "find",
            Self::RemoteIds => "read",
        }
    }

    /// The list that it asks for, its name for one, and the splice of the list.
    pub(super) fn keys(self) -> (&'static str, &'static str, Splice) {
        match self {
            Self::ExternalIds => ("external_ids", "external_id", Splice::ExternalIds),
            Self::Values => ("values", "value", Splice::Values),
            Self::RemoteIds => ("remote_ids", "remote_id", Splice::RemoteIds),
        }
    }
}

/// Compiles a lookup. `has_property` says whether the stream has an `external_id_property`.
pub(super) fn lookup(
    templates: &mut Templates,
    lookup: &manifest::Lookup,
    kind: Kind,
    has_property: bool,
) -> Result<Lookup, Wrong> {
    let at = lookup.path.at();
    let name = kind.name();
    let (several, one, splice) = kind.keys();
    let max_ids = at_least_one(lookup.max_ids.unwrap_or(MAX_IDS), "max_ids", at)?;
    let mut known = NAMES.to_vec();
    known.extend([several, "wanted"]);
    known.extend((max_ids == 1).then_some(one));
    known.extend((kind == Kind::Values).then_some("field"));
    known.extend(lookup.next.is_some().then_some("next"));
    let manifest::Lookup { method, path: address, query, headers, body, encoding, .. } = lookup;
    let (body, encoding) = (body.as_ref(), *encoding);
    let parts = Parts { method: *method, path: address, query, headers, body, encoding };
    let endpoint = endpoint(templates, &parts, &known, &[splice, Splice::Wanted])?;
    if !(endpoint.names(several) || endpoint.names(one) || endpoint.splices(splice)) {
        return Err(at.wrong(format!("`{name}` names neither `{several}` nor `{one}`")));
    }
    if kind == Kind::Values && !endpoint.names("field") {
        return Err(at.wrong("`find` does not name `field`: it finds by any property"));
    }
    only_where_meant(lookup, kind)?;
    let external_id = lookup.external_id.as_ref();
    if kind == Kind::ExternalIds && external_id.is_none() && !has_property {
        return Err(at.wrong("`lookup` needs `external_id`, or the stream `external_id_property`"));
    }
    let mut found = |text: Option<&Text>| selector(templates, text, ROW_NAMES);
    let remote_id = found(lookup.remote_id.as_ref())?;
    if remote_id.is_none() && !(kind == Kind::RemoteIds && max_ids == 1) {
        return Err(at.wrong(format!("`{name}` needs `remote_id`: where a row holds it")));
    }
    let version = found(lookup.version.as_ref())?;
    let external_id = found(external_id)?;
    let next = selector(templates, lookup.next.as_ref(), PAGE_NAMES)?;
    let next = next.map(|selector| Next { selector, is_address: !endpoint.names("next") });
    Ok(Lookup {
        endpoint,
        max_ids,
        rows: RowsSelector::parse(&lookup.rows)?,
        key: match kind {
            Kind::ExternalIds => external_id,
            Kind::Values => None,
            Kind::RemoteIds => remote_id.clone(),
        },
        remote_id,
        fields: path(lookup.fields.as_ref())?,
        version,
        ignore_case: lookup.ignore_case.unwrap_or(false),
        next,
        lag: seconds(lookup.lag_secs.as_ref(), "lag_secs", LAG_SECS)?,
    })
}

/// Refuses keys that mean nothing to a lookup.
fn only_where_meant(lookup: &manifest::Lookup, kind: Kind) -> Result<(), Wrong> {
    let manifest::Lookup { external_id, version, .. } = lookup;
    for (key, text, whose) in
        [("external_id", external_id, Kind::ExternalIds), ("version", version, Kind::RemoteIds)]
    {
        if let Some(text) = text.as_ref().filter(|_| kind != whose) {
            let (name, whose) = (kind.name(), whose.name());
            let message = format!("`{key}` means nothing to `{name}`, only to `{whose}`");
            return Err(text.at().wrong(message));
        }
    }
    Ok(())
}
