//! Finds records at the remote by all that a stream says they can be found by: the external id,
//! then the `lookup_fields`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::asking::{NoAnswer, Refusal, ask};
use super::retry::Kind;
use super::{Calls, Dispatcher};
use crate::config::stream::{LookupMethod, StreamOptions};
use crate::connector::contract::{By, Capabilities, Found, Lookup, Question, Row};
use crate::error::Error;
use crate::json::exact;
use crate::record::{ExternalId, RemoteId, StreamName};
use crate::resolve::has_values;
use crate::stream::Record;

/// Pages of one lookup, at most. A remote that has more for so few keys has no end.
const MAX_PAGES: usize = 1000;
/// Records that one lookup finds, at most. Memory is not for a field that is the same in all of
/// them.
const MAX_FOUND: usize = 10_000;

/// What a record can be found by.
#[derive(Clone, Debug)]
pub(super) struct Traits {
    pub(super) external_id: Option<ExternalId>,
    /// Of the stream's `lookup_fields`, in their order.
    pub(super) values: Vec<Option<Arc<str>>>,
}

impl Traits {
    pub(super) fn of(record: &Record) -> Self {
        Self { external_id: record.external_id.clone(), values: record.lookup_values.clone() }
    }
}

/// Finds records of one stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finder<'a> {
    pub(super) dispatcher: &'a Dispatcher,
    pub(super) stream: &'a StreamName,
    pub(super) capabilities: &'a Capabilities,
    pub(super) options: &'a StreamOptions,
    pub(super) calls: &'a Calls,
}

