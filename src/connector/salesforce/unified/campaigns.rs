//! What follows a record that was written: it is made a member of campaigns, and topics are put on
//! it, for all of a batch at once. Who is a member already, or has a topic already, is as good as
//! done.
//!
//! Campaigns and topics are found by their names before the records are written, so that a name
//! which several have refuses its record; what is not there is made after them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::{BY, MAX_KEPT};
use crate::connector::contract::{Action, By, Question, RequestError, Verdict, Write};
use crate::connector::salesforce::Salesforce;
use crate::connector::salesforce::after::{Followed, not_done};
use crate::connector::salesforce::ids::{long_id, spelled_id};
use crate::connector::salesforce::part::{Named, Part};
use crate::connector::salesforce::relate::ambiguous;
use crate::connector::salesforce::shape::typed;
use crate::connector::stop::unless_stopped;
use crate::json::fields::Fields;
use crate::record::{RemoteId, StreamName};

const CAMPAIGN: &str = "Campaign";
const TOPIC: &str = "Topic";

/// The ids of campaigns and topics, by object and name in small letters.
#[derive(Debug, Default)]
pub(in crate::connector::salesforce) struct Names(Mutex<Known>);

pub(in crate::connector::salesforce) type Known = HashMap<(&'static str, String), String>;

/// The name of a campaign that is known by that.
fn named_campaign(body: &str) -> Option<String> {
    let fields = Fields::of_text(body).ok()?;
    let by: String = serde_json::from_str(fields.get(BY)?.get()).ok()?;
    by.strip_prefix("Campaign.Name=").map(str::to_owned)
}

/// Whether a body is that of a campaign that is known by its name.
pub(in crate::connector::salesforce) fn is_named_campaign(body: &str) -> bool {
    named_campaign(body).is_some()
}

impl Salesforce {
    /// Finds the campaigns and topics that records name. A record whose name several have is
    /// refused.
    ///
    /// # Errors
    /// When nobody can tell now; nothing was written then.
    pub(in crate::connector::salesforce) async fn know_names(
        &self,
        parts: &mut [Part],
    ) -> Result<(), RequestError> {
        for object in [CAMPAIGN, TOPIC] {
            let mut unknown: BTreeSet<String> = BTreeSet::new();
            {
                let known = self.names.0.lock().await;
                for name in parts.iter().flat_map(|part| names(part, object)) {
                    if !known.contains_key(&(object, name.to_lowercase())) {
                        unknown.insert(name.to_owned());
                    }
                }
            }
            if unknown.is_empty() {
                continue;
            }
            let found = self.find_names(object, unknown).await?;
            for part in parts.iter_mut() {
                let several = names(part, object)
                    .find(|name| found.get(&name.to_lowercase()).is_some_and(|ids| ids.len() > 1));
                if let Some(name) = several.map(str::to_owned) {
                    part.verdict = Some(ambiguous(object, "Name", &name));
                }
            }
            let mut known = self.names.0.lock().await;
            for (name, ids) in found {
                if let [id] = ids.as_slice() {
                    keep(&mut known, object, &name, id);
                }
            }
        }
        Ok(())
    }

    /// Held while campaigns are made that are known by their names, so that no record which names one
    /// makes it at the same time. Those that are there by now are told.
    ///
    /// # Errors
    /// When nobody can tell now; nothing was written then.
    pub(in crate::connector::salesforce) async fn guard_new(
        &self,
        writes: &[Write],
        parts: &mut [Part],
    ) -> Result<Option<MutexGuard<'_, Known>>, RequestError> {
        let new: Vec<Option<String>> =
            writes.iter().map(|write| named_campaign(&write.body)).collect();
        let names: BTreeSet<String> = new.iter().flatten().cloned().collect();
        if names.is_empty() {
            return Ok(None);
        }
        let known = unless_stopped(self.names.0.lock()).await?;
        let found = self.find_names(CAMPAIGN, names).await?;
        for (part, name) in parts.iter_mut().zip(new) {
            let Some(name) = name else { continue };
            match found.get(&name.to_lowercase()).map(Vec::as_slice) {
                None | Some([]) => {}
                Some([id]) => {
                    part.verdict = Some(Verdict::Exists(Some(RemoteId::new(long_id(id)))));
                }
                Some(_) => part.verdict = Some(ambiguous(CAMPAIGN, "Name", &name)),
            }
        }
        Ok(Some(known))
    }

    /// By their names in small letters.
    async fn find_names(
        &self,
        object: &'static str,
        names: BTreeSet<String>,
    ) -> Result<HashMap<String, Vec<String>>, RequestError> {
        let keys = names.into_iter().map(Arc::from).collect();
        let question = Question::of_ids(StreamName::new(object), By::Field("Name".into()), keys);
        let mut found: HashMap<String, Vec<String>> = HashMap::new();
        for row in self.find_all(object, None, question).await? {
            let ids = found.entry(row.key.to_lowercase()).or_default();
            let id = row.remote_id.to_string();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(found)
    }

    /// The ids of those that `names` name; those that are not there are made.
    async fn make_names(
        &self,
        object: &'static str,
        names: BTreeMap<String, String>,
    ) -> HashMap<String, Followed> {
        // Held over the making, so that nobody makes one twice.
        let mut known = self.names.0.lock().await;
        let mut told = HashMap::new();
        let mut new = Vec::new();
        let unknown =
            names.iter().filter(|(spelled, _)| !known.contains_key(&(object, (*spelled).clone())));
        let unknown: BTreeSet<String> = unknown.map(|(_, name)| name.clone()).collect();
        // Another call may have made one since they were looked for.
        let since = if unknown.is_empty() {
            Ok(HashMap::new())
        } else {
            self.find_names(object, unknown).await
        };
        match since {
            Ok(since) => {
                for (name, ids) in since {
                    if let [id, ..] = ids.as_slice() {
                        keep(&mut known, object, &name, id);
                    }
                }
            }
            Err(error) => {
                let open = |spelled| (spelled, Followed::Open(error.to_string().into()));
                return names.into_keys().map(open).collect();
            }
        }
        for (spelled, name) in names {
            match known.get(&(object, spelled.clone())) {
                Some(id) => drop(told.insert(spelled, Followed::Done(Some(id.clone())))),
                None => new.push((spelled, name)),
            }
        }
        let records: Vec<String> =
            new.iter().map(|(_, name)| typed(object, &[("Name", name)], "{}")).collect();
        let mut twice = BTreeSet::new();
        for ((spelled, name), made) in
            new.into_iter().zip(self.write_all(Action::Create, &records).await)
        {
            match &made {
                Followed::Done(Some(id)) => keep(&mut known, object, &spelled, id),
                // Another has made it a moment ago.
                Followed::Twice(_) => drop(twice.insert(name)),
                _ => {}
            }
            told.insert(spelled, made);
        }
        if !twice.is_empty()
            && let Ok(found) = self.find_names(object, twice).await
        {
            for (spelled, ids) in found {
                if let [id, ..] = ids.as_slice() {
                    keep(&mut known, object, &spelled, id);
                    told.insert(spelled, Followed::Done(Some(id.clone())));
                }
            }
        }
        told
    }

    /// Makes the records that were written members of their campaigns, and puts their topics on
    /// them. `ids`: under which they were.
    pub(in crate::connector::salesforce) async fn join(
        &self,
        parts: &[Part],
        ids: &[Option<RemoteId>],
        verdicts: &mut [Verdict],
    ) {
        let written: Vec<(usize, &Part, &str)> = parts
            .iter()
            .zip(ids)
            .enumerate()
            .filter_map(|(place, (part, id))| Some((place, part, id.as_ref()?.as_str())))
            .collect();
        let mut members = Vec::new();
        let campaigns = self.wanted(CAMPAIGN, &written).await;
        let topics = self.wanted(TOPIC, &written).await;
        for (place, part, id) in &written {
            let mut joined = BTreeSet::new();
            for campaign in &part.rest.campaigns {
                let (name, told) = match campaign {
                    Named::Id(id) => (id, Followed::Done(Some(long_id(id)))),
                    Named::Name(name) => (name, of_name(&campaigns, name)),
                };
                match told {
                    Followed::Done(Some(campaign)) => {
                        if joined.insert(spelled_id(&campaign).to_owned()) {
                            members.push(Member { place: *place, part, id, campaign, name });
                        }
                    }
                    told => not_done(
                        &mut verdicts[*place],
                        id,
                        &format!("the campaign `{name}`"),
                        &told,
                    ),
                }
            }
        }
        self.make_members(&members, verdicts).await;
        let mut assigned = Vec::new();
        for (place, part, id) in &written {
            for name in &part.rest.topics {
                match of_name(&topics, name) {
                    Followed::Done(Some(topic)) => assigned.push((*place, *id, topic, name)),
                    told => {
                        not_done(&mut verdicts[*place], id, &format!("the topic `{name}`"), &told);
                    }
                }
            }
        }
        let records: Vec<String> = assigned
            .iter()
            .map(|(_, id, topic, _)| {
                typed("TopicAssignment", &[("EntityId", id), ("TopicId", topic)], "{}")
            })
            .collect();
        let told = self.write_all(Action::Create, &records).await;
        for ((place, id, _, name), told) in assigned.into_iter().zip(told) {
            not_done(&mut verdicts[place], id, &format!("the topic `{name}`"), &told);
            self.forget_lost(TOPIC, name, &told).await;
        }
    }

    /// The ids of what the written records name, by name in small letters.
    async fn wanted(
        &self,
        object: &'static str,
        written: &[(usize, &Part, &str)],
    ) -> HashMap<String, Followed> {
        let names = written.iter().flat_map(|(_, part, _)| names(part, object));
        let names: BTreeMap<String, String> =
            names.map(|name| (name.to_lowercase(), name.to_owned())).collect();
        if names.is_empty() {
            return HashMap::new();
        }
        self.make_names(object, names).await
    }

    async fn make_members(&self, members: &[Member<'_>], verdicts: &mut [Verdict]) {
        let records: Vec<String> = members
            .iter()
            .map(|one| {
                let with = [("CampaignId", one.campaign.as_str()), (one.person(), one.id)];
                typed("CampaignMember", &with, &json!(one.part.rest.as_member).to_string())
            })
            .collect();
        let mut again = Vec::new();
        let told = self.write_all(Action::Create, &records).await;
        for (one, told) in members.iter().zip(told) {
            if matches!(told, Followed::Twice(_)) && !one.part.rest.as_member.is_empty() {
                again.push(one);
            }
            not_done(
                &mut verdicts[one.place],
                one.id,
                &format!("the campaign `{}`", one.name),
                &told,
            );
            self.forget_lost(CAMPAIGN, one.name, &told).await;
        }
        self.change_members(&again, verdicts).await;
    }

    /// Who was a member before has other values as such now.
    async fn change_members(&self, members: &[&Member<'_>], verdicts: &mut [Verdict]) {
        for person in ["ContactId", "LeadId"] {
            let own: Vec<_> = members.iter().filter(|one| one.person() == person).collect();
            if own.is_empty() {
                continue;
            }
            let pairs: Vec<(&str, &str)> =
                own.iter().map(|one| (spelled_id(&one.campaign), spelled_id(one.id))).collect();
            let found = self.find_members(person, &pairs).await;
            let ids: HashMap<String, String> = match &found {
                Ok(rows) => rows
                    .iter()
                    .map(|row| (row.key.to_string(), row.remote_id.to_string()))
                    .collect(),
                Err(_) => HashMap::new(),
            };
            let mut changed = Vec::new();
            for (one, (campaign, id)) in own.into_iter().zip(pairs) {
                if let Some(id) = ids.get(&super::find::pair(campaign, id)) {
                    let fields = json!(self.updateable_member(&one.part.rest.as_member).await);
                    let record = typed("CampaignMember", &[("id", id)], &fields.to_string());
                    changed.push((one, record));
                    continue;
                }
                let why = found.as_ref().err().map(ToString::to_string);
                let why = why.unwrap_or_else(|| "it is not shown as a member".to_owned());
                let what = format!("the campaign `{}`", one.name);
                not_done(&mut verdicts[one.place], one.id, &what, &Followed::Open(why.into()));
            }
            let records: Vec<String> = changed.iter().map(|(_, record)| record.clone()).collect();
            let told = self.write_all(Action::Update, &records).await;
            for ((one, _), told) in changed.into_iter().zip(told) {
                let what = format!("the campaign `{}`", one.name);
                not_done(&mut verdicts[one.place], one.id, &what, &told);
            }
        }
    }

    async fn updateable_member(&self, fields: &Map<String, Value>) -> Map<String, Value> {
        let Ok(description) = self.describe("CampaignMember").await else { return fields.clone() };
        let is_kept = |name: &str| description.field(name).is_none_or(|field| field.updateable);
        fields
            .iter()
            .filter(|(name, _)| is_kept(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// What was known and may be there no more is asked for again, the next time.
    async fn forget_lost(&self, object: &'static str, name: &str, told: &Followed) {
        if matches!(told, Followed::Refused(_)) {
            self.names.0.lock().await.remove(&(object, name.to_lowercase()));
        }
    }
}

/// A record that is to be a member of a campaign.
struct Member<'a> {
    place: usize,
    part: &'a Part,
    id: &'a str,
    campaign: String,
    /// As the record calls it.
    name: &'a str,
}

impl Member<'_> {
    fn person(&self) -> &'static str {
        if self.part.object.as_deref() == Some("Lead") { "LeadId" } else { "ContactId" }
    }
}

/// What of an object a record names.
fn names<'p>(part: &'p Part, object: &str) -> impl Iterator<Item = &'p str> {
    let is_campaign = object == CAMPAIGN;
    let campaigns = part.rest.campaigns.iter().filter_map(|one| match one {
        Named::Name(name) => Some(name.as_str()),
        Named::Id(_) => None,
    });
    let topics = part.rest.topics.iter().map(String::as_str);
    campaigns.filter(move |_| is_campaign).chain(topics.filter(move |_| !is_campaign))
}

fn of_name(all: &HashMap<String, Followed>, name: &str) -> Followed {
    let untold = || Followed::Open("nothing was said of it".into());
    all.get(&name.to_lowercase()).cloned().unwrap_or_else(untold)
}

fn keep(known: &mut Known, object: &'static str, name: &str, id: &str) {
    if known.len() >= MAX_KEPT {
        known.clear();
    }
    known.insert((object, name.to_lowercase()), id.to_owned());
}
