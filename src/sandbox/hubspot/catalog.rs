//! The objects that a new HubSpot account has, with the properties that matter to who writes records.
//!
//! Names, types and ids: <https://developers.hubspot.com/docs/api-reference/latest/crm/understanding-the-crm>.
//! An account has some hundred properties more on each object; those may be made here, too.

/// An object that is there from the start.
#[derive(Debug)]
pub(super) struct Object {
    /// Its type's id; those of an account's own objects begin with `2-`.
    pub(super) id: &'static str,
    /// Its name in paths.
    pub(super) name: &'static str,
    pub(super) singular: &'static str,
    pub(super) properties: &'static [Property],
}

/// The object of this name or type id.
pub(super) fn find(text: &str) -> Option<&'static Object> {
    OBJECTS.iter().find(|object| {
        object.id == text
            || object.name.eq_ignore_ascii_case(text)
            || object.singular.eq_ignore_ascii_case(text)
    })
}

/// A property of an object's records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// No two records have the same value.
    pub(super) is_unique: bool,
    pub(super) is_read_only: bool,
    pub(super) options: &'static [&'static str],
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Date,
    DateTime,
    Bool,
    Choice,
}

impl Kind {
    /// The `type` of the properties API.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "number",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Bool => "bool",
            Self::Choice => "enumeration",
        }
    }

    /// Reads [`Kind::as_str`] back.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let all = [Self::Text, Self::Number, Self::Date, Self::DateTime, Self::Bool, Self::Choice];
        all.into_iter().find(|kind| kind.as_str() == text)
    }
}

const fn property(name: &'static str, kind: Kind) -> Property {
    Property { name, kind, is_unique: false, is_read_only: false, options: &[] }
}

const fn text(name: &'static str) -> Property {
    property(name, Kind::Text)
}

const fn number(name: &'static str) -> Property {
    property(name, Kind::Number)
}

const fn moment(name: &'static str) -> Property {
    property(name, Kind::DateTime)
}

const fn unique(name: &'static str) -> Property {
    Property { is_unique: true, ..text(name) }
}

const fn choice(name: &'static str, options: &'static [&'static str]) -> Property {
    Property { options, ..property(name, Kind::Choice) }
}

/// What each record has, whatever its object is; the account sets it.
pub(super) const COMMON: &[Property] = &[
    Property { is_read_only: true, ..number("hs_object_id") },
    Property { is_read_only: true, ..moment("createdate") },
    Property { is_read_only: true, ..moment("lastmodifieddate") },
    Property { is_read_only: true, ..moment("hs_createdate") },
    Property { is_read_only: true, ..moment("hs_lastmodifieddate") },
    text("hubspot_owner_id"),
];

const STAGES: &[&str] = &[
    "appointmentscheduled",
    "qualifiedtobuy",
    "presentationscheduled",
    "decisionmakerboughtin",
    "contractsent",
    "closedwon",
    "closedlost",
];
const LIFE_CYCLE: &[&str] = &[
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
];

pub(super) const OBJECTS: &[Object] = &[
    Object {
        id: "0-1",
        name: "contacts",
        singular: "contact",
        properties: &[
            unique("email"),
            text("firstname"),
            text("lastname"),
            text("company"),
            text("phone"),
            text("mobilephone"),
            text("date_of_birth"),
            text("industry"),
            text("annualrevenue"),
            text("salutation"),
            text("jobtitle"),
            text("address"),
            text("city"),
            text("state"),
            text("zip"),
            text("country"),
            text("website"),
            text("message"),
            text("fax"),
            choice("lifecyclestage", LIFE_CYCLE),
            choice(
                "hs_lead_status",
                &["NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "CONNECTED"],
            ),
        ],
    },
    Object {
        id: "0-2",
        name: "companies",
        singular: "company",
        properties: &[
            text("name"),
            text("domain"),
            choice(
                "industry",
                &["ACCOUNTING", "BANKING", "COMPUTER_SOFTWARE", "INTERNET", "RETAIL", "WHOLESALE"],
            ),
            text("phone"),
            text("address"),
            text("city"),
            text("state"),
            text("zip"),
            text("country"),
            text("website"),
            text("description"),
            number("annualrevenue"),
            number("numberofemployees"),
            choice("lifecyclestage", LIFE_CYCLE),
        ],
    },
    Object {
        id: "0-3",
        name: "deals",
        singular: "deal",
        properties: &[
            text("dealname"),
            number("amount"),
            text("pipeline"),
            choice("dealstage", STAGES),
            choice("dealtype", &["newbusiness", "existingbusiness"]),
            moment("closedate"),
            text("description"),
            choice("hs_priority", &["low", "medium", "high"]),
            text("priority"),
        ],
    },
    Object {
        id: "0-5",
        name: "tickets",
        singular: "ticket",
        properties: &[
            text("subject"),
            text("content"),
            text("hs_pipeline"),
            choice("hs_pipeline_stage", &["1", "2", "3", "4"]),
            choice("hs_ticket_priority", &["LOW", "MEDIUM", "HIGH", "URGENT"]),
        ],
    },
    Object {
        id: "0-7",
        name: "products",
        singular: "product",
        properties: &[text("name"), text("description"), number("price"), text("hs_sku")],
    },
    Object {
        id: "0-8",
        name: "line_items",
        singular: "line_item",
        properties: &[text("name"), number("quantity"), number("price"), text("hs_product_id")],
    },
    Object {
        id: "0-48",
        name: "calls",
        singular: "call",
        properties: &[
            moment("hs_timestamp"),
            text("hs_call_title"),
            text("hs_call_body"),
            number("hs_call_duration"),
            choice("hs_call_direction", &["INBOUND", "OUTBOUND"]),
            text("hs_call_recording_url"),
            choice("hs_call_status", &["BUSY", "CANCELED", "COMPLETED", "FAILED", "NO_ANSWER"]),
        ],
    },
    Object {
        id: "0-27",
        name: "tasks",
        singular: "task",
        properties: &[
            moment("hs_timestamp"),
            text("hs_task_subject"),
            text("hs_task_body"),
            choice(
                "hs_task_status",
                &["NOT_STARTED", "IN_PROGRESS", "WAITING", "COMPLETED", "DEFERRED"],
            ),
            choice("hs_task_priority", &["NONE", "LOW", "MEDIUM", "HIGH"]),
        ],
    },
    Object {
        id: "0-46",
        name: "notes",
        singular: "note",
        properties: &[moment("hs_timestamp"), text("hs_note_body")],
    },
    Object {
        id: "0-49",
        name: "emails",
        singular: "email",
        properties: &[
            moment("hs_timestamp"),
            text("hs_email_subject"),
            text("hs_email_text"),
            choice("hs_email_direction", &["EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL"]),
        ],
    },
    Object {
        id: "0-47",
        name: "meetings",
        singular: "meeting",
        properties: &[
            moment("hs_timestamp"),
            text("hs_meeting_title"),
            text("hs_meeting_body"),
            moment("hs_meeting_start_time"),
            moment("hs_meeting_end_time"),
        ],
    },
];
