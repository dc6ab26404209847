//! `${...}` in arguments and environment of the image map. Pure.

use std::collections::BTreeMap;

use mesh_api::nearest;

/// What the names in `${...}` stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names(pub(crate) BTreeMap<String, String>);

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadText {
    /// The name stands for nothing.
    #[error("unknown name ${{{name}}}{}", meant(near.as_deref(), known))]
    Unknown {
        /// The name as written.
        name: String,
        /// The one that was probably meant.
        near: Option<String>,
        /// Every name there is, sorted.
        known: String,
    },
    /// `${` without an end.
    #[error("${{ without a closing brace")]
    Unclosed,
}

fn meant(near: Option<&str>, known: &str) -> String {
    match near {
        Some(near) => format!(", did you mean ${{{near}}}?"),
        None => format!("; there are {known}"),
    }
}

/// Replaces every `${name}`; `$${` stands for `${` itself.
pub(crate) fn fill_in(text: &str, names: &Names) -> Result<String, BadText> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str("${");
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('}').ok_or(BadText::Unclosed)?;
        out.push_str(before);
        out.push_str(names.0.get(name).ok_or_else(|| unknown(name, names))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn unknown(name: &str, names: &Names) -> BadText {
    let near = nearest(name, names.0.keys().map(String::as_str)).map(ToOwned::to_owned);
    let known: Vec<&str> = names.0.keys().map(String::as_str).collect();
    BadText::Unknown {
        name: name.to_owned(),
        near,
        known: known.join(", "),
    }
}

#[cfg(test)]
mod tests;
