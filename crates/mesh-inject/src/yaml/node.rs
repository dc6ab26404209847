//! Where in a text the parts of its value stand.

use granit_parser::{Event, Parser, Span, StrInput};
use mesh_api::decode::documents::Document;

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

/// Reads the places of a document that has been parsed, and so is not too deep; nothing when the text
/// has aliases, whose parts stand in several places at once.
pub(super) fn read(document: &Document<'_>) -> Option<Node> {
    let mut reader = Reader {
        events: Parser::new_from_str(document.text),
    };
    loop {
        if let Part::Node(node) = reader.part()? {
            return Some(node);
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
}

/// What comes next in a text.
enum Part {
    Node(Node),
    /// The end of a list or map.
    End,
    /// Nothing that has a place in the value.
    Mark,
}

impl Reader<'_> {
    /// The next part; nothing at the text's end, and when the text cannot be used.
    fn part(&mut self) -> Option<Part> {
        let (event, span) = self.events.next()?.ok()?;
        let content = match event {
            Event::Scalar(..) => Content::Leaf,
            Event::SequenceStart(..) => Content::List(self.list()?),
            Event::MappingStart(..) => Content::Map(self.map()?),
            Event::SequenceEnd | Event::MappingEnd => return Some(Part::End),
            Event::Alias(_) | Event::UnresolvedAlias(_) => return None,
            _ => return Some(Part::Mark),
        };
        let (start, end) = place(&span)?;
        Some(Part::Node(Node {
            start,
            end,
            content,
        }))
    }

    fn list(&mut self) -> Option<Vec<Node>> {
        let mut items = Vec::new();
        loop {
            match self.part()? {
                Part::Node(item) => items.push(item),
                Part::End => return Some(items),
                Part::Mark => {}
            }
        }
    }

    fn map(&mut self) -> Option<Vec<Member>> {
        let mut members = Vec::new();
        while let Some((key, key_start)) = self.key()? {
            let value = loop {
                match self.part()? {
                    Part::Node(value) => break value,
                    Part::End => return None,
                    Part::Mark => {}
                }
            };
            members.push(Member {
                key,
                key_start,
                value,
            });
        }
        Some(members)
    }

    /// The next key of a map and where it starts, or the map's end.
    fn key(&mut self) -> Option<Option<(String, usize)>> {
        loop {
            let (event, span) = self.events.next()?.ok()?;
            match event {
                Event::Scalar(key, ..) => {
                    return Some(Some((key.into_owned(), place(&span)?.0)));
                }
                Event::MappingEnd => return Some(None),
                Event::SequenceStart(..)
                | Event::MappingStart(..)
                | Event::Alias(_)
                | Event::UnresolvedAlias(_) => return None,
                _ => {}
            }
        }
    }
}

fn place(span: &Span) -> Option<(usize, usize)> {
    let place = span.byte_range()?;
    Some((place.start, place.end))
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
