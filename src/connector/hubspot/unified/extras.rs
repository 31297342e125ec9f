//! What a record in the unified schema comes to beside its properties.

use serde::{Deserialize, Serialize};

use super::fields::Field;

/// What is done before a record is written, and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::connector::hubspot) struct Extras {
    /// Properties of the user's own, which are made where they are not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) fields: Vec<Field>,
    /// A deal's contact, by its email.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contact_email: Option<String>,
    /// A deal's contact, by its remote id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contact_id: Option<String>,
    /// A note's company, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) company_name: Option<String>,
    /// A note's deal, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deal_name: Option<String>,
    /// The contact whose deals a call belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deals_of: Option<String>,
    /// The lists that a contact is put on, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::connector::hubspot) lists: Vec<String>,
    /// It is taken off them instead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) leaves_lists: bool,
}

impl Extras {
    /// Whether one of the properties of the user's own has this name.
    pub(in crate::connector::hubspot) fn has_field(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }
}
