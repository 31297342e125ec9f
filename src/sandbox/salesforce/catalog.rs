//! What an object and a field are; the objects themselves are in [`objects`](super::objects).

use super::objects::OBJECTS;

/// An object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) plural: &'static str,
    /// What the ids of its records begin with.
    pub(super) prefix: &'static str,
    pub(super) shape: Shape,
    pub(super) own: &'static [Field],
    /// Made since, by whoever uses the account.
    pub(super) made: &'static [&'static Field],
    /// What every object has, but this one has not.
    pub(super) without: &'static [&'static str],
    /// What its records are not made, changed or deleted by.
    pub(super) refused: &'static [Call],
}

/// Which fields an object has beside its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Business records: an owner, and the external id of the account's own.
    Business,
    /// Business records without an owner.
    Owned,
    /// Neither.
    Plain,
}

/// What a call does with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Create,
    Update,
    Delete,
}

impl Call {
    /// As a refusal names it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "inserted",
            Self::Update => "updated",
            Self::Delete => "deleted",
        }
    }
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// As people see it; `None` where that is the name in words.
    pub(super) label: Option<&'static str>,
    pub(super) kind: Kind,
    /// A record cannot be without a value.
    pub(super) is_required: bool,
    pub(super) access: Access,
    /// What a new record has where nothing is given, as JSON.
    pub(super) default: Option<&'static str>,
    pub(super) key: Key,
}

/// Who sets a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Access {
    Free,
    /// Once, when the record is made.
    AtCreate,
    /// Salesforce.
    Never,
}

/// Whether records are found by a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    No,
    /// An external id that several records may have.
    External,
    /// An external id of one record, in any case of its letters.
    Unique,
    /// `idLookup` of a standard field: to be used as an external id.
    Lookup,
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Id,
    Text(usize),
    LongText(usize),
    /// A text that a list of usual ones is shown for.
    Combobox(usize),
    Email,
    Phone,
    Url,
    Int,
    /// Digits in all, and those behind the point.
    Double(u32, u32),
    Currency,
    /// Digits in all, and those behind the point.
    Percent(u32, u32),
    Bool,
    Date,
    DateTime,
    /// Whether other values are refused.
    Picklist(&'static [&'static str], bool),
    /// The name of an object or of a field of one: a picklist of what the account has.
    Named(usize),
    /// Records of these objects.
    Reference(&'static [&'static str]),
    Base64,
}

impl Kind {
    /// The `type` of a describe.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Text(_) => "string",
            Self::LongText(_) => "textarea",
            Self::Combobox(_) => "combobox",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
            Self::Int => "int",
            Self::Double(..) => "double",
            Self::Currency => "currency",
            Self::Percent(..) => "percent",
            Self::Bool => "boolean",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Picklist(..) | Self::Named(_) => "picklist",
            Self::Reference(_) => "reference",
            Self::Base64 => "base64",
        }
    }

    /// Characters at most; 0 where that is no question.
    pub(super) fn length(self) -> usize {
        match self {
            Self::Id | Self::Reference(_) => 18,
            Self::Text(length)
            | Self::LongText(length)
            | Self::Combobox(length)
            | Self::Named(length) => length,
            Self::Email => 80,
            Self::Phone => 40,
            Self::Picklist(..) | Self::Url => 255,
            _ => 0,
        }
    }

    /// Digits in all and behind the point, of numbers.
    pub(super) fn digits(self) -> Option<(u32, u32)> {
        match self {
            Self::Int => Some((9, 0)),
            Self::Double(digits, scale) | Self::Percent(digits, scale) => Some((digits, scale)),
            Self::Currency => Some((18, 2)),
            _ => None,
        }
    }

    /// Whether texts are compared without regard to their case.
    pub(super) fn is_text(self) -> bool {
        matches!(
            self,
            Self::Text(_)
                | Self::LongText(_)
                | Self::Combobox(_)
                | Self::Named(_)
                | Self::Email
                | Self::Phone
                | Self::Url
                | Self::Picklist(..)
        )
    }
}

pub(super) const fn field(name: &'static str, kind: Kind) -> Field {
    let (label, default) = (None, None);
    Field { name, label, kind, is_required: false, access: Access::Free, default, key: Key::No }
}

impl Field {
    pub(super) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    pub(super) const fn read_only(self) -> Self {
        Self { access: Access::Never, ..self }
    }

