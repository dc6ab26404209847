//! Values to YAML text, for people and for the files of the configuration folder.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// Why a value could not be printed.
#[derive(Debug, thiserror::Error)]
#[error("the object cannot be written as YAML")]
pub struct EmitError(#[from] serde_saphyr::SerializeError);

/// Prints a value as YAML: `apiVersion`, `kind`, `metadata` and `spec` first, then by alphabet.
///
/// Strings that a YAML reader of whichever age could take for something else are quoted.
///
/// # Errors
/// [`EmitError`] when the value is nested too deeply.
pub fn to_yaml(value: &Value) -> Result<String, EmitError> {
    // Long text stays on one line: folded scalars are hard on `grep` and on diffs.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let mut text = serde_saphyr::to_string_with_options(&Ordered(value), options)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Prints several values as the documents of one stream.
///
/// # Errors
/// As [`to_yaml`].
pub fn to_yaml_stream<'a>(
    values: impl IntoIterator<Item = &'a Value>,
) -> Result<String, EmitError> {
    let documents: Result<Vec<String>, EmitError> = values.into_iter().map(to_yaml).collect();
    Ok(documents?.join("---\n"))
}

/// Members that come first, in this order.
const FIRST: &[&str] = &["apiVersion", "kind", "metadata", "spec"];

struct Ordered<'a>(&'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(members) => {
                let mut names: Vec<&String> = members.keys().collect();
                names.sort_by_key(|name| (rank(name), *name));
                let mut map = to.serialize_map(Some(members.len()))?;
                for name in names {
                    let value = members.get(name).unwrap_or(&Value::Null);
                    map.serialize_entry(name, &Ordered(value))?;
                }
                map.end()
            }
            Value::Array(elements) => to.collect_seq(elements.iter().map(Ordered)),
            other => other.serialize(to),
        }
    }
}

fn rank(name: &str) -> usize {
    FIRST
        .iter()
        .position(|first| *first == name)
        .unwrap_or(FIRST.len())
}

#[cfg(test)]
mod tests;
