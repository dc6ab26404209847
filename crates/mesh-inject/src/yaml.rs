//! Changes of a value carried into the text that it was read from.
//!
//! What did not change stays as it is written, byte for byte, with its comments, its order and its
//! quotes; what is new is written beside it. People read the difference.

use mesh_api::decode::documents::{self, Document};
use serde_json::Value;

use crate::patch::{Step, align};

mod edit;
mod node;
mod write;

/// The document's text with `old`, which it says, become `new`.
pub(crate) fn rewrite(document: &Document<'_>, old: &Value, new: &Value) -> String {
    let text = document.text;
    // JSON stays JSON: whoever writes it reads it.
    if text.trim_start().starts_with('{') && serde_json::from_str::<Value>(text).is_ok() {
        return format!("{new:#}\n");
    }
    edited(document, old, new).unwrap_or_else(|| anew(text, new))
}

/// The text edited, if what stays of it is laid out as is thought: the edit must be read as meant.
///
/// It is the outline that is read: what is new is ours, several times as long, and the larger part
/// of the work.
fn edited(document: &Document<'_>, old: &Value, new: &Value) -> Option<String> {
    let root = node::read(document)?;
    let outline = outline(old, new);
    let tried = edit::edit(document.text, &root, old, &outline)?;
    says(&tried, &outline)
        .then(|| edit::edit(document.text, &root, old, new))
        .flatten()
}

/// The new value with a word in the place of everything that is not in the old one.
fn outline(old: &Value, new: &Value) -> Value {
    const ADDED: &str = "added by mesh-inject";
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let members = new.iter().map(|(name, value)| {
                let value = match old.get(name) {
                    Some(before) => outline(before, value),
                    None => ADDED.into(),
                };
                (name.clone(), value)
            });
            Value::Object(members.collect())
        }
        (Value::Array(old), Value::Array(new)) => {
            let items = align(old, new).into_iter().filter_map(|step| match step {
                Step::Keep(before, after) => Some(outline(before, after)),
                Step::Remove => None,
                Step::Add(_) => Some(ADDED.into()),
            });
            items.collect()
        }
        _ => new.clone(),
    }
}

fn says(text: &str, value: &Value) -> bool {
    let documents = documents::split(text);
    let [document] = documents.as_slice() else {
        return false;
    };
    documents::parse(document).is_ok_and(|said| said == *value)
}

/// The whole document, after the lines before its content.
fn anew(text: &str, value: &Value) -> String {
    let head: String = text
        .split_inclusive('\n')
        .take_while(|line| {
            let line = line.trim();
            line.is_empty() || line == "---" || line.starts_with('#')
        })
        .collect();
    // A document that begins on the line of its mark.
    let mark = if text.starts_with("---") && head.is_empty() {
        "---\n"
    } else {
        ""
    };
    let mut written = format!("{mark}{head}");
    write::block(&mut written, value, 0);
    written
}

#[cfg(test)]
mod tests;
