//! The path of a request: stages that decide, and the one place that knows their order.

pub mod failure;
