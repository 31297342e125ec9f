//! Who may see and change a field: one record for each set of permissions and field.

use serde_json::Value;

use super::super::catalog::Object;
use super::super::made::Made;
use super::super::problem::Problem;
use super::super::rules::{self, Of};
use super::super::state::Values;
use super::super::{describe, held, org};
use crate::sandbox::world::World;

/// # Errors
/// There is no such field, nobody is to be permitted it, or there is such a record.
pub(super) fn judge(
    world: &mut World,
    object: &'static Object,
    of: Of,
    given: &Values,
) -> Result<(), Problem> {
    let before = match of {
        Of::New => Values::new(),
        Of::Held(number) => held::get(world, object, number).unwrap_or_default(),
    };
    let value = |name: &str| given.get(name).or_else(|| before.get(name));
    let is = |name: &str| value(name).and_then(Value::as_bool).unwrap_or_default();
    if is("PermissionsEdit") && !is("PermissionsRead") {
        let message = "Field permissions to edit depend on those to read";
        return Err(Problem::of("FIELD_INTEGRITY_EXCEPTION", &["PermissionsEdit"], message));
    }
    if of != Of::New {
        return Ok(());
    }
    if !is("PermissionsRead") {
        let message = "A record of field permissions must permit something";
        return Err(Problem::of("FIELD_INTEGRITY_EXCEPTION", &["PermissionsRead"], message));
    }
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
    let wrong = |field: &str, label: &str, value: &str| {
        let code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
        let message = format!("{label}: bad value for restricted picklist field: {value}");
        Err(Problem::of(code, &[field], message))
    };
    let Some(of) = Object::find(text("SobjectType")) else {
        return wrong("SobjectType", "SObject Type Name", text("SobjectType"));
    };
    let is_known = text("Field").split_once('.').is_some_and(|(name, field)| {
        let is_made = |made: &Made| {
            made.objects().any(|object| object == of.name)
                && made.name().eq_ignore_ascii_case(field)
                && !made.is_required()
        };
        name.eq_ignore_ascii_case(of.name)
            && (of.field(field).is_some_and(describe::is_permissionable)
                || org::made(&world.memory).iter().any(is_made))
    });
    if !is_known {
        return wrong("Field", "Field Name", text("Field"));
    }
    if super::has_all(world, object, given, &["ParentId", "Field"]) {
        return Err(super::unknown_twin());
    }
    Ok(())
}

/// A record that permits nothing is not kept; the user sees what the others permit.
pub(super) fn follow(world: &mut World, object: &'static Object, number: u64) {
    let held = held::get(world, object, number).unwrap_or_default();
    if held.get("PermissionsRead") == Some(&false.into()) {
        rules::remove(world, object, number);
    }
    org::recall(world);
}
