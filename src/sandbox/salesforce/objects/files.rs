//! Files: their versions, the documents that Salesforce makes of these, and where they are put.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_contentversion.htm>

use super::super::catalog::Kind::{Base64, Int, LongText, Picklist, Reference};
use super::super::catalog::{Call, Object, Shape, field, object};
use super::{flag, text};

/// What files may be put on.
const ANY: &[&str] = &[
    "Account",
    "Contact",
    "Lead",
    "Opportunity",
    "Campaign",
    "Case",
    "Task",
    "Event",
    "User",
    "Invoice__c",
    "npe03__Recurring_Donation__c",
];

pub(in super::super) const CONTENT_VERSION: Object = object(
    "ContentVersion",
    "Content Version",
    "Content Versions",
    "068",
    &[
        field("ContentDocumentId", Reference(&["ContentDocument"])).at_create(),
        text("Title", 255),
        text("PathOnClient", 500).required().at_create(),
        field("VersionData", Base64).required(),
        field("FirstPublishLocationId", Reference(ANY)).at_create(),
        field("Description", LongText(1000)),
        field("Origin", Picklist(&["C", "H"], true)).at_create().or("\"H\""),
        flag("IsLatest").read_only(),
        text("VersionNumber", 20).read_only(),
        field("ContentSize", Int).read_only(),
        text("FileExtension", 40).read_only(),
        text("FileType", 20).read_only(),
        text("Checksum", 50).read_only(),
    ],
)
.refuses(&[Call::Delete]);

/// Is there with the first version, and gone with the last.
pub(in super::super) const CONTENT_DOCUMENT: Object = object(
    "ContentDocument",
    "Content Document",
    "Content Documents",
    "069",
    &[
        text("Title", 255).required(),
        field("Description", LongText(1000)),
        field("LatestPublishedVersionId", Reference(&["ContentVersion"])).read_only(),
        field("ParentId", Reference(&["ContentWorkspace"])).read_only(),
        text("FileExtension", 40).read_only(),
        text("FileType", 20).read_only(),
        field("ContentSize", Int).read_only(),
    ],
)
.shape(Shape::Plain)
.refuses(&[Call::Create]);

pub(in super::super) const CONTENT_DOCUMENT_LINK: Object = object(
    "ContentDocumentLink",
    "Content Document Link",
    "Content Document Link",
    "06A",
    &[
        field("LinkedEntityId", Reference(ANY)).required().at_create(),
        field("ContentDocumentId", Reference(&["ContentDocument"])).required().at_create(),
        field("ShareType", Picklist(&["V", "C", "I"], true)).or("\"V\""),
        field("Visibility", Picklist(&["AllUsers", "InternalUsers", "SharedUsers"], true))
            .or("\"AllUsers\""),
    ],
)
.shape(Shape::Plain)
.without(&["CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById"]);
