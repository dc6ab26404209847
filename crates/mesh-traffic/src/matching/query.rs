//! Query parameters against a rule: as they are written, the first of a name.

use mesh_model::Str;

use super::text::TextMatch;

/// What a query parameter must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryMatch {
    pub(crate) name: Str,
    pub(crate) rule: QueryRule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum QueryRule {
    Present(bool),
    Text(TextMatch),
}

impl QueryMatch {
    pub(crate) fn matches(&self, query: Option<&str>) -> bool {
        let value = query.and_then(|query| value_of(query, &self.name));
        match &self.rule {
            QueryRule::Present(wanted) => value.is_some() == *wanted,
            QueryRule::Text(text) => value.is_some_and(|value| text.matches(value.as_bytes())),
        }
    }
}

/// The value of the first parameter of that name.
pub(crate) fn value_of<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
