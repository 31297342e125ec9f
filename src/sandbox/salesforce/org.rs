//! The objects as the account has them now: with fields made since, as far as the user is permitted
//! to see them, and with accounts of people if so asked.
//!
//! A field that is made by the Metadata API is permitted to nobody: whoever made it does not see it
//! before a `FieldPermissions` says so. Those that records cannot lack are seen by all.
//! <https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/customfield.htm>

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::catalog::{Access, Field, Object};
use super::held;
use super::made::Made;
use super::objects::{ACCOUNT_OF_PEOPLE, OBJECTS};
use crate::sandbox::faults::Faults;
use crate::sandbox::memory::Memory;
use crate::sandbox::world::World;

/// Where the fields stand in the memory that were made.
pub(super) const MADE: &str = "salesforce/CustomField";

/// All objects.
#[derive(Debug)]
pub(super) struct Org {
    objects: Vec<&'static Object>,
    /// Fields that were made: by object, what they were made of, and who sets them. None is ever
    /// dropped, and neither is an object that had them: so they can be named as those are that
    /// never change, and they are few.
    fields: HashMap<(&'static str, String, Access), &'static Field>,
    /// When they were last changed.
    pub(super) changed: Option<DateTime<Utc>>,
}

impl Org {
    /// The objects of a new account.
    pub(super) fn new(faults: &Faults) -> Self {
        let mut objects = OBJECTS.to_vec();
        if faults.salesforce.person_accounts {
            let account = objects.iter_mut().find(|object| object.name == "Account");
            if let Some(account) = account {
                *account = &ACCOUNT_OF_PEOPLE;
            }
        }
        Self { objects, fields: HashMap::new(), changed: None }
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = &'static Object> {
        self.objects.iter().copied()
    }

    /// The object of this name, in any case of its letters.
    pub(super) fn find(&self, name: &str) -> Option<&'static Object> {
        self.objects().find(|object| object.name.eq_ignore_ascii_case(name))
    }

    /// An object as it is now.
    pub(super) fn now(&self, object: &'static Object) -> &'static Object {
        self.objects().find(|other| other.name == object.name).unwrap_or(object)
    }

    /// Reads which fields were made, and which of them the user is permitted.
    pub(super) fn recall(&mut self, memory: &Memory) {
        let all = made(memory);
        let mut of_objects: HashMap<&'static str, Vec<&'static Field>> = HashMap::new();
        for made in &all {
            for object in made.objects() {
                let Some(access) = granted(memory, object, made) else { continue };
                let known = serde_json::to_string(made).unwrap_or_default();
                let field = self
                    .fields
                    .entry((object, known, access))
                    .or_insert_with(|| Box::leak(Box::new(Field { access, ..made.field() })));
                of_objects.entry(object).or_default().push(field);
            }
        }
        for object in &mut self.objects {
            let fields = of_objects.remove(object.name).unwrap_or_default();
            if fields.len() != object.made.len()
                || fields.iter().zip(object.made).any(|(left, right)| !std::ptr::eq(*left, *right))
            {
                let made = Vec::leak(fields);
                *object = Box::leak(Box::new(Object { made, ..**object }));
                self.changed = Some(Utc::now());
            }
        }
    }
}

/// The fields that were made, in their order.
pub(super) fn made(memory: &Memory) -> Vec<Made> {
    let records = memory.after(MADE, 0);
    records.filter_map(|(_, record)| serde_json::from_str(record.json()).ok()).collect()
}

/// What the user is permitted to do with a field: `None` when not even to see it.
fn granted(memory: &Memory, object: &str, made: &Made) -> Option<Access> {
    if made.is_required() {
        return Some(Access::Free);
    }
    let name = format!("{object}.{}", made.name());
    let mut most = None;
    for (_, record) in memory.after("salesforce/FieldPermissions", 0) {
        let fields = record.fields();
        let is = |name: &str| fields.get(name).is_some_and(|value| value.get() == "true");
        let is_it = fields.id_text("Field").is_some_and(|field| field.eq_ignore_ascii_case(&name));
        let is_own = fields.id_text("ParentId").is_some_and(|set| held::is_granted(&set));
        if is_it && is_own && is("PermissionsRead") && most != Some(Access::Free) {
            most = Some(if is("PermissionsEdit") { Access::Free } else { Access::Never });
        }
    }
    most
}

/// Looks again which fields there are.
pub(super) fn recall(world: &mut World) {
    let World { salesforce, memory, .. } = world;
    salesforce.org.recall(memory);
}
