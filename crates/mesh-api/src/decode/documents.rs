//! A YAML stream cut into its documents, and one document parsed.
//!
//! Each document is parsed on its own, so that a broken one does not hide the others. YAML forbids
//! a line that starts with `---` inside any scalar, so cutting by lines is exact.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Error, NonFiniteFloatPolicy, Options};

/// Deep enough for any resource, shallow enough for the stack.
const MAX_DEPTH: usize = 64;
/// Nodes in one document: some thousands of large resources in a List.
const MAX_NODES: usize = 2_000_000;

/// One document of a stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// Counted from 1; empty ones do not count.
    pub number: usize,
    /// Line of the file, from 1, on which its content starts.
    pub line: usize,
    /// Line of the file, from 1, on which `text` starts.
    pub first_line: usize,
    /// Its text, the line that starts it included.
    pub text: &'a str,
}

/// Why a document could not be parsed.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// Cuts at the lines that start a document; documents without content are left out.
#[must_use]
pub fn split(text: &str) -> Vec<Document<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    let (mut start, mut first_line) = (0, 1);
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if at > start && starts_document(line) {
            push(&mut found, text.get(start..at), first_line);
            (start, first_line) = (at, index + 1);
        }
        at += line.len();
    }
    push(&mut found, text.get(start..), first_line);
    found
}

fn push<'a>(found: &mut Vec<Document<'a>>, text: Option<&'a str>, first_line: usize) {
    let Some(text) = text else { return };
    let content = text.lines().position(has_content);
    if let Some(offset) = content {
        found.push(Document {
            number: found.len() + 1,
            line: first_line + offset,
            first_line,
            text,
        });
    }
}

fn starts_document(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn has_content(line: &str) -> bool {
    let line = line.strip_prefix("---").unwrap_or(line).trim();
    !line.is_empty() && !line.starts_with(['#', '%']) && line != "..."
}

/// Parses one document as Kubernetes would: `yes` is a string's enemy, `0644` is octal.
///
/// # Errors
/// [`Problem`] with the line at which reading ended.
pub fn parse(document: &Document<'_>) -> Result<Value, Problem> {
    document.parse_as().map_err(|error| {
        let line = error
            .location()
            .and_then(|location| usize::try_from(location.line()).ok())
            .filter(|line| *line > 0)
            .map_or(document.line, |line| document.first_line + line - 1);
        let error = error.without_snippet();
        Problem {
            line,
            message: own_words(error).unwrap_or_else(|| without_position(&error.to_string())),
        }
    })
}

impl Document<'_> {
    /// Parses it into another type, by the same rules.
    ///
    /// # Errors
    /// Those of the parser, whose lines count from the document's first.
    pub fn parse_as<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_saphyr::from_str_with_options(self.text, options())
    }
}

/// What the parser says in terms of its own options and types, in terms of the text.
fn own_words(error: &Error) -> Option<String> {
    let text = match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {key:?} is there twice in one mapping")
        }
        Error::DuplicateMappingKey { key: None, .. } => {
            "a key is there twice in one mapping".to_owned()
        }
        Error::NonFiniteFloat { value, .. } => {
            format!("{value} is no number that can be used; write text in quotes")
        }
        Error::Budget { breach, .. } => too_much(breach),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "aliases (*name) are used too often; write the content out".to_owned()
        }
        Error::UnknownAnchor { .. } => {
            "an alias (*name) has no anchor (&name) before it; write text in quotes".to_owned()
        }
        Error::InvalidBinaryBase64 { .. } | Error::BinaryNotUtf8 { .. } => {
            "!!binary: this is no text in base64".to_owned()
        }
        Error::Unexpected {
            expected: "string scalar",
            ..
        } => "a mapping or list stands where a key should be".to_owned(),
        _ => return None,
    };
    Some(text)
}

fn too_much(breach: &BudgetBreach) -> String {
    match breach {
        BudgetBreach::Depth { .. } => format!("nested more than {MAX_DEPTH} levels deep"),
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
            format!("more than {MAX_NODES} values in one document; split it")
        }
        BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. } => {
            "too many anchors and aliases (&name, *name); write the content out".to_owned()
        }
        _ => "the document is too large; split it".to_owned(),
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: MAX_NODES * 2,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

/// The parser's own position counts from the document's start and would contradict ours.
fn without_position(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let position = [" at line ", "error: line "]
        .iter()
        .find_map(|marker| line.find(marker));
    match position.and_then(|at| line.get(..at)) {
        Some(head) if !head.is_empty() => head.to_owned(),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests;
