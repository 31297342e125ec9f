//! Whether a remote can do what the options of a stream ask for.

use crate::config::StreamOptions;
use crate::config::stream::Mode;
use crate::connector::contract::Capabilities;
use crate::connector::shape::Shape;
use crate::error::Error;

/// Refuses relations that a shape would send elsewhere: the id that stands in the record would go out
/// as the remote's, and name a stranger.
///
/// # Errors
/// Exit code 2, naming the field.
pub(super) fn can_relate(
    stream: &str,
    options: &StreamOptions,
    shape: Option<&dyn Shape>,
) -> Result<(), Error> {
    let Some(shape) = shape else { return Ok(()) };
    let Some(relation) = options.relations.iter().find(|one| !shape.goes_out(&one.field)) else {
        return Ok(());
    };
    let field = &relation.field;
    let what = format!(
        "`relations` of stream `{stream}` cannot be carried out: `{field}` does not go out as it is"
    );
    Err(Error::usage(what).hint(
        "take the relation out, and give the remote's id in the record; or send the stream in the \
         remote's own form",
    ))
}

/// Refuses options that the remote cannot carry out, before the stream's first record.
///
/// # Errors
/// Exit code 2, naming the key and what the remote lacks.
pub(super) fn can_do(
    stream: &str,
    options: &StreamOptions,
    capabilities: &Capabilities,
) -> Result<(), Error> {
    let refused = |key: &str, why: &str, hint: &str| {
        let what = format!("`{key}` of stream `{stream}` cannot be carried out: {why}");
        Err(Error::usage(what).hint(hint.to_owned()))
    };
    if capabilities.in_order && !options.relations.is_empty() {
        let why = "records go out in the order of the input, and a relation makes some wait";
        return refused(
            "relations",
            why,
            "set `enforce_order` to false, or take the relations out",
        );
    }
    let by_fields = !options.lookup_names().is_empty();
    if by_fields && capabilities.find.is_none() {
        let why = "the remote cannot find records by a property";
        return refused("lookup_fields", why, "a manifest says how with `find`");
    }
    let by_id_alone = capabilities.upsert.is_some()
        && capabilities.update.is_none()
        && !capabilities.creates_again;
    if by_fields && by_id_alone && options.mode == Mode::Upsert {
        let why = "the remote writes by external id alone, and would make a second record beside \
                   the one that is found";
        let hint = "a manifest says with `update` how a record is changed whose remote id is known; \
                    or take `lookup_fields` out";
        return refused("lookup_fields", why, hint);
    }
    if options.only_empty() {
        let key = "only_upsert_empty_fields";
        if capabilities.read.is_none() {
            let why = "the remote cannot read records";
            return refused(key, why, "a manifest says how with `read`");
        }
        if capabilities.upsert.is_some() && capabilities.lookup.is_none() && !by_fields {
            let why = "a native upsert does not tell what was there before";
            let hint = "a manifest says with `lookup` or `find` how records are found first";
            return refused(key, why, hint);
        }
    }
    Ok(())
}
