//! `cargo xtask charts`: writes which values the chart mesh knows.
//!
//! Helm refuses what values.schema.json refuses before any template runs, and without a hint. So the
//! schema says what values look like, and a template refuses names that it does not have; it reads
//! them from a file that is made here.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// Writes the names.
pub(crate) fn run(root: &Path) -> Result<()> {
    let file = names_file(root);
    std::fs::write(&file, wanted(root)?).with_context(|| file.display().to_string())
}

fn names_file(root: &Path) -> PathBuf {
    root.join("charts/mesh/files/names.json")
}

/// What the file must hold.
fn wanted(root: &Path) -> Result<String> {
    let file = root.join("charts/mesh/values.schema.json");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let schema: Value = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
    let names = names(&schema, &schema).context("the schema has no properties")?;
    Ok(format!("{names:#}\n"))
}

/// The names below a schema as a tree; nothing where any name may stand. `*` is a name of the user's
/// own choice.
fn names(part: &Value, whole: &Value) -> Option<Value> {
    let part = resolved(part, whole)?;
    let properties = part.get("properties")?.as_object()?;
    let below = |schema| names(schema, whole).unwrap_or(Value::Null);
    let mut tree: Map<String, Value> = properties
        .iter()
        .map(|(name, schema)| (name.clone(), below(schema)))
        .collect();
    let others = part.get("additionalProperties");
    if let Some(others) = others.filter(|others| others.is_object()) {
        tree.insert("*".to_owned(), below(others));
    }
    Some(Value::Object(tree))
}

fn resolved<'a>(part: &'a Value, whole: &'a Value) -> Option<&'a Value> {
    match part.get("$ref").and_then(Value::as_str) {
        Some(path) => whole.pointer(path.strip_prefix('#')?),
        None => Some(part),
    }
}

#[cfg(test)]
mod tests;
