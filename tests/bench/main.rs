//! Measures a running mesh.
fn main() {}
