//! The edit of a text by the places of its parts.
//!
//! Each member of a map and each item of a list owns a region of the text: from the comments above it
//! to those above the next one. What is the same keeps its region; what differs is entered; what
//! cannot be entered (flow style, another type) is written anew, its comments above it.

use serde_json::{Map, Value};

use super::node::{Content, Member, Node};
use super::write;
use crate::patch::{Step, align};

/// The text with `old` become `new`; nothing when it is laid out in a way that is not known here.
pub(super) fn edit(text: &str, root: &Node, old: &Value, new: &Value) -> Option<String> {
    let mut edit = Edit {
        text,
        out: String::with_capacity(text.len() * 2),
    };
    let end = lead(text, text.len(), root.last());
    let (Content::Map(members), Value::Object(old), Value::Object(new)) = (&root.content, old, new)
    else {
        return None;
    };
    let first = members.first()?;
    if text.get(root.start..)?.starts_with('{') || column(text, first.key_start)? != 0 {
        return None;
    }
    let start = lead(text, line_start(text, first.key_start), 0);
    edit.out.push_str(text.get(..start)?);
    edit.map(
        members,
        (old, new),
        Region {
            start,
            end,
            indent: 0,
        },
        "",
    )?;
    edit.end_line();
    edit.out.push_str(text.get(end..)?);
    Some(edit.out)
}

struct Edit<'a> {
    text: &'a str,
    out: String,
}

/// The lines of a map or list.
#[derive(Clone, Copy)]
struct Region {
    start: usize,
    end: usize,
    indent: usize,
}

