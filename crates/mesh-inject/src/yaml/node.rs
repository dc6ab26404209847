//! Where in a text the parts of its value stand.

use std::fmt;

use mesh_api::decode::documents::Document;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// A part of a value with its place in the text.
#[derive(Debug)]
pub(super) struct Node {
    /// Offset of its first byte: of a block list or map, that of its first item or key.
    pub(super) start: usize,
    /// Offset after its last byte; of lists and maps that of their beginning.
    pub(super) end: usize,
    pub(super) content: Content,
}

/// What is in it.
#[derive(Debug)]
pub(super) enum Content {
    /// Text, a number and the like.
    Leaf,
    List(Vec<Node>),
    Map(Vec<Member>),
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_start: usize,
    pub(super) value: Node,
}

/// Reads the places; nothing when the text has aliases, whose parts stand in several places at once.
pub(super) fn read(document: &Document<'_>) -> Option<Node> {
    let raw: Spanned<Raw> = document.parse_as().ok()?;
    placed(raw)
}

fn placed(raw: Spanned<Raw>) -> Option<Node> {
    if raw.referenced != raw.defined {
        return None;
    }
    let (start, end) = span(&raw.referenced)?;
    let content = match raw.value {
        Raw::Leaf => Content::Leaf,
        Raw::List(items) => Content::List(items.into_iter().map(placed).collect::<Option<_>>()?),
        Raw::Map(members) => {
            let members = members.into_iter().map(|(key, value)| {
                let (key_start, _) = span(&key.referenced)?;
                Some(Member {
                    key: key.value,
                    key_start,
                    value: placed(value)?,
                })
            });
            Content::Map(members.collect::<Option<_>>()?)
        }
    };
    Some(Node {
        start,
        end,
        content,
    })
}

fn span(location: &Location) -> Option<(usize, usize)> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let length = usize::try_from(span.byte_len()?).ok()?;
    Some((start, start.checked_add(length)?))
}

impl Node {
    /// Offset after the last byte of the last scalar in it; brackets after that do not count.
    pub(super) fn last(&self) -> usize {
        match &self.content {
            Content::Leaf => self.end,
            Content::List(items) => items.last().map_or(self.end, Self::last),
            Content::Map(members) => members.last().map_or(self.end, |one| one.value.last()),
        }
    }

    /// The places of all scalars in it, keys aside, which hold no line's end.
    pub(super) fn scalars(&self, found: &mut Vec<(usize, usize)>) {
        match &self.content {
            Content::Leaf => found.push((self.start, self.end)),
            Content::List(items) => items.iter().for_each(|item| item.scalars(found)),
            Content::Map(members) => {
                for member in members {
                    let length = member.key.len();
                    found.push((member.key_start, member.key_start + length));
                    member.value.scalars(found);
                }
            }
        }
    }
}

enum Raw {
    Leaf,
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(member) = members.next_entry()? {
            map.push(member);
        }
        Ok(Raw::Map(map))
    }

    fn visit_str<E>(self, _: &str) -> Result<Raw, E> {
        Ok(Raw::Leaf)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Leaf)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Leaf)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Leaf)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Raw, E> {
        Ok(Raw::Leaf)
    }
}
