//! Words that every part of mesh uses: names, identities, addresses, services, time, diagnostics.
//!
//! Pure: no I/O, no clock, no serialisation. A type is here when two crates must mean the same
//! thing by it; formats of the outside world belong to the crate that reads them.

pub mod diag;
pub mod header_format;
pub mod heap;
pub mod ident;
pub mod labels;
pub mod name;
pub mod net;
pub mod service;
pub mod shared_str;
pub mod time;

pub use shared_str::Str;
