//! Texts against exact values, parts and patterns.

use regex::bytes::{NoExpand, Regex, RegexBuilder};

use mesh_model::Str;

/// Longest pattern in bytes.
const MAX_PATTERN: usize = 4096;
/// Most memory that a compiled pattern may take.
const MAX_PROGRAM: usize = 1024 * 1024;
/// Most memory for the states that matching remembers.
const MAX_CACHE: usize = 256 * 1024;

/// A regular expression that was checked and compiled once.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

/// Patterns are the same if they are written the same way.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Compiles a pattern that must match a text as a whole.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn whole(text: &str) -> Result<Self, String> {
        // Compiled alone first: a stray bracket must not close the group that is put round it.
        Self::part(text)?;
        build(&format!(r"\A(?:{text})\z")).map(Self)
    }

    /// Compiles a pattern that may match anywhere in a text.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn part(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PATTERN {
            return Err(format!("the pattern has more than {MAX_PATTERN} bytes"));
        }
        build(text).map(Self)
    }

    /// Whether the text matches.
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }

    /// The text with everything that matches replaced; `with` may name groups as `${1}`.
    #[must_use]
    pub fn replace(&self, text: &str, with: &str) -> String {
        let replaced = match with.contains('$') {
            true => self.0.replace_all(text.as_bytes(), with.as_bytes()),
            false => self
                .0
                .replace_all(text.as_bytes(), NoExpand(with.as_bytes())),
        };
        String::from_utf8_lossy(&replaced).into_owned()
    }
}

/// Classes such as `\w` mean ASCII, as they do in RE2; a pattern that needs more gets Unicode.
fn build(text: &str) -> Result<Regex, String> {
    with(text, false)
        .or_else(|_not_ascii| with(text, true))
        .map_err(|error| format!("{text:?} is no usable pattern: {}", last_line(&error)))
}

fn with(text: &str, unicode: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .unicode(unicode)
        .size_limit(MAX_PROGRAM)
        .dfa_size_limit(MAX_CACHE)
        .build()
}

/// The library draws the pattern with a caret under the fault; its last line is the sentence.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim().to_owned()
}

/// What a text must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextMatch {
    pub(crate) rule: Rule,
    /// Whether letters' case is ignored; patterns do not heed it.
    pub(crate) ignore_case: bool,
}

/// One way to compare texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    Exact(Str),
    Prefix(Str),
    Suffix(Str),
    Contains(Str),
    Regex(Pattern),
}

impl TextMatch {
    /// Whether the text matches.
    #[must_use]
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        match &self.rule {
            Rule::Exact(want) => self.same(text, want),
            Rule::Prefix(want) => text.get(..want.len()).is_some_and(|t| self.same(t, want)),
            Rule::Suffix(want) => text
                .len()
                .checked_sub(want.len())
                .and_then(|start| text.get(start..))
                .is_some_and(|t| self.same(t, want)),
            Rule::Contains(want) => {
                want.is_empty() || text.windows(want.len()).any(|t| self.same(t, want))
            }
            Rule::Regex(pattern) => pattern.is_match(text),
        }
    }

    fn same(&self, text: &[u8], want: &str) -> bool {
        match self.ignore_case {
            true => text.eq_ignore_ascii_case(want.as_bytes()),
            false => text == want.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests;
