//! Sidecars into pods and out again: objects in; objects, JSON patches and reports out.
//!
//! Pure. `meshctl kube-inject` gives it streams of YAML, the webhook one pod; both get the same pod.
//! It works on plain JSON values, so that a field that nobody here knows passes through, and it
//! never adds what it could not take out again: [`uninject_stream`] undoes all of it.

mod annotations;
pub mod codes;
pub mod decide;
mod durations;
mod object;
pub mod patch;
mod pod;
mod problem;
mod quantity;
mod report;
pub mod selector;
pub mod settings;
mod stream;
mod undo;
mod workload;
mod yaml;

pub use object::{Admitted, Explained, admit, explain_object, inject_object, uninject_object};
pub use report::{Outcome, Report};
pub use settings::Settings;
pub use stream::{Rewritten, Source, inject_stream, uninject_stream};
