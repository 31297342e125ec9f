//! Tasks, events and cases.

use super::super::catalog::Kind::{Combobox, Date, DateTime, Email, Int, Picklist};
use super::super::catalog::{Object, field, object};
use super::{ABOUT, ACCOUNT, CONTACT, WHAT, WHO, flag, text};

pub(in super::super) const TASK: Object = object(
    "Task",
    "Task",
    "Tasks",
    "00T",
    &[
        field("WhoId", WHO),
        field("WhatId", WHAT),
        field("Subject", Combobox(255)),
        field("ActivityDate", Date),
        field(
            "Status",
            Picklist(
                &["Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred"],
                false,
            ),
        )
        .required()
        .or("\"Not Started\""),
        field("Priority", Picklist(&["High", "Normal", "Low"], false)).required().or("\"Normal\""),
        flag("IsClosed").read_only(),
        flag("IsHighPriority").read_only(),
        field("AccountId", ACCOUNT).read_only(),
        field("Description", ABOUT),
        field("CallDurationInSeconds", Int),
        field("CallType", Picklist(&["Internal", "Inbound", "Outbound"], true)),
        text("CallDisposition", 255),
        field("TaskSubtype", Picklist(&["Task", "Email", "ListEmail", "Cadence", "Call"], true))
            .at_create()
            .or("\"Task\""),
    ],
);

pub(in super::super) const EVENT: Object = object(
    "Event",
    "Event",
    "Events",
    "00U",
    &[
        field("WhoId", WHO),
        field("WhatId", WHAT),
        field("Subject", Combobox(255)),
        text("Location", 255),
        flag("IsAllDayEvent"),
        field("ActivityDateTime", DateTime).required(),
        field("DurationInMinutes", Int).required(),
        field("Description", ABOUT),
    ],
);

pub(in super::super) const CASE: Object = object(
    "Case",
    "Case",
    "Cases",
    "500",
    &[
        text("CaseNumber", 30).read_only(),
        field("ContactId", CONTACT),
        field("AccountId", ACCOUNT),
        text("SuppliedName", 80),
        field("SuppliedEmail", Email),
        field("Type", Picklist(&["Question", "Problem", "Feature Request"], false)),
        field("Status", Picklist(&["New", "Working", "Escalated", "Closed"], false)).or("\"New\""),
        field("Origin", Picklist(&["Phone", "Email", "Web"], false)),
        text("Subject", 255),
        field("Priority", Picklist(&["High", "Medium", "Low"], false)).or("\"Medium\""),
        field("Description", ABOUT),
    ],
);
