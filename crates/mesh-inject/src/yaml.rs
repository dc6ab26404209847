//! Changes of a value carried into the text that it was read from.
//!
//! What did not change stays as it is written, byte for byte, with its comments, its order and its
//! quotes; what is new is written beside it. People read the difference.

use mesh_api::decode::documents::{self, Document};
use serde_json::Value;

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
    let edited = node::read(document).and_then(|root| edit::edit(text, &root, old, new));
    // The text is what counts: it must say the new value, or it is written anew.
    match edited {
        Some(edited) if says(&edited, new) => edited,
        _ => anew(text, new),
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
