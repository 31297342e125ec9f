//! Users, and what they are permitted.

use super::super::catalog::Kind::{Bool, Email, Named, Picklist, Reference};
use super::super::catalog::{Key, Object, Shape, field, object};
use super::{flag, text};

pub(in super::super) const USER: Object = object(
    "User",
    "User",
    "Users",
    "005",
    &[
        text("Username", 80).required().key(Key::Lookup),
        text("LastName", 80).required(),
        text("FirstName", 40),
        text("Name", 121).read_only(),
        field("Email", Email).required().key(Key::Lookup),
        text("Alias", 8).required(),
        flag("IsActive"),
    ],
)
.shape(Shape::Plain)
.without(&["IsDeleted"]);

pub(in super::super) const PERMISSION_SET: Object = object(
    "PermissionSet",
    "Permission Set",
    "Permission Sets",
    "0PS",
    &[
        text("Name", 80).required(),
        text("Label", 80).required(),
        text("Description", 255),
        // Each profile has such a set; its own name says nothing.
        field("IsOwnedByProfile", Bool).read_only().or("false"),
        field("IsCustom", Bool).read_only().or("true"),
        field("Type", Picklist(&["Regular", "Profile", "Session", "Group"], true))
            .read_only()
            .or("\"Regular\""),
    ],
)
.shape(Shape::Plain)
.without(&["IsDeleted"]);

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_fieldpermissions.htm>
pub(in super::super) const FIELD_PERMISSIONS: Object = object(
    "FieldPermissions",
    "Field Permissions",
    "Field Permissions",
    "01k",
    &[
        field("ParentId", Reference(&["PermissionSet"])).required().at_create(),
        field("SobjectType", Named(40)).required().at_create(),
        field("Field", Named(240)).required().at_create(),
        flag("PermissionsEdit"),
        flag("PermissionsRead"),
    ],
)
.shape(Shape::Plain)
.without(&["IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById"]);
