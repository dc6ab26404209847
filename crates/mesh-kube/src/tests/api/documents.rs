//! Single objects that are read, created, replaced and patched: leases and statuses.

use std::collections::BTreeMap;

use http::{Method, Uri};
use serde_json::{Value, json};

/// Objects by their paths, and what was done to them.
#[derive(Default)]
pub(super) struct Documents {
    version: u64,
    objects: BTreeMap<String, Value>,
    /// Paths with queries, and bodies, of all patches.
    pub(super) patches: Vec<(String, Value)>,
}

impl Documents {
    /// Answers a request with a status and a body. Of two that replace what they have read, the
    /// second is refused.
    pub(super) fn answer(&mut self, method: &Method, uri: &Uri, body: &[u8]) -> (u16, String) {
        let path = uri.path();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        match *method {
            Method::GET => match self.objects.get(path) {
                Some(object) => (200, object.to_string()),
                None => (404, String::new()),
            },
            Method::POST => {
                let name = body["metadata"]["name"].as_str().unwrap();
                let path = format!("{path}/{name}");
                match self.objects.contains_key(&path) {
                    true => (409, String::new()),
                    false => self.keep(path, body),
                }
            }
            Method::PUT => {
                let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
                match self.objects.get(path) {
                    Some(kept) if version(kept) == version(&body) => {
                        self.keep(path.to_owned(), body)
                    }
                    Some(_) => (409, String::new()),
                    None => (404, String::new()),
                }
            }
            _ => {
                self.patches.push((uri.to_string(), body.clone()));
                (200, body.to_string())
            }
        }
    }

    fn keep(&mut self, path: String, mut object: Value) -> (u16, String) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let text = object.to_string();
        self.objects.insert(path, object);
        (200, text)
    }
}
