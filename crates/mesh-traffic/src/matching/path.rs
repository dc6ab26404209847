//! Paths, without their query, against a route's path specifier.

use mesh_model::Str;

use super::text::Pattern;

/// What a path must be like.
#[derive(Debug, Clone)]
pub(crate) enum PathMatch {
    Exact {
        path: Str,
        ignore_case: bool,
    },
    Prefix {
        prefix: Str,
        ignore_case: bool,
    },
    /// The prefix itself, or the prefix and a further segment.
    Segments {
        prefix: Str,
        ignore_case: bool,
    },
    Regex(Pattern),
}

impl PathMatch {
    pub(crate) fn matches(&self, path: &str) -> bool {
        let path = path.as_bytes();
        match self {
            Self::Exact {
                path: want,
                ignore_case,
            } => same(path, want, *ignore_case),
            Self::Prefix {
                prefix,
                ignore_case,
            } => path
                .get(..prefix.len())
                .is_some_and(|start| same(start, prefix, *ignore_case)),
            Self::Segments {
                prefix,
                ignore_case,
            } => {
                path.get(..prefix.len())
                    .is_some_and(|start| same(start, prefix, *ignore_case))
                    && matches!(path.get(prefix.len()), None | Some(b'/'))
            }
            Self::Regex(pattern) => pattern.is_match(path),
        }
    }

    /// How many bytes of a path that matches are the matched prefix.
    pub(crate) fn prefix_len(&self) -> Option<usize> {
        match self {
            Self::Prefix { prefix, .. } | Self::Segments { prefix, .. } => Some(prefix.len()),
            Self::Exact { .. } | Self::Regex(_) => None,
        }
    }
}

fn same(text: &[u8], want: &str, ignore_case: bool) -> bool {
    match ignore_case {
        true => text.eq_ignore_ascii_case(want.as_bytes()),
        false => text == want.as_bytes(),
    }
}
