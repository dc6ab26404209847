//! The `spec` of a `LocalApplication`, field by field: everything that is wrong is told at once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mesh_api::{Object, codes, described, nearest};
use mesh_model::diag::Diagnostic;
use serde_json::{Map, Value};

use super::{ImageRule, LocalApplication};

const TOP: &[&str] = &["apiVersion", "kind", "metadata", "spec"];
const SPEC: &[&str] = &["resources", "images", "open", "tryNext"];
const IMAGE: &[&str] = &["match", "command", "args", "env"];

/// Reads a `LocalApplication`.
///
/// # Errors
/// What is wrong with its fields.
pub(crate) fn read(object: &Object) -> Result<LocalApplication, Vec<Diagnostic>> {
    let mut reader = Reader {
        object,
        found: Vec::new(),
    };
    let spec = reader
        .map(Some(&object.value), "", TOP)
        .and_then(|top| reader.map(top.get("spec"), "spec", SPEC));
    let read = spec.map(|spec| reader.spec(spec)).unwrap_or_default();
    if reader.found.is_empty() {
        Ok(read)
    } else {
        Err(reader.found)
    }
}

struct Reader<'a> {
    object: &'a Object,
    found: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    fn spec(&mut self, spec: &'a Map<String, Value>) -> LocalApplication {
        let resources = self.texts(spec.get("resources"), "spec.resources");
        let images = self.list(spec.get("images"), "spec.images").iter();
        LocalApplication {
            resources: resources.into_iter().map(PathBuf::from).collect(),
            images: images
                .enumerate()
                .filter_map(|(index, image)| self.image(image, &format!("spec.images[{index}]")))
                .collect(),
            open: self.texts(spec.get("open"), "spec.open"),
            try_next: self.texts(spec.get("tryNext"), "spec.tryNext"),
        }
    }

    fn image(&mut self, image: &'a Value, place: &str) -> Option<ImageRule> {
        let fields = self.map(Some(image), place, IMAGE)?;
        let pattern = match fields.get("match") {
            None | Some(Value::Null) => {
                self.wrong(place, "has no field match", "match: \"*\" is any image");
                String::new()
            }
            Some(pattern) => self.text(pattern, &format!("{place}.match"))?,
        };
        let command_place = format!("{place}.command");
        let command = self.texts(fields.get("command"), &command_place);
        if command.first().is_none_or(String::is_empty) {
            self.wrong(&command_place, "names no program", "");
        }
        Some(ImageRule {
            pattern,
            command,
            args: self.texts(fields.get("args"), &format!("{place}.args")),
            env: self.environment(fields.get("env"), &format!("{place}.env")),
        })
    }

    fn environment(&mut self, value: Option<&'a Value>, place: &str) -> BTreeMap<String, String> {
        let members = match value {
            None | Some(Value::Null) => return BTreeMap::new(),
            Some(Value::Object(members)) => members,
            Some(other) => {
                self.unexpected(place, "a map of names and texts", other);
                return BTreeMap::new();
            }
        };
        let mut read = BTreeMap::new();
        for (name, value) in members {
            if let Some(text) = self.text(value, &format!("{place}.{name}")) {
                read.insert(name.clone(), text);
            }
        }
        read
    }

    fn texts(&mut self, value: Option<&'a Value>, place: &str) -> Vec<String> {
        let items = self.list(value, place).iter().enumerate();
        items
            .filter_map(|(index, item)| self.text(item, &format!("{place}[{index}]")))
            .collect()
    }

    fn list(&mut self, value: Option<&'a Value>, place: &str) -> &'a [Value] {
        match value {
            None | Some(Value::Null) => &[],
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.unexpected(place, "a list", other);
                &[]
            }
        }
    }

    fn text(&mut self, value: &Value, place: &str) -> Option<String> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => {
                let text = format!("expected text, found {}", described(value));
                self.wrong(place, &text, "write it in quotes");
                None
            }
            Value::Null | Value::Array(_) | Value::Object(_) => {
                self.unexpected(place, "text", value);
                None
            }
        }
    }

    /// The members of a map of which all names are known; nothing when it is absent.
    fn map(
        &mut self,
        value: Option<&'a Value>,
        place: &str,
        known: &[&str],
    ) -> Option<&'a Map<String, Value>> {
        let members = match value? {
            Value::Null => return None,
            Value::Object(members) => members,
            other => {
                self.unexpected(place, "a map", other);
                return None;
            }
        };
        let unknown = members
            .keys()
            .filter(|name| !known.contains(&name.as_str()));
        for name in unknown {
            let place = match place {
                "" => name.clone(),
                place => format!("{place}.{name}"),
            };
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("its fields are {}", known.join(", ")),
            };
            self.wrong(&place, "unknown field", &hint);
        }
        Some(members)
    }

    fn unexpected(&mut self, place: &str, expected: &str, found: &Value) {
        let text = format!("expected {expected}, found {}", described(found));
        self.wrong(place, &text, "");
    }

    fn wrong(&mut self, place: &str, text: &str, hint: &str) {
        let Object { key, origin, .. } = self.object;
        let found = Diagnostic::error(codes::SCHEMA, key, place, text).with_hint(hint);
        self.found.push(found.with_origin(origin.clone()));
    }
}

#[cfg(test)]
mod tests;