impl Edit<'_> {
    /// Writes a map in block style; `dash` stands before its first key, within a list.
    fn map(
        &mut self,
        members: &[Member],
        (old, new): (&Map<String, Value>, &Map<String, Value>),
        region: Region,
        dash: &str,
    ) -> Option<()> {
        let mut before = Some(dash).filter(|dash| !dash.is_empty());
        let indentation = " ".repeat(region.indent);
        for (index, member) in members.iter().enumerate() {
            let start = self.start_of(members, index, region, dash)?;
            let end = match members.get(index + 1) {
                Some(_) => self.start_of(members, index + 1, region, dash)?,
                None => region.end,
            };
            let Some(value) = new.get(&member.key) else {
                continue;
            };
            // The first of a list's item keeps its comments with the item.
            let is_first = index == 0 && !dash.is_empty();
            let key_line = if is_first {
                member.key_start
            } else {
                line_start(self.text, member.key_start)
            };
            self.end_line();
            if !is_first {
                let comments = self.text.get(start..key_line)?;
                self.out.push_str(comments);
            }
            self.out.push_str(before.take().unwrap_or(&indentation));
            let region = Region {
                start: member.key_start,
                end,
                ..region
            };
            self.value(member, old.get(&member.key)?, value, region)?;
        }
        for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
            self.end_line();
            self.out.push_str(before.take().unwrap_or(&indentation));
            write::member(&mut self.out, name, value, region.indent);
        }
        // An item of which nothing is left would be another item.
        before.is_none().then_some(())
    }

    /// Where the region of a member starts: at the comments above its key.
    fn start_of(
        &self,
        members: &[Member],
        index: usize,
        region: Region,
        dash: &str,
    ) -> Option<usize> {
        let member = members.get(index)?;
        let before = index.checked_sub(1).and_then(|index| members.get(index));
        let Some(before) = before else {
            if dash.is_empty() && column(self.text, member.key_start)? != region.indent {
                return None;
            }
            return Some(region.start);
        };
        if column(self.text, member.key_start)? != region.indent {
            return None;
        }
        Some(lead(
            self.text,
            line_start(self.text, member.key_start),
            before.value.last(),
        ))
    }

    /// Writes a member from its key on.
    fn value(&mut self, member: &Member, old: &Value, new: &Value, region: Region) -> Option<()> {
        if old == new {
            self.out.push_str(self.text.get(region.start..region.end)?);
            return Some(());
        }
        let length = self.out.len();
        if self.entered(&member.value, (old, new), region).is_some() {
            return Some(());
        }
        self.out.truncate(length);
        self.anew(member, new, region)
    }

    /// Writes a member whose value is a block of its own, with what is the same kept.
    fn entered(&mut self, node: &Node, (old, new): (&Value, &Value), region: Region) -> Option<()> {
        let text = self.text;
        if is_empty(new) || text.get(node.start..)?.starts_with(['{', '[']) {
            return None;
        }
        match (&node.content, old, new) {
            (Content::Map(members), Value::Object(old), Value::Object(new)) => {
                let first = members.first()?;
                let indent = column(text, first.key_start)?;
                let head_end = lead(text, line_start(text, first.key_start), region.start);
                // The key's own line, with whatever stands behind the colon.
                self.out.push_str(text.get(region.start..head_end)?);
                let region = Region {
                    start: head_end,
                    indent,
                    ..region
                };
                self.map(members, (old, new), region, "")
            }
            (Content::List(items), Value::Array(old), Value::Array(new)) => {
                self.list(items, (old, new), region)
            }
            _ => None,
        }
    }

    fn list(
        &mut self,
        nodes: &[Node],
        (old, new): (&[Value], &[Value]),
        region: Region,
    ) -> Option<()> {
        let text = self.text;
        let dashes: Vec<usize> = nodes
            .iter()
            .map(|node| dash_of(text, node.start))
            .collect::<Option<_>>()?;
        let first = *dashes.first()?;
        let indent = column(text, first)?;
        let head_end = lead(text, line_start(text, first), region.start);
        self.out.push_str(text.get(region.start..head_end)?);
        let start_of = |index: usize| match (dashes.get(index), index.checked_sub(1)) {
            (Some(dash), Some(before)) => {
                let before = nodes.get(before)?.last();
                Some(lead(text, line_start(text, *dash), before))
            }
            (Some(_), None) => Some(head_end),
            (None, _) => Some(region.end),
        };
        let mut index = 0;
        for step in align(old, new) {
            if let Step::Add(value) = step {
                self.end_line();
                self.out.push_str(&" ".repeat(indent));
                write::item(&mut self.out, value, indent);
                continue;
            }
            let (start, end) = (start_of(index)?, start_of(index + 1)?);
            let (node, dash) = (nodes.get(index)?, *dashes.get(index)?);
            index += 1;
            if let Step::Keep(before, after) = step {
                self.end_line();
                if before == after {
                    self.out.push_str(text.get(start..end)?);
                } else {
                    let line = line_start(text, dash);
                    self.out.push_str(text.get(start..line)?);
                    let region = Region {
                        start: line,
                        end,
                        indent,
                    };
                    self.item(node, (before, after), region)?;
                }
            }
        }
        Some(())
    }

    /// Writes an item that changed, from the line of its dash on.
    fn item(&mut self, node: &Node, (old, new): (&Value, &Value), region: Region) -> Option<()> {
        let text = self.text;
        let (Content::Map(members), Value::Object(old), Value::Object(fields)) =
            (&node.content, old, new)
        else {
            return self.item_anew(node, new, region);
        };
        let first = members.first()?;
        if text.get(node.start..)?.starts_with('{') {
            return self.item_anew(node, new, region);
        }
        let dash = text.get(region.start..first.key_start)?;
        let indent = first.key_start.checked_sub(region.start)?;
        let region = Region { indent, ..region };
        self.map(members, (old, fields), region, dash)
    }

    fn item_anew(&mut self, node: &Node, new: &Value, region: Region) -> Option<()> {
        self.comments(node, region)?;
        self.out.push_str(&" ".repeat(region.indent));
        write::item(&mut self.out, new, region.indent);
        Some(())
    }

    /// Writes a member anew, whose indentation is written already.
    fn anew(&mut self, member: &Member, new: &Value, region: Region) -> Option<()> {
        let written = self.out.len().checked_sub(region.indent)?;
        let prefix = self.out.split_off(written);
        if prefix.trim().is_empty() {
            self.comments(&member.value, region)?;
        }
        self.out.push_str(&prefix);
        write::member(&mut self.out, &member.key, new, region.indent);
        Some(())
    }

    /// Writes the comments of what is written anew, each on a line of its own.
    fn comments(&mut self, node: &Node, region: Region) -> Option<()> {
        let mut scalars = vec![(region.start, region.start)];
        node.scalars(&mut scalars);
        let mut at = region.start;
        for (start, end) in scalars.into_iter().chain([(region.end, region.end)]) {
            for line in self.text.get(at..start).unwrap_or_default().lines() {
                let comment = line.find('#').filter(|at| {
                    let before = line.get(..*at).unwrap_or_default();
                    before.is_empty() || before.ends_with([' ', '\t'])
                });
                if let Some(comment) = comment.and_then(|at| line.get(at..)) {
                    self.out.push_str(&" ".repeat(region.indent));
                    self.out.push_str(comment.trim_end());
                    self.out.push('\n');
                }
            }
            at = end.max(at);
        }
        Some(())
    }

    fn end_line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Offset of the first byte of the line in which a byte stands.
fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |end| end + 1)
}

/// How many spaces stand before a key or dash; nothing when something else does, a tag for example.
fn column(text: &str, at: usize) -> Option<usize> {
    let line = line_start(text, at);
    let before = text.get(line..at)?;
    before
        .bytes()
        .all(|byte| byte == b' ')
        .then_some(before.len())
}

/// Offset of the dash of an item, which stands on the line on which the item begins.
fn dash_of(text: &str, start: usize) -> Option<usize> {
    let line = line_start(text, start);
    let before = text.get(line..start)?.trim_end_matches(' ');
    before.ends_with('-').then(|| line + before.len() - 1)
}

/// Goes back over the lines of comments and the empty ones before a line, but not into `least`.
fn lead(text: &str, line: usize, least: usize) -> usize {
    let mut at = line;
    while let Some(end) = at.checked_sub(1) {
        let start = line_start(text, end);
        let content = text.get(start..end).unwrap_or_default().trim();
        let passes = content.is_empty() || content.starts_with('#') || content == "...";
        if !passes || start < least {
            return at;
        }
        at = start;
    }
    at
}
