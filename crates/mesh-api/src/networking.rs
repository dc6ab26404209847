//! Istio's traffic management: `networking.istio.io`.
//!
//! The structs hold what this version of mesh supports. What Istio knows beyond it stands in the
//! schema tables beside them and is refused by name.

pub mod destination_rule;
pub mod gateway;
pub mod locality;
pub mod string_match;
pub mod virtual_service;
