//! `RedirectAction`, and the rewriting of paths that forwarding has too.

use mesh_http::Scheme;
use mesh_model::Str;
use mesh_proto::envoy::envoy::config::route::v3 as pb;
use mesh_proto::envoy::envoy::config::route::v3::redirect_action::{
    PathRewriteSpecifier as PathOf, RedirectResponseCode as Code,
    SchemeRewriteSpecifier as SchemeOf,
};
use mesh_proto::envoy::envoy::r#type::matcher::v3::RegexMatchAndSubstitute;

use super::common::{port_number, text};
use crate::matching::path::PathMatch;
use crate::matching::text::Pattern;
use crate::reject::{Compiled, Fault};
use crate::route::{PathRewrite, Redirect};

pub(super) fn compile(pb: &pb::RedirectAction, matched: &PathMatch) -> Compiled<Redirect> {
    let scheme = match &pb.scheme_rewrite_specifier {
        None | Some(SchemeOf::HttpsRedirect(false)) => None,
        Some(SchemeOf::HttpsRedirect(true)) => Some(Scheme::Https),
        Some(SchemeOf::SchemeRedirect(scheme)) => Some(parse_scheme(scheme)?),
    };
    let port = match pb.port_redirect {
        0 => None,
        port => Some(port_number("port_redirect", port)?),
    };
    let path = match &pb.path_rewrite_specifier {
        None => None,
        Some(PathOf::PathRedirect(path)) => {
            header_safe("path_redirect", path)?;
            (!path.is_empty()).then(|| PathRewrite::Whole(path.into()))
        }
        Some(PathOf::PrefixRewrite(with)) => Some(prefix(with, matched)),
        Some(PathOf::RegexRewrite(rewrite)) => Some(regex("regex_rewrite", rewrite)?),
        Some(PathOf::PathRewrite(_)) => return Err(Fault::unsupported("path_rewrite")),
    };
    header_safe("host_redirect", &pb.host_redirect)?;
    Ok(Redirect {
        status: status(pb.response_code)?,
        scheme,
        host: text(&pb.host_redirect),
        port,
        path,
        strip_query: pb.strip_query,
    })
}

fn status(code: i32) -> Compiled<u16> {
    match Code::try_from(code) {
        Ok(Code::MovedPermanently) => Ok(301),
        Ok(Code::Found) => Ok(302),
        Ok(Code::SeeOther) => Ok(303),
        Ok(Code::TemporaryRedirect) => Ok(307),
        Ok(Code::PermanentRedirect) => Ok(308),
        Err(_) => Err(Fault::new("response_code", format!("{code} is none"))),
    }
}

fn parse_scheme(text: &str) -> Compiled<Scheme> {
    match text.to_ascii_lowercase().as_str() {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        _ => Err(Fault::new(
            "scheme_redirect",
            format!("{text:?} is not http or https"),
        )),
    }
}

/// Replaces what the route matched: a prefix, or the whole path where the match has none.
pub(super) fn prefix(with: &str, matched: &PathMatch) -> PathRewrite {
    match matched.prefix_len() {
        Some(len) => PathRewrite::Prefix {
            len,
            with: with.into(),
        },
        None => PathRewrite::Whole(with.into()),
    }
}

pub(super) fn regex(field: &str, pb: &RegexMatchAndSubstitute) -> Compiled<PathRewrite> {
    let (pattern, with) = replacement(field, pb)?;
    Ok(PathRewrite::Regex { pattern, with })
}

/// A pattern, and what the regex library puts in its place.
pub(super) fn replacement(field: &str, pb: &RegexMatchAndSubstitute) -> Compiled<(Pattern, Str)> {
    let pattern = pb.pattern.as_ref().ok_or_else(|| Fault::missing(field))?;
    let pattern = Pattern::part(&pattern.regex).map_err(|why| Fault::new(field, why))?;
    Ok((pattern, substitution(field, &pb.substitution)?.into()))
}

/// RE2 writes groups as `\1` and a backslash as `\\`; the regex library writes `${1}` and `$$`.
fn substitution(field: &str, text: &str) -> Compiled<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some('\\') => out.push('\\'),
                Some(digit) if digit.is_ascii_digit() => {
                    out.push_str("${");
                    out.push(digit);
                    out.push('}');
                }
                Some(_) | None => {
                    let why = format!("{text:?} has a backslash without a digit after it");
                    return Err(Fault::new(format!("{field}.substitution"), why));
                }
            },
            other => out.push(other),
        }
    }
    Ok(out)
}

pub(super) fn header_safe(field: &str, value: &str) -> Compiled<()> {
    match value.bytes().any(|b| b.is_ascii_control() || b == b' ') {
        true => Err(Fault::new(field, "has a space or control character")),
        false => Ok(()),
    }
}
