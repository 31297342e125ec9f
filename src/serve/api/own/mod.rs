//! Our own routes, under `/api/v1`: plain names for the same.

pub(super) mod check;
pub(super) mod jobs;
pub(super) mod records;
pub(super) mod results;
pub(super) mod taps;
pub(super) mod tenants;
pub(super) mod webhooks;
