//! What a type of records is made of: fields, some of them sublists, each with what it holds.

/// A type of records.
#[derive(Debug)]
pub(super) struct Type {
    /// As in addresses, such as `vendorBill`.
    pub(super) name: &'static str,
    /// External ids are had by one record only of all types with this group.
    /// <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_N3436356.html>
    pub(super) group: &'static str,
    /// What tells it from others of its group in queries, such as `VendBill`.
    pub(super) code: &'static str,
    pub(super) fields: &'static [Field],
    /// Fields that it shares with others, and custom ones.
    pub(super) shared: &'static [Field],
}

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// As people see it.
    pub(super) label: &'static str,
    pub(super) kind: Kind,
    pub(super) is_mandatory: bool,
    /// It is shown, and what is given for it is not looked at.
    pub(super) is_read_only: bool,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Number,
    Bool,
    Date,
    /// One of a fixed list: `{"id": …}`, or the id alone.
    Choice,
    /// A record of one of these types or groups.
    To(&'static [&'static str]),
    /// Several of them, as a list of `{"id": …}`.
    ToMany(&'static [&'static str]),
    /// Lines that have these fields, known by this one of them if by any.
    Lines(&'static [Field], Option<&'static str>),
    /// Fields that stand together.
    Part(&'static [Field]),
}

impl Type {
    /// The type of this name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        super::types::all().find(|kind| kind.name.eq_ignore_ascii_case(name))
    }

    /// Types that are called so, or whose group is.
    pub(super) fn named(to: &'static str) -> impl Iterator<Item = &'static Self> {
        super::types::all().filter(move |kind| kind.name == to || kind.group == to)
    }

    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        find(self.fields, name).or_else(|| find(self.shared, name))
    }

    pub(super) fn all_fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().chain(self.shared)
    }

    /// What the memory calls its records.
    pub(super) fn records(&self) -> String {
        format!("netsuite/{}", self.name)
    }

    pub(super) fn is_transaction(&self) -> bool {
        self.group == "transaction"
    }
}

/// The field of this name, in any case: `addressbook` and `duedate` are taken as `addressBook` and
/// `dueDate` are.
pub(super) fn find(fields: &'static [Field], name: &str) -> Option<&'static Field> {
    fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
}

/// A field.
pub(super) const fn field(name: &'static str, label: &'static str, kind: Kind) -> Field {
    Field { name, label, kind, is_mandatory: false, is_read_only: false }
}

/// A field for text.
pub(super) const fn text(name: &'static str) -> Field {
    field(name, name, Kind::Text)
}

/// A field for a number.
pub(super) const fn number(name: &'static str) -> Field {
    field(name, name, Kind::Number)
}

/// A field that is true or false.
pub(super) const fn flag(name: &'static str) -> Field {
    field(name, name, Kind::Bool)
}

/// A field for a day.
pub(super) const fn date(name: &'static str) -> Field {
    field(name, name, Kind::Date)
}

/// A field that refers to a record of one of these types or groups.
pub(super) const fn to(name: &'static str, types: &'static [&'static str]) -> Field {
    field(name, name, Kind::To(types))
}

impl Field {
    /// No record can be without it.
    pub(super) const fn mandatory(mut self, label: &'static str) -> Self {
        self.is_mandatory = true;
        self.label = label;
        self
    }

    pub(super) const fn read_only(mut self) -> Self {
        self.is_read_only = true;
        self
    }
}
