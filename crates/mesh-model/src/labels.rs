//! Labels of workloads, and what selects by them.

use std::collections::BTreeMap;

use crate::Str;

/// The labels of an object, sorted by key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Labels(pub BTreeMap<Str, Str>);

impl Labels {
    /// The value of a label.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Str> {
        self.0.get(key)
    }

    /// Whether every pair of `wanted` is among these labels.
    #[must_use]
    pub fn contain(&self, wanted: &Self) -> bool {
        wanted
            .0
            .iter()
            .all(|(key, value)| self.0.get(key) == Some(value))
    }
}

impl<K: Into<Str>, V: Into<Str>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
        )
    }
}
