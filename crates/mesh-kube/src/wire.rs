//! The API server's JSON: pages of a list, lines of a watch.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::fault::Fault;
use crate::keep::Keep;

/// A part of a list.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Page {
    /// The version of the list, from which a watch goes on.
    pub(crate) version: String,
    /// What to ask for the next part with; `None` when this is the last.
    pub(crate) token: Option<String>,
    /// Its objects, as far as they are kept.
    pub(crate) items: Vec<Value>,
}

/// A line of a watch.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    /// An object came or changed.
    Applied(Value),
    /// An object is gone.
    Deleted(Value),
    /// Nothing happened up to this version.
    Bookmark(Value),
    /// The server ends the watch.
    Failed(Fault),
    /// Something that this version of mesh does not know.
    Unknown,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListMeta {
    resource_version: String,
    r#continue: Option<String>,
}

/// Reads a page. What does not say its version is no list, however empty it looks.
pub(crate) fn page(text: &[u8], keep: &'static Keep) -> Result<Page, Fault> {
    let mut from = serde_json::Deserializer::from_slice(text);
    let page = PageReader(keep).deserialize(&mut from);
    let page = page.map_err(|error| Fault::unreadable(&error))?;
    if page.version.is_empty() {
        return Err(Fault::refused("a list without its version".to_owned()));
    }
    Ok(page)
}

/// Reads a line.
pub(crate) fn line(text: &[u8], keep: &'static Keep) -> Result<Line, Fault> {
    let mut from = serde_json::Deserializer::from_slice(text);
    let (kind, object) = LineReader(keep)
        .deserialize(&mut from)
        .map_err(|error| Fault::unreadable(&error))?;
    Ok(match kind.as_str() {
        "ADDED" | "MODIFIED" => Line::Applied(object),
        "DELETED" => Line::Deleted(object),
        "BOOKMARK" => Line::Bookmark(object),
        // A Status has other members than those that are kept of an object.
        "ERROR" => Line::Failed(Fault::told(text)),
        _ => Line::Unknown,
    })
}

/// Takes out the version that an object was read at: it is no part of its content.
pub(crate) fn take_version(object: &mut Value) -> Option<String> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    match metadata.remove("resourceVersion") {
        Some(Value::String(version)) => Some(version),
        Some(_) | None => None,
    }
}

struct PageReader(&'static Keep);

impl<'de> DeserializeSeed<'de> for PageReader {
    type Value = Page;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Page, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PageReader {
    type Value = Page;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Page, A::Error> {
        let mut page = Page::default();
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "metadata" => {
                    let meta: ListMeta = members.next_value()?;
                    page.version = meta.resource_version;
                    page.token = meta.r#continue.filter(|token| !token.is_empty());
                }
                "items" => page.items = members.next_value_seed(Items(self.0))?,
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(page)
    }
}

struct Items(&'static Keep);

impl<'de> DeserializeSeed<'de> for Items {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("objects")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self.0)? {
            items.push(item);
        }
        Ok(items)
    }
}

struct LineReader(&'static Keep);

impl<'de> DeserializeSeed<'de> for LineReader {
    type Value = (String, Value);

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for LineReader {
    type Value = (String, Value);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event of a watch")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let (mut kind, mut object) = (String::new(), Value::Null);
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "type" => kind = members.next_value()?,
                "object" => object = members.next_value_seed(self.0)?,
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok((kind, object))
    }
}

#[cfg(test)]
mod tests;
