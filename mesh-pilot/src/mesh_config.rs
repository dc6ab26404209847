//! What of Istio's mesh configuration (`--mesh-config-file`) is pilot's to follow: the access log.
//!
//! The rest of what is followed is the injector's, which reads the file whenever a pod asks.

use std::path::{Path, PathBuf};

use mesh_api::decode::documents;
use mesh_model::header_format::{self, ISTIO_LINE};
use serde_json::{Map, Value};

use crate::snapshot::logging::{AccessLogging, JSON, LogFormat};

/// A mesh configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {field}: {why}", file.display())]
pub struct BadMeshConfig {
    /// The file.
    pub file: PathBuf,
    /// The field, or the line.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

/// A field, and what is wrong with it.
type Wrong = (String, String);

/// The access log that a file asks for.
///
/// # Errors
/// [`BadMeshConfig`] when the file cannot be read, or names the field that cannot be used.
pub fn read(file: &Path) -> Result<Option<AccessLogging>, BadMeshConfig> {
    let bad = |(field, why): Wrong| BadMeshConfig {
        file: file.to_owned(),
        field,
        why,
    };
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| bad(("the file".to_owned(), error.to_string())))?;
    access_logging(&text).map_err(bad)
}

/// istio: an empty `accessLogFile` is none.
fn access_logging(text: &str) -> Result<Option<AccessLogging>, Wrong> {
    let documents = documents::split(text);
    let Some(document) = documents.first() else {
        return Ok(None);
    };
    let value = documents::parse(document)
        .map_err(|problem| (format!("line {}", problem.line), problem.message))?;
    let field = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err((name.to_owned(), "expected text".to_owned())),
    };
    let (file, encoding) = (field("accessLogFile")?, field("accessLogEncoding")?);
    let custom = field("accessLogFormat")?;
    let wrong = |why: String| ("accessLogFormat".to_owned(), why);
    let format = match encoding {
        "" | "TEXT" => text_format(custom).map_err(wrong)?,
        "JSON" => json_format(custom).map_err(wrong)?,
        other => {
            let why = format!("{other:?} is no encoding; there are TEXT and JSON");
            return Err(("accessLogEncoding".to_owned(), why));
        }
    };
    Ok((!file.is_empty()).then(|| AccessLogging {
        file: file.into(),
        format,
    }))
}

/// istio: a line that does not end is ended.
fn text_format(custom: &str) -> Result<LogFormat, String> {
    check(custom)?;
    Ok(LogFormat::Text(match custom {
        "" => ISTIO_LINE.into(),
        ended if ended.ends_with('\n') => ended.into(),
        open => format!("{open}\n").into(),
    }))
}

fn json_format(custom: &str) -> Result<LogFormat, String> {
    if custom.is_empty() {
        let members = JSON.map(|(name, text)| (name.to_owned(), text.into()));
        return Ok(LogFormat::Json(Map::from_iter(members)));
    }
    let object: Map<String, Value> = serde_json::from_str(custom)
        .map_err(|error| format!("is no object of JSON, which the encoding asks for: {error}"))?;
    object
        .iter()
        .try_for_each(|(name, value)| check_member(name, value))?;
    Ok(LogFormat::Json(object))
}

fn check_member(path: &str, value: &Value) -> Result<(), String> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) => check(text).map_err(|why| format!("{path}: {why}")),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| check_member(&format!("{path}[{index}]"), item)),
        Value::Object(members) => members
            .iter()
            .try_for_each(|(name, member)| check_member(&format!("{path}.{name}"), member)),
    }
}

/// Proxies refuse a whole listener for one operator that they cannot fill in.
fn check(text: &str) -> Result<(), String> {
    header_format::pieces(text)
        .map(|_| ())
        .map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests;
