//! Campaigns and their members, topics and what they are put on.

use super::super::catalog::Kind::{
    Bool, Currency, Date, Double, LongText, Percent, Picklist, Reference,
};
use super::super::catalog::{Call, Key, Object, Shape, field, object};
use super::{ABOUT, CONTACT, flag, text};

pub(in super::super) const CAMPAIGN: Object = object(
    "Campaign",
    "Campaign",
    "Campaigns",
    "701",
    &[
        text("Name", 80).required(),
        field("ParentId", Reference(&["Campaign"])),
        field(
            "Type",
            Picklist(
                &[
                    "Conference",
                    "Webinar",
                    "Trade Show",
                    "Public Relations",
                    "Partners",
                    "Referral Program",
                    "Advertisement",
                    "Banner Ads",
                    "Direct Mail",
                    "Email",
                    "Telemarketing",
                    "Other",
                ],
                false,
            ),
        ),
        field("Status", Picklist(&["Planned", "In Progress", "Completed", "Aborted"], false))
            .or("\"Planned\""),
        field("StartDate", Date),
        field("EndDate", Date),
        field("ExpectedRevenue", Currency),
        field("BudgetedCost", Currency),
        field("ActualCost", Currency),
        field("ExpectedResponse", Percent(10, 2)),
        field("NumberSent", Double(18, 0)),
        flag("IsActive"),
        field("Description", ABOUT),
    ],
);

/// Whose member it is, and of what, is said once.
/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_campaignmember.htm>
pub(in super::super) const CAMPAIGN_MEMBER: Object = object(
    "CampaignMember",
    "Campaign Member",
    "Campaign Members",
    "00v",
    &[
        field("CampaignId", Reference(&["Campaign"])).required().at_create(),
        field("LeadId", Reference(&["Lead"])).at_create(),
        field("ContactId", CONTACT).at_create(),
        field("LeadOrContactId", Reference(&["Contact", "Lead"])).read_only(),
        field("Status", Picklist(&["Sent", "Responded"], false)).or("\"Sent\""),
        field("HasResponded", Bool).read_only().or("false"),
        field("FirstRespondedDate", Date).read_only(),
        field("Type", Picklist(&["Contact", "Lead"], true)).read_only(),
    ],
)
.shape(Shape::Owned);

pub(in super::super) const TOPIC: Object = object(
    "Topic",
    "Topic",
    "Topics",
    "0TO",
    &[
        text("Name", 99).required().key(Key::Lookup),
        field("Description", LongText(400)),
        field("TalkingAbout", Double(18, 0)).read_only().or("0"),
    ],
)
.shape(Shape::Plain)
.without(&["IsDeleted", "LastModifiedDate", "LastModifiedById"]);

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_topicassignment.htm>
pub(in super::super) const TOPIC_ASSIGNMENT: Object = object(
    "TopicAssignment",
    "Topic Assignment",
    "Topic Assignments",
    "0TA",
    &[
        field("TopicId", Reference(&["Topic"])).required().at_create(),
        field(
            "EntityId",
            Reference(&[
                "Account",
                "Campaign",
                "Case",
                "Contact",
                "ContentDocument",
                "Event",
                "Lead",
                "Opportunity",
                "Task",
                "Invoice__c",
                "npe03__Recurring_Donation__c",
            ]),
        )
        .required()
        .at_create(),
        text("EntityKeyPrefix", 3).read_only(),
        text("EntityType", 80).read_only(),
    ],
)
.shape(Shape::Plain)
.without(&["LastModifiedDate", "LastModifiedById"])
.refuses(&[Call::Update]);
