//! What the rows of an answer to a write mean: how one finds its record; see
//! [`program`](super::program).

use super::manifest::{self, FailuresMatch, Match};
use super::program::{Failures, Matched, Rows, Told, selector};
use super::reading::ROW_NAMES;
use super::select::RowsSelector;
use super::template::Templates;
use super::text::{Text, Wrong};
use crate::connector::contract::Action;

/// What is known of the operation that the rows belong to.
#[derive(Clone, Copy)]
pub(super) struct Operation<'a> {
    pub(super) write: &'a manifest::Write,
    pub(super) action: Action,
    /// Whether the stream has an `external_id_property`.
    pub(super) has_property: bool,
}

impl Operation<'_> {
    /// The rows of all records, or of those that are not among the `failures`.
    pub(super) fn rows(self, templates: &mut Templates) -> Result<Option<Rows>, Wrong> {
        let Some(rows) = &self.write.rows else {
            if self.write.matched.is_some() || self.write.index.is_some() {
                let message = "`match` and `index` mean nothing without `rows`";
                return Err(self.write.path.at().wrong(message));
            }
            return Ok(None);
        };
        let manifest::Write { matched, external_id, remote_id, index, .. } = self.write;
        let Some(matched) = *matched else {
            return Err(rows.at().wrong("`rows` needs `match`: how a row finds its record"));
        };
        self.matched(templates, rows, matched, [external_id, remote_id, index]).map(Some)
    }

    /// The rows of refused records.
    pub(super) fn failures(self, templates: &mut Templates) -> Result<Option<Failures>, Wrong> {
        let Some(failures) = &self.write.failures else { return Ok(None) };
        let manifest::Failures { rows, matched, external_id, remote_id, index, .. } = failures;
        if self.write.matched == Some(Match::Position) {
            let message =
                "`match: position` has a row for each record, so none is left for `failures`";
            return Err(rows.at().wrong(message));
        }
        let matched = match matched {
            FailuresMatch::ExternalId => Match::ExternalId,
            FailuresMatch::RemoteId => Match::RemoteId,
            FailuresMatch::Index => Match::Index,
        };
        let rows = self.matched(templates, rows, matched, [external_id, remote_id, index])?;
        let manifest::Failures { error, error_code, error_field, .. } = failures;
        let told = told(templates, [error, error_code, error_field])?;
        Ok(Some(Failures { rows, told }))
    }

    fn matched(
        self,
        templates: &mut Templates,
        rows: &Text,
        matched: Match,
        named: [&Option<Text>; 3],
    ) -> Result<Rows, Wrong> {
        let found = RowsSelector::parse(rows)?;
        if !found.is_list() {
            return Err(rows.at().wrong("the `rows` of a write end in `[*]` or in a filter"));
        }
        let wrong = |message: &str| rows.at().wrong(message);
        let [external_id, remote_id, index] =
            named.map(|text| selector(templates, text.as_ref(), ROW_NAMES));
        let matched = match matched {
            Match::Position => Matched::Position,
            Match::Index => {
                Matched::Index(index?.ok_or_else(|| wrong("`match: index` needs `index`"))?)
            }
            Match::RemoteId if !matches!(self.action, Action::Update | Action::Delete) => {
                let message =
                    "`match: remote_id` is for `update` and `delete`: other records have none yet";
                return Err(wrong(message));
            }
            Match::RemoteId => {
                let message = "`match: remote_id` needs `remote_id`";
                Matched::RemoteId(remote_id?.ok_or_else(|| wrong(message))?)
            }
            Match::ExternalId => {
                let id = external_id?;
                if id.is_none() && !self.has_property {
                    let message = "`match: external_id` needs `external_id`, or the stream \
                                   `external_id_property`";
                    return Err(wrong(message));
                }
                Matched::ExternalId(id)
            }
        };
        Ok(Rows { rows: found, matched })
    }
}

/// Where a refusal tells message, code and field.
pub(super) fn told(
    templates: &mut Templates,
    [error, code, field]: [&Option<Text>; 3],
) -> Result<Told, Wrong> {
    let mut found = |text: &Option<Text>| selector(templates, text.as_ref(), ROW_NAMES);
    Ok(Told { error: found(error)?, code: found(code)?, field: found(field)? })
}
