//! Which virtual host an authority belongs to, in Envoy's order: the exact domain, the longest
//! `*.suffix`, the longest `prefix.*`, then `*`.

use std::borrow::Cow;

use mesh_model::Str;

use crate::config::Map;

/// The domains of a route table.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    exact: Map<usize>,
    /// Without their star, longest first.
    suffixes: Vec<(Str, usize)>,
    /// Without their star, longest first.
    prefixes: Vec<(Str, usize)>,
    any: Option<usize>,
    ignore_port: bool,
}

impl Hosts {
    pub(crate) fn new(ignore_port: bool) -> Self {
        Self {
            ignore_port,
            ..Self::default()
        }
    }

    /// Adds a domain; false when it was there before.
    pub(crate) fn insert(&mut self, domain: &str, host: usize) -> bool {
        let domain = domain.to_ascii_lowercase();
        if domain == "*" {
            let first = self.any.is_none();
            self.any.get_or_insert(host);
            return first;
        }
        if let Some(suffix) = domain.strip_prefix('*') {
            return add(&mut self.suffixes, suffix, host);
        }
        if let Some(prefix) = domain.strip_suffix('*') {
            return add(&mut self.prefixes, prefix, host);
        }
        self.exact.insert(domain.into(), host).is_none()
    }

    /// Puts the longest wildcards first; to be called once, after the last insertion.
    pub(crate) fn finish(&mut self) {
        self.suffixes
            .sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        self.prefixes
            .sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    /// The virtual host for an authority.
    pub(crate) fn find(&self, authority: &str) -> Option<usize> {
        if self.exact.is_empty() && self.suffixes.is_empty() && self.prefixes.is_empty() {
            return self.any;
        }
        let name = match self.ignore_port {
            true => mesh_http::host_of(authority),
            false => authority,
        };
        let name = lowered(name);
        if let Some(host) = self.exact.get(&*name) {
            return Some(*host);
        }
        // A star stands for one character at least.
        let suffix = |s: &str| name.len() > s.len() && name.ends_with(s);
        let prefix = |p: &str| name.len() > p.len() && name.starts_with(p);
        let longest = |list: &[(Str, usize)], fits: &dyn Fn(&str) -> bool| {
            list.iter()
                .find(|(text, _)| fits(text))
                .map(|(_, host)| *host)
        };
        longest(&self.suffixes, &suffix)
            .or_else(|| longest(&self.prefixes, &prefix))
            .or(self.any)
    }
}

fn add(list: &mut Vec<(Str, usize)>, text: &str, host: usize) -> bool {
    let new = list.iter().all(|(other, _)| other != text);
    if new {
        list.push((text.into(), host));
    }
    new
}

fn lowered(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests;