impl Finder<'_> {
    /// Whether the remote can be asked for a record.
    pub(super) fn can_find(&self, traits: &Traits) -> bool {
        let by_id = self.capabilities.lookup.is_some() && traits.external_id.is_some();
        // Values whose fields are not known ask nothing.
        let has_names = traits.values.len() == self.options.lookup_names().len();
        let has_values = has_names && has_values(self.options, &traits.values);
        by_id || (has_values && self.capabilities.find.is_some())
    }

    /// How long a record may stay invisible that a call was to make whose answer is lost.
    pub(super) fn settles(&self) -> Duration {
        self.capabilities.settled(self.options)
    }

    /// Finds the remote ids of each of `wanted`.
    pub(super) async fn find(&self, wanted: &[Traits]) -> Result<Vec<Vec<RemoteId>>, NoAnswer> {
        let mut found = vec![Vec::new(); wanted.len()];
        if let Some(lookup) = self.capabilities.lookup {
            let keys = wanted
                .iter()
                .map(|traits| traits.external_id.as_ref().map(|id| Arc::<str>::from(id.as_str())));
            let rows = self.ask(lookup, &By::ExternalId, keys, &[]).await?;
            for (traits, found) in wanted.iter().zip(&mut found) {
                let key = traits.external_id.as_ref().map(ExternalId::as_str);
                add(found, key.and_then(|key| rows.get(key)).into_iter().flatten());
            }
        }
        let names = self.options.lookup_names();
        let (Some(lookup), false) = (self.capabilities.find, names.is_empty()) else {
            return Ok(found);
        };
        match self.options.lookup_method.unwrap_or_default() {
            LookupMethod::All => self.by_all(lookup, names, wanted, &mut found).await?,
            LookupMethod::Any => self.by_any(lookup, names, wanted, &mut found).await?,
            LookupMethod::Sequential => self.in_turn(lookup, names, wanted, &mut found).await?,
        }
        Ok(found)
    }

    /// Asks by the first field; the others are compared here.
    async fn by_all(
        &self,
        lookup: Lookup,
        names: &[String],
        wanted: &[Traits],
        found: &mut [Vec<RemoteId>],
    ) -> Result<(), NoAnswer> {
        let Some((first, others)) = names.split_first() else { return Ok(()) };
        let others: Vec<Arc<str>> = others.iter().map(|name| name.as_str().into()).collect();
        let want: Vec<Arc<str>> = others.iter().cloned().chain(self.property()).collect();
        let keys = wanted.iter().zip(&*found).map(|(traits, found)| {
            let is_whole = traits.values.iter().all(Option::is_some);
            traits.values.first().cloned().flatten().filter(|_| is_whole && found.is_empty())
        });
        let keys: Vec<_> = keys.collect();
        let by = By::Field(first.as_str().into());
        let rows = self.ask(lookup, &by, keys.iter().cloned(), &want).await?;
        let same = |row: &&Row, traits: &Traits| {
            others.iter().zip(traits.values.iter().skip(1)).all(|(name, value)| {
                let held = row.fields.get(&**name).and_then(exact::text);
                let same =
                    |held: &String, value: &Arc<str>| lookup.spelled(held) == lookup.spelled(value);
                matches!((&held, value), (Some(held), Some(value)) if same(held, value))
            })
        };
        for ((traits, key), found) in wanted.iter().zip(keys).zip(found) {
            let rows = key.and_then(|key| rows.get(&key)).into_iter().flatten();
            add(found, rows.filter(|row| same(row, traits) && self.is_own(row, traits)));
        }
        Ok(())
    }

    /// Asks by every field of every record that the external id did not find.
    async fn by_any(
        &self,
        lookup: Lookup,
        names: &[String],
        wanted: &[Traits],
        found: &mut [Vec<RemoteId>],
    ) -> Result<(), NoAnswer> {
        let open: Vec<bool> = found.iter().map(Vec::is_empty).collect();
        for place in 0..names.len() {
            self.by_one(lookup, names, place, wanted, &open, found).await?;
        }
        Ok(())
    }

    /// Asks by one field after another, for those that no field has found exactly one record of.
    async fn in_turn(
        &self,
        lookup: Lookup,
        names: &[String],
        wanted: &[Traits],
        found: &mut [Vec<RemoteId>],
    ) -> Result<(), NoAnswer> {
        let mut several = vec![Vec::new(); found.len()];
        for place in 0..names.len() {
            let open: Vec<bool> = found.iter().map(Vec::is_empty).collect();
            self.by_one(lookup, names, place, wanted, &open, found).await?;
            for (found, several) in found.iter_mut().zip(&mut several) {
                if found.len() > 1 {
                    let these = std::mem::take(found);
                    if several.is_empty() {
                        *several = these;
                    }
                }
            }
        }
        for (found, several) in found.iter_mut().zip(several) {
            if found.is_empty() {
                *found = several;
            }
        }
        Ok(())
    }

    async fn by_one(
        &self,
        lookup: Lookup,
        names: &[String],
        place: usize,
        wanted: &[Traits],
        open: &[bool],
        found: &mut [Vec<RemoteId>],
    ) -> Result<(), NoAnswer> {
        let Some(name) = names.get(place) else { return Ok(()) };
        let key = |(traits, open): (&Traits, &bool)| {
            traits.values.get(place).cloned().flatten().filter(|_| *open)
        };
        let keys: Vec<_> = wanted.iter().zip(open).map(key).collect();
        let by = By::Field(name.as_str().into());
        let want: Vec<Arc<str>> = self.property().into_iter().collect();
        let rows = self.ask(lookup, &by, keys.iter().cloned(), &want).await?;
        for ((traits, key), found) in wanted.iter().zip(keys).zip(found) {
            let rows = key.and_then(|key| rows.get(&key)).into_iter().flatten();
            add(found, rows.filter(|row| self.is_own(row, traits)));
        }
        Ok(())
    }

    /// Where the remote keeps external ids, if that tells whose a record is.
    fn property(&self) -> Option<Arc<str>> {
        let property = self.capabilities.external_id_property.as_deref();
        property.filter(|_| self.capabilities.spares_others).map(Arc::from)
    }

    /// Whether a record that was found by a field may be the wanted one: it has no other external id.
    fn is_own(&self, row: &Row, traits: &Traits) -> bool {
        let (Some(property), Some(id)) = (self.property(), &traits.external_id) else {
            return true;
        };
        let held = row.fields.get(&*property).and_then(exact::text);
        let Some(held) = held.filter(|held| !held.trim().is_empty()) else { return true };
        let spelled = |text: &str| {
            self.capabilities.lookup.map_or(text.to_owned(), |it| it.spelled(text).into_owned())
        };
        spelled(&held) == spelled(id.as_str())
    }

    /// Asks in as few calls as the remote allows, as often as it takes to get an answer.
    pub(super) async fn ask(
        &self,
        lookup: Lookup,
        by: &By,
        keys: impl Iterator<Item = Option<Arc<str>>>,
        want: &[Arc<str>],
    ) -> Result<HashMap<Arc<str>, Vec<Row>>, NoAnswer> {
        self.compare(lookup, by, keys, want, &HashMap::new()).await
    }

    /// The same, and has records compared with what was sent, where that is given.
    pub(super) async fn compare(
        &self,
        lookup: Lookup,
        by: &By,
        keys: impl Iterator<Item = Option<Arc<str>>>,
        want: &[Arc<str>],
        sent: &HashMap<Arc<str>, Arc<str>>,
    ) -> Result<HashMap<Arc<str>, Vec<Row>>, NoAnswer> {
        let mut rows: HashMap<Arc<str>, Vec<Row>> = HashMap::new();
        let mut asked = Vec::new();
        for key in keys.flatten() {
            if rows.insert(Arc::clone(&key), Vec::new()).is_none() {
                asked.push(key);
            }
        }
        for keys in asked.chunks(lookup.max_ids.max(1)) {
            let question = Question {
                stream: self.stream.clone(),
                by: by.clone(),
                keys: keys.to_vec(),
                want: want.to_vec(),
                sent: keys
                    .iter()
                    .filter_map(|key| Some((Arc::clone(key), Arc::clone(sent.get(key)?))))
                    .collect(),
                next: None,
            };
            for row in self.answer(question).await? {
                rows.entry(Arc::clone(&row.key)).or_default().push(row);
            }
        }
        Ok(rows)
    }

    /// All pages of an answer.
    async fn answer(&self, mut question: Question) -> Result<Vec<Row>, NoAnswer> {
        let mut rows = Vec::new();
        let (mut known, mut seen) = (HashSet::new(), HashSet::new());
        let mut before = None;
        for _ in 0..MAX_PAGES {
            let Found { rows: more, next, digest, .. } = self.page(&question).await?;
            let is_new = |row: &Row| known.insert((Arc::clone(&row.key), row.remote_id.clone()));
            rows.extend(more.into_iter().filter(is_new));
            if rows.len() > MAX_FOUND {
                let why = format!("it finds more than {MAX_FOUND} records");
                return Err(NoAnswer { why, fatal: None, refusal: Some(Refusal::Question) });
            }
            let Some(next) = next else { return Ok(rows) };
            // A remote that does not know the parameter sends its first page for ever.
            if !seen.insert(Arc::clone(&next)) || (digest.is_some() && digest == before) {
                return Err(endless("the pages of a lookup go in a circle"));
            }
            if self.dispatcher.retry.is_stopped() {
                let why = "the job ended before its last page".to_owned();
                return Err(NoAnswer { why, fatal: None, refusal: None });
            }
            before = digest;
            question.next = Some(next);
        }
        Err(endless(&format!("a lookup has more than {MAX_PAGES} pages")))
    }

    /// One page.
    async fn page(&self, question: &Question) -> Result<Found, NoAnswer> {
        let Self { dispatcher, calls, .. } = *self;
        let found =
            ask(dispatcher, calls, Kind::Lookup, || dispatcher.connector.lookup(question)).await?;
        dispatcher.keep_quiet(found.quiet);
        Ok(found)
    }
}

/// Asking again would not help, and to take what has come for all would make records twice.
fn endless(why: &str) -> NoAnswer {
    let fatal = Error::remote(why).hint(
        "mend `next` in the manifest: let it end by what the answer tells of the total or of a next \
         page; LOGLEVEL=debug shows the pages",
    );
    NoAnswer { why: why.to_owned(), fatal: Some(fatal), refusal: None }
}

fn add<'r>(found: &mut Vec<RemoteId>, rows: impl Iterator<Item = &'r Row>) {
    let mut known: HashSet<_> = found.iter().cloned().collect();
    found.extend(rows.map(|row| row.remote_id.clone()).filter(|id| known.insert(id.clone())));
}
