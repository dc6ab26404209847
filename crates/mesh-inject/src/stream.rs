//! Streams of documents: workloads are rewritten, everything else stays byte for byte.

use mesh_api::decode::documents::{self, Document};
use mesh_model::diag::{Diagnostic, Severity};
use serde_json::Value;

use crate::object::{inject_object, uninject_object};
use crate::report::Report;
use crate::settings::Settings;
use crate::{codes, yaml};

/// A text to be rewritten.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The file's name, for messages.
    pub name: &'a str,
    /// Its content.
    pub text: &'a str,
    /// The namespace of objects that name none.
    pub namespace: &'a str,
}

/// What became of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The stream; of no use when something is an error.
    pub text: String,
    /// What became of each workload, in order.
    pub reports: Vec<Report>,
    /// Documents that could not be read.
    pub unreadable: Vec<Diagnostic>,
}

impl Rewritten {
    /// Everything that stops it.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        let reported = self.reports.iter().flat_map(Report::errors);
        self.unreadable.iter().chain(reported)
    }
}

/// Puts sidecars into the workloads of a stream.
#[must_use]
pub fn inject_stream(source: &Source<'_>, settings: &Settings) -> Rewritten {
    rewrite(source, &|object, origin| {
        inject_object(object, settings, source.namespace, origin)
    })
}

/// Takes sidecars out of the workloads of a stream.
#[must_use]
pub fn uninject_stream(source: &Source<'_>) -> Rewritten {
    rewrite(source, &|object, origin| {
        uninject_object(object, source.namespace, origin)
    })
}

type Change<'a> = &'a dyn Fn(&mut Value, &str) -> Option<Report>;

fn rewrite(source: &Source<'_>, change: Change<'_>) -> Rewritten {
    let mut rewritten = Rewritten {
        text: String::with_capacity(source.text.len() * 2),
        reports: Vec::new(),
        unreadable: Vec::new(),
    };
    let mut rest = source.text;
    for document in documents::split(source.text) {
        // What no document holds is between them: empty ones, comments.
        if let Some((between, after)) = rest.split_once(document.text) {
            rewritten.text.push_str(between);
            rest = after;
        }
        let name = source.name;
        match documents::parse(&document) {
            Ok(old) => {
                let origin = format!("{name} document {} line {}", document.number, document.line);
                let mut new = old.clone();
                rewritten.reports.extend(each(&mut new, &origin, change));
                push(&mut rewritten.text, &document, &old, &new);
            }
            Err(problem) => rewritten.unreadable.push(Diagnostic {
                code: codes::SYNTAX,
                severity: Severity::Error,
                at: None,
                origin: format!("{name} document {} line {}", document.number, problem.line).into(),
                field: String::new(),
                message: problem.message,
                hint: String::new(),
            }),
        }
    }
    rewritten.text.push_str(rest);
    rewritten
}

/// Changes an object, or each one of a List.
fn each(object: &mut Value, origin: &str, change: Change<'_>) -> Vec<Report> {
    let is_list = object["kind"] == "List" && object["apiVersion"] == "v1";
    if !is_list {
        return change(object, origin).into_iter().collect();
    }
    let items = object.get_mut("items").and_then(Value::as_array_mut);
    let items = items.into_iter().flatten();
    items.flat_map(|item| each(item, origin, change)).collect()
}

fn push(out: &mut String, document: &Document<'_>, old: &Value, new: &Value) {
    if old == new {
        out.push_str(document.text);
        return;
    }
    out.push_str(&yaml::rewrite(document, old, new));
    if !out.ends_with('\n') {
        out.push('\n');
    }
}

#[cfg(test)]
mod tests;
