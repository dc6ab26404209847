//! Text to objects: YAML with several documents, or JSON.
//!
//! A document that cannot be read is a diagnostic with its file, number and line; its neighbours
//! are decoded all the same. Nothing below `kind` and `metadata.name` is looked at here.

use mesh_model::Str;
use mesh_model::diag::{Diagnostic, Severity};
use mesh_model::name::ResourceKey;
use serde_json::Value;

use crate::kinds::{self, Content, Kind};
use crate::meta::{self, Object};
use crate::schema::{described, spelling};
use crate::{codes, validate};

pub mod documents;
mod lines;

pub use lines::line_of;

/// The namespace of objects that name none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Decodes the text of a file; objects that name no namespace are in `default`.
#[must_use]
pub fn objects(file: &str, text: &str) -> (Vec<Object>, Vec<Diagnostic>) {
    objects_in(file, text, DEFAULT_NAMESPACE)
}

/// Decodes the text of a file; objects that name no namespace are in `namespace`.
///
/// `file` is only printed. Returns what is usable, in order, and what is wrong with the rest.
#[must_use]
pub fn objects_in(file: &str, text: &str, namespace: &str) -> (Vec<Object>, Vec<Diagnostic>) {
    let mut decoder = Decoder {
        namespace,
        objects: Vec::new(),
        found: Vec::new(),
    };
    for document in documents::split(text) {
        let origin: Str =
            format!("{file} document {} line {}", document.number, document.line).into();
        match documents::parse(&document) {
            // A document of comments alone.
            Ok(Value::Null) => {}
            Ok(value) => decoder.document(value, &origin),
            Err(problem) => {
                let origin = format!("{file} document {} line {}", document.number, problem.line);
                decoder.unreadable(&origin.into(), problem.message);
            }
        }
    }
    (decoder.objects, decoder.found)
}

/// Decodes one object that is a value already, as the API server tells of it; when it names no
/// namespace it is in `namespace`, and `origin` is only printed.
///
/// # Errors
/// What is wrong with it.
pub fn object_in(value: Value, namespace: &str, origin: &str) -> Result<Object, Vec<Diagnostic>> {
    let mut decoder = Decoder {
        namespace,
        objects: Vec::new(),
        found: Vec::new(),
    };
    decoder.object(value, &origin.into());
    decoder.objects.pop().ok_or(decoder.found)
}

/// Reads one object that is decoded already, as an API server has it.
#[must_use]
pub fn object(value: Value, origin: &Str) -> (Option<Object>, Vec<Diagnostic>) {
    let mut decoder = Decoder {
        namespace: DEFAULT_NAMESPACE,
        objects: Vec::new(),
        found: Vec::new(),
    };
    decoder.object(value, origin);
    (decoder.objects.pop(), decoder.found)
}

struct Decoder<'a> {
    namespace: &'a str,
    objects: Vec<Object>,
    found: Vec<Diagnostic>,
}

