//! Whom records name is asked for: all of many records at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::NetSuite;
use super::directory::{Key, key};
use super::paths::is_number;
use super::reference::{By, Reference};
use super::suiteql::{MAX_VALUES, Row, one_external_id_of, one_of, quoted};
use super::table::Named;
use crate::connector::contract::RequestError;

/// For how long it is believed that nobody is there: from asking for many to writing each of them.
const ABSENT: Duration = Duration::from_secs(60);

/// What somebody is to be found by.
type Values = Vec<(By, String)>;

/// All that references may be found by; those too that stand in for others, and those whose they are.
pub(super) fn keys(references: &[Reference]) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    let mut open: Vec<&Reference> = references.iter().collect();
    while let Some(one) = open.pop() {
        keys.extend(one.by.iter().map(|(by, value)| key(one, *by, value)));
        open.extend([&one.or, &one.of].into_iter().flatten().map(|other| &**other));
    }
    keys
}

impl NetSuite {
    /// Asks for those of `references` that are not known. `is_first`: that nobody was there a moment
    /// ago is not believed.
    ///
    /// # Errors
    /// When nobody can tell now.
    pub(super) async fn look_for(
        &self,
        references: &[Reference],
        is_first: bool,
    ) -> Result<(), RequestError> {
        let mut open: BTreeMap<(String, Option<String>), Values> = BTreeMap::new();
        {
            let mut known = self.directory.known();
            let absent = if is_first { Duration::ZERO } else { ABSENT };
            for key in
                keys(references).into_iter().filter(|key| !known.is_told(key, absent, is_first))
            {
                open.entry((key.table, key.kind)).or_default().push((key.by, key.value));
            }
        }
        for ((table, kind), values) in open {
            let named = Named::of(&table).ok_or_else(|| {
                RequestError::never_sent(&format!("nobody is found by name in `{table}`"))
            })?;
            for some in values.chunks(MAX_VALUES) {
                let rows = self.ask_named(named, kind.as_deref(), some).await?;
                self.directory.learn(named, kind.as_deref(), some, &rows);
            }
        }
        self.directory.save();
        Ok(())
    }

    async fn ask_named(
        &self,
        named: &Named,
        kind: Option<&str>,
        values: &[(By, String)],
    ) -> Result<Vec<Arc<Row>>, RequestError> {
        let mut columns: BTreeMap<By, Vec<&str>> = BTreeMap::new();
        for (by, value) in values {
            // What is no number is nobody's id, and would spoil the whole question.
            if *by != By::Id || is_number(value) {
                columns.entry(*by).or_default().push(value);
            }
        }
        let any = columns.into_iter().filter_map(|(by, values)| {
            let own = named.column(by.column())?;
            Some(match by {
                By::Id => format!("{own} IN ({})", values.join(",")),
                By::ExternalId => one_external_id_of(own, values.into_iter()),
                _ => one_of(own, values.into_iter()),
            })
        });
        let any: Vec<String> = any.collect();
        if any.is_empty() {
            return Ok(Vec::new());
        }
        let kind = kind.map(|kind| format!("type = {} AND ", quoted(kind))).unwrap_or_default();
        let question = |lacks_subsidiary: bool| {
            let select = named.select(|name| lacks_subsidiary && name == "subsidiary");
            format!("{select} WHERE {kind}({}) ORDER BY 1", any.join(" OR "))
        };
        let has_one_company = self.directory.known().has_one_company;
        let rows = match self.ask(&question(has_one_company)).await {
            // An account without subsidiaries has no such column.
            Err(RequestError::Refused { message, .. })
                if !has_one_company && lacks_subsidiary(&message) =>
            {
                let rows = self.ask(&question(true)).await?;
                self.directory.known().has_one_company = true;
                rows
            }
            rows => rows?,
        };
        let mut own: Vec<Row> = Vec::new();
        for row in rows.into_iter().map(|row| row.only(named.columns)) {
            // The join brings a tax code once for each of its rates, of which none is then its own.
            match own.last_mut().filter(|known| known.get("id") == row.get("id")) {
                Some(known) if *known != row => known.forget("taxrate"),
                Some(_) => {}
                None => own.push(row),
            }
        }
        Ok(own.into_iter().map(Arc::new).collect())
    }
}

/// Whether a question is refused for its column `subsidiary`, which it also quotes.
fn lacks_subsidiary(message: &str) -> bool {
    let message = message.to_lowercase();
    ["unknown identifier 'subsidiary'", "field 'subsidiary'", "column 'subsidiary'"]
        .iter()
        .any(|said| message.contains(said))
}
