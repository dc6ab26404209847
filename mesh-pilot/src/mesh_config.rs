//! What of Istio's mesh configuration (`--mesh-config-file`) is pilot's to follow: the access log, and what localities
//! have to do with the choice of endpoints.
//!
//! The rest of what is followed is the injector's, which reads the file whenever a pod asks.

use std::path::{Path, PathBuf};

use mesh_api::decode::documents;
use mesh_api::networking::locality::LocalityLb;
use mesh_api::validate::locality::of_mesh;
use mesh_model::Str;
use mesh_model::header_format::{self, ISTIO_LINE};
use mesh_model::name::ResourceKey;
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

/// What is followed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeshConfig {
    /// The access log of every proxy, if there is one.
    pub access_log: Option<AccessLogging>,
    /// Localities, where no DestinationRule speaks of them.
    pub locality: LocalityLb,
}

/// What a file says.
///
/// # Errors
/// [`BadMeshConfig`] when the file cannot be read, or names the field that cannot be used.
pub fn read(file: &Path) -> Result<MeshConfig, BadMeshConfig> {
    let bad = |(field, why): Wrong| BadMeshConfig {
        file: file.to_owned(),
        field,
        why,
    };
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| bad(("the file".to_owned(), error.to_string())))?;
    parse(&text).map_err(bad)
}

fn parse(text: &str) -> Result<MeshConfig, Wrong> {
    let documents = documents::split(text);
    let Some(document) = documents.first() else {
        return Ok(MeshConfig::default());
    };
    let value = documents::parse(document)
        .map_err(|problem| (format!("line {}", problem.line), problem.message))?;
    Ok(MeshConfig {
        access_log: access_logging(&value)?,
        locality: locality(&value)?,
    })
}

fn locality(value: &Value) -> Result<LocalityLb, Wrong> {
    let key = ResourceKey {
        group: Str::default(),
        kind: "MeshConfig".into(),
        namespace: Str::default(),
        name: Str::default(),
    };
    match value.get("localityLbSetting") {
        None | Some(Value::Null) => Ok(LocalityLb::default()),
        Some(written) => of_mesh(written, &key).map_err(|found| {
            let first = found.into_iter().next();
            first.map_or_else(Wrong::default, |first| (first.field, first.message))
        }),
    }
}

/// istio: an empty `accessLogFile` is none.
fn access_logging(value: &Value) -> Result<Option<AccessLogging>, Wrong> {
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
