//! Work that several threads do together.

pub(crate) mod chunks;
pub(crate) mod halves;
mod handover;
pub(crate) mod join;
mod sync;