    pub(super) const fn at_create(self) -> Self {
        Self { access: Access::AtCreate, ..self }
    }

    pub(super) const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    pub(super) const fn key(self, key: Key) -> Self {
        Self { key, ..self }
    }

    pub(super) fn is_custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    /// As people see it: `FirstName` is `First Name`, `Ext_Id__c` `Ext Id`, `AccountId` `Account ID`.
    pub(super) fn label(&self) -> String {
        if let Some(label) = self.label {
            return label.to_owned();
        }
        if let Some(own) = self.name.strip_suffix("__c") {
            return own.rsplit("__").next().unwrap_or(own).replace('_', " ");
        }
        let mut label = String::new();
        for letter in self.name.chars() {
            if letter.is_ascii_uppercase() && !label.is_empty() && !label.ends_with(' ') {
                label.push(' ');
            }
            label.push(letter);
        }
        match label.strip_suffix(" Id") {
            Some(rest) => format!("{rest} ID"),
            None => label,
        }
    }

    /// Under what the record that a reference is to is named.
    pub(super) fn relation(&self) -> Option<String> {
        let Kind::Reference(_) = self.kind else { return None };
        match self.name.strip_suffix("__c") {
            Some(own) => Some(format!("{own}__r")),
            None => self.name.strip_suffix("Id").map(str::to_owned),
        }
    }

    /// Whether an upsert may go by it.
    pub(super) fn is_key(&self) -> bool {
        self.key != Key::No
    }
}

pub(super) const fn object(
    name: &'static str,
    label: &'static str,
    plural: &'static str,
    prefix: &'static str,
    own: &'static [Field],
) -> Object {
    let shape = Shape::Business;
    Object { name, label, plural, prefix, shape, own, made: &[], without: &[], refused: &[] }
}

impl Object {
    pub(super) const fn shape(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    pub(super) const fn without(self, without: &'static [&'static str]) -> Self {
        Self { without, ..self }
    }

    pub(super) const fn refuses(self, refused: &'static [Call]) -> Self {
        Self { refused, ..self }
    }

    /// The object of this name, in any case of its letters, as a new account has it.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        OBJECTS.iter().copied().find(|object| object.name.eq_ignore_ascii_case(name))
    }

    /// The object whose records have ids like this one.
    pub(super) fn of_id(id: &str) -> Option<&'static Self> {
        OBJECTS.iter().copied().find(|object| id.starts_with(object.prefix))
    }

    pub(super) fn is_custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    /// Whether its records can be made, changed or deleted.
    pub(super) fn takes(&self, call: Call) -> bool {
        !self.refused.contains(&call)
    }

    /// Where its records stand in the memory.
    pub(super) fn records(&self) -> String {
        format!("salesforce/{}", self.name)
    }

    /// All fields, `Id` first.
    pub(super) fn fields(&self) -> impl Iterator<Item = &'static Field> {
        let owner = matches!(self.shape, Shape::Business).then_some(&OWNER);
        let external = matches!(self.shape, Shape::Business | Shape::Owned).then_some(&EXTERNAL);
        let common = COMMON.iter().filter(|field| !self.without.contains(&field.name));
        let made = self.made.iter().copied();
        common.chain(owner).chain(self.own).chain(external).chain(made)
    }

    /// The field of this name, in any case of its letters.
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The reference whose record is named like this.
    pub(super) fn relation(&self, name: &str) -> Option<&'static Field> {
        self.fields().find(|field| {
            field.relation().is_some_and(|relation| relation.eq_ignore_ascii_case(name))
        })
    }
}

const USER: Kind = Kind::Reference(&["User"]);

/// The account's own external id.
const EXTERNAL: Field = field("Ext_Id__c", Kind::Text(100)).key(Key::Unique);
const OWNER: Field = field("OwnerId", Kind::Reference(&["User"])).or("\"\"");

/// What each record has.
const COMMON: &[Field] = &[
    field("Id", Kind::Id).read_only().key(Key::Lookup),
    field("IsDeleted", Kind::Bool).read_only().or("false"),
    field("CreatedDate", Kind::DateTime).read_only(),
    field("CreatedById", USER).read_only(),
    field("LastModifiedDate", Kind::DateTime).read_only(),
    field("LastModifiedById", USER).read_only(),
    field("SystemModstamp", Kind::DateTime).read_only(),
];
