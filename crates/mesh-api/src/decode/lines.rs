//! The line on which a field stands in a text: for messages, after something was found wrong.
//!
//! Objects do not keep the lines of their fields, which only errors need; the document is read
//! once more instead.

use std::fmt;

use mesh_model::name::ResourceKey;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::documents::{self, Document};

/// A value with the lines of everything in it.
#[derive(Debug)]
enum Node {
    /// Text, a number and the like; of text, what it is.
    Leaf(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Self>, Spanned<Self>)>),
}

/// The line of the file on which a field of an object stands, or the nearest field around it.
///
/// `document` counts from 1, as in an object's origin. `object` says which item of a `List` is
/// meant. Nothing when the text cannot be read (any more) or has none of the field's path.
#[must_use]
pub fn line_of(
    text: &str,
    document: usize,
    object: Option<&ResourceKey>,
    field: &str,
) -> Option<usize> {
    let documents = documents::split(text);
    let document = documents.iter().find(|one| one.number == document)?;
    let root: Spanned<Node> = document.parse_as().ok()?;
    let item = match (root.value.child("items"), object) {
        (Some((_, items)), Some(object)) if root.value.text_of("kind") == Some("List") => {
            items.value.item(object)?
        }
        _ => &root,
    };
    item.value.line(field).map(|line| document.line_of(line))
}

impl Document<'_> {
    /// A line of the file, from 1, by one of the document's text.
    fn line_of(&self, line: u64) -> usize {
        let line = usize::try_from(line).unwrap_or(1);
        self.first_line + line.saturating_sub(1)
    }
}

impl Node {
    /// Follows a path such as `spec.http[0].match` as far as it goes: the line of the last step.
    fn line(&self, path: &str) -> Option<u64> {
        let (mut node, mut rest, mut line) = (self, path, None);
        while let Some((at, next, further)) = node.step(rest) {
            (node, rest, line) = (&next.value, further, Some(at));
        }
        line.filter(|line| *line > 0)
    }

    /// One step of a path: the line of where it leads, what is there, and the path from there.
    fn step<'a, 'p>(&'a self, path: &'p str) -> Option<(u64, &'a Spanned<Self>, &'p str)> {
        if let Some(path) = path.strip_prefix('[') {
            let (index, rest) = path.split_once(']')?;
            return match self {
                Self::List(items) => {
                    let item = items.get(index.parse::<usize>().ok()?)?;
                    Some((item.referenced.line(), item, rest))
                }
                Self::Map(_) => {
                    let (line, value) = self.child(index.trim_matches('"'))?;
                    Some((line, value, rest))
                }
                Self::Leaf(_) => None,
            };
        }
        let path = path.strip_prefix('.').unwrap_or(path);
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (name, rest) = path.split_at_checked(end)?;
        let (line, value) = self.child(name)?;
        Some((line, value, rest))
    }

    /// The value of a key, and the key's line.
    fn child(&self, name: &str) -> Option<(u64, &Spanned<Self>)> {
        let Self::Map(members) = self else {
            return None;
        };
        let mut found = members
            .iter()
            .filter(|(key, _)| matches!(&key.value, Self::Leaf(text) if text == name));
        found
            .next()
            .map(|(key, value)| (key.referenced.line(), value))
    }

    fn text_of(&self, name: &str) -> Option<&str> {
        match &self.child(name)?.1.value {
            Self::Leaf(text) => Some(text),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The item of a list that is this object; the first of two that look like it.
    fn item(&self, object: &ResourceKey) -> Option<&Spanned<Self>> {
        let Self::List(items) = self else {
            return None;
        };
        let is_it = |item: &&Spanned<Self>| {
            let meta = item.value.child("metadata").map(|(_, meta)| &meta.value);
            let says = |name| meta.and_then(|meta| meta.text_of(name));
            let namespace = says("namespace").is_none_or(|text| object.namespace == text);
            item.value.text_of("kind") == Some(object.kind.as_str())
                && says("name") == Some(object.name.as_str())
                && namespace
        };
        items.iter().find(is_it)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(member) = members.next_entry()? {
            map.push(member);
        }
        Ok(Node::Map(map))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Leaf(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(String::new()))
    }

    fn visit_bytes<E>(self, _value: &[u8]) -> Result<Node, E> {
        Ok(Node::Leaf(String::new()))
    }
}

#[cfg(test)]
mod tests;
