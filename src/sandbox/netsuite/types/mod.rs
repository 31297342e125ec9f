//! The types of records that the account has, and the records that are there from the start.
//!
//! - [`entities`], [`items`], [`transactions`], [`lists`]: the types by their kin.
//! - [`seed`]: records that an account is set up with before anybody integrates anything.

mod entities;
mod items;
mod lists;
pub(super) mod seed;
mod transactions;

use super::catalog::Type;

pub(super) use self::entities::ADDRESS;

/// All types.
pub(super) fn all() -> impl Iterator<Item = &'static Type> {
    [lists::TYPES, entities::TYPES, items::TYPES, transactions::TYPES].into_iter().flatten()
}