impl Decoder<'_> {
    fn document(&mut self, value: Value, origin: &Str) {
        let is_list = text_of(&value, "kind") == Some("List");
        match value {
            Value::Object(mut members) if is_list => match members.remove("items") {
                Some(Value::Array(items)) => {
                    for item in items {
                        self.object(item, origin);
                    }
                }
                None | Some(Value::Null) => {}
                Some(other) => {
                    let text = format!("expected a list of objects, found {}", described(&other));
                    self.problem(codes::SYNTAX, None, origin, "items", text, "");
                }
            },
            other => self.object(other, origin),
        }
    }

    fn object(&mut self, mut value: Value, origin: &Str) {
        if !value.is_object() {
            let text = format!("expected an object, found {}", described(&value));
            return self.unreadable(origin, text);
        }
        let Some((api_version, kind)) = self.kind_of(&value, origin) else {
            return;
        };
        let Some(key) = self.key_of(&value, kind, origin) else {
            return;
        };
        if !kind.namespaced {
            remove_namespace(&mut value);
        } else if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            let namespace = Value::String(key.namespace.as_str().to_owned());
            meta.insert("namespace".to_owned(), namespace);
        }
        if !self.version_fits(&api_version, kind, &key, origin) {
            return;
        }
        self.objects.push(Object {
            api_version: api_version.into(),
            kind,
            meta: value.get("metadata").map(meta::read).unwrap_or_default(),
            key,
            value,
            origin: origin.clone(),
        });
    }

    fn kind_of(&mut self, value: &Value, origin: &Str) -> Option<(String, &'static Kind)> {
        let api_version = self.required(value, "apiVersion", origin)?;
        let written = self.required(value, "kind", origin)?;
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        // Istio 1.1's samples write these so; Kubernetes moved them in 1.16 and 1.14.
        let group = match (group, written.as_str()) {
            ("extensions", "Ingress") => "networking.k8s.io",
            ("extensions", _) => "apps",
            (group, _) => group,
        };
        let known = kinds::find(group, &written);
        if known.is_none() {
            let text = format!("unknown kind {written:?} of apiVersion {api_version:?}");
            let hint = kind_hint(group, &written);
            self.problem(codes::UNKNOWN_KIND, None, origin, "kind", text, hint);
        }
        known.map(|kind| (api_version, kind))
    }

    fn version_fits(
        &mut self,
        api_version: &str,
        kind: &Kind,
        key: &ResourceKey,
        origin: &Str,
    ) -> bool {
        if kind.content == Content::Later {
            let text = format!(
                "{} is known to Istio but not supported by this version of mesh",
                kind.kind
            );
            self.problem(codes::UNSUPPORTED, Some(key), origin, "kind", text, "");
            return false;
        }
        let version = api_version.rsplit('/').next().unwrap_or_default();
        let fits = kind.versions.contains(&version);
        if !fits {
            let text = format!("{} has no version {version:?}", kind.kind);
            let hint = format!("its versions are {}", kind.versions.join(", "));
            self.problem(
                codes::UNKNOWN_KIND,
                Some(key),
                origin,
                "apiVersion",
                text,
                hint,
            );
        }
        fits
    }

    fn key_of(&mut self, value: &Value, kind: &Kind, origin: &Str) -> Option<ResourceKey> {
        let empty = Value::Null;
        let meta = value.get("metadata").unwrap_or(&empty);
        let name = self.name_of(meta, origin)?;
        let namespace = match meta.get("namespace") {
            _ if !kind.namespaced => "",
            None | Some(Value::Null) => self.namespace,
            Some(Value::String(written)) if written.is_empty() => self.namespace,
            Some(Value::String(written)) => written,
            Some(other) => {
                self.not_a_name("metadata.namespace", other, origin);
                return None;
            }
        };
        let key = ResourceKey {
            group: kind.group.into(),
            kind: kind.kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        };
        // Names become parts of file names and of host names: they are held to Kubernetes' rules
        // before anything else sees them.
        let wrong = [
            ("metadata.name", validate::names::object_name(name)),
            ("metadata.namespace", validate::names::namespace(namespace)),
        ];
        let mut fits = true;
        for (field, problem) in wrong {
            if let Err(text) = problem {
                self.problem(codes::SCHEMA, Some(&key), origin, field, text, "");
                fits = false;
            }
        }
        fits.then_some(key)
    }

    fn name_of<'a>(&mut self, meta: &'a Value, origin: &Str) -> Option<&'a str> {
        match meta.get("name") {
            Some(Value::String(name)) if !name.is_empty() => return Some(name),
            None | Some(Value::Null | Value::String(_)) => {
                let text = "is missing".to_owned();
                self.problem(codes::SCHEMA, None, origin, "metadata.name", text, "");
            }
            Some(other) => self.not_a_name("metadata.name", other, origin),
        }
        None
    }

    /// YAML takes `y`, `on` or `1` for something else than text, which surprises in names.
    fn not_a_name(&mut self, field: &str, value: &Value, origin: &Str) {
        let text = format!("expected a name, found {}", described(value));
        let hint = "write the name in quotes";
        self.problem(codes::SCHEMA, None, origin, field, text, hint);
    }

    fn required(&mut self, value: &Value, field: &str, origin: &Str) -> Option<String> {
        let text = match value.get(field) {
            Some(Value::String(text)) if !text.is_empty() => return Some(text.clone()),
            None | Some(Value::Null) => "is missing".to_owned(),
            Some(other) => format!("expected a string, found {}", described(other)),
        };
        self.problem(codes::SYNTAX, None, origin, field, text, "");
        None
    }

    fn unreadable(&mut self, origin: &Str, text: String) {
        self.problem(codes::SYNTAX, None, origin, "", text, "");
    }

    fn problem(
        &mut self,
        code: &'static str,
        at: Option<&ResourceKey>,
        origin: &Str,
        field: &str,
        message: String,
        hint: impl Into<String>,
    ) {
        self.found.push(Diagnostic {
            code,
            severity: Severity::Error,
            at: at.cloned(),
            origin: origin.clone(),
            field: field.to_owned(),
            message,
            hint: hint.into(),
        });
    }
}

fn text_of<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

fn remove_namespace(value: &mut Value) {
    if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("namespace");
    }
}

/// What may have been meant: the same kind in another group, or the nearest name.
fn kind_hint(group: &str, written: &str) -> String {
    let elsewhere = kinds::all().iter().find(|kind| kind.kind == written);
    if let Some(kind) = elsewhere {
        return format!("{written} is of apiVersion {}", kind.api_version());
    }
    let within = kinds::all().iter().filter(|kind| kind.group == group);
    let nearest = spelling::nearest(written, within.map(|kind| kind.kind))
        .or_else(|| spelling::nearest(written, kinds::all().iter().map(|kind| kind.kind)));
    nearest.map_or_else(String::new, |name| format!("did you mean {name}?"))
}

#[cfg(test)]
mod tests;
