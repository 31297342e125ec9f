//! The room against remotes of one answer.
