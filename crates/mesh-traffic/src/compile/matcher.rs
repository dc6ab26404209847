//! Matchers of texts, headers, query parameters and routes.

use mesh_proto::envoy::envoy::config::route::v3 as pb;
use mesh_proto::envoy::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier as Header;
use mesh_proto::envoy::envoy::config::route::v3::query_parameter_matcher::QueryParameterMatchSpecifier as Query;
use mesh_proto::envoy::envoy::config::route::v3::route_match::PathSpecifier;
use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use mesh_proto::envoy::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};
use mesh_proto::envoy::envoy::r#type::v3::fractional_percent::DenominatorType;

use super::common::is_true_or;
use crate::matching::cookie::CookieMatch;
use crate::matching::header::{HeaderMatch, HeaderName, HeaderRule};
use crate::matching::path::PathMatch;
use crate::matching::query::{QueryMatch, QueryRule};
use crate::matching::route::RouteMatch;
use crate::matching::text::{Pattern, Rule, TextMatch};
use crate::reject::{At, Compiled, Fault};

pub(super) fn route(pb: &pb::RouteMatch) -> Compiled<RouteMatch> {
    refuse_unsupported(pb)?;
    let headers = pb.headers.iter().enumerate();
    let headers = headers.map(|(i, header)| self::header(header).at_index("headers", i));
    let query = pb.query_parameters.iter().enumerate();
    let query = query.map(|(i, q)| self::query(q).at_index("query_parameters", i));
    let cookies = pb.cookies.iter().enumerate();
    let cookies = cookies.map(|(i, cookie)| self::cookie(cookie).at_index("cookies", i));
    Ok(RouteMatch {
        path: path(pb)?,
        headers: headers.collect::<Compiled<_>>()?,
        query: query.collect::<Compiled<_>>()?,
        cookies: cookies.collect::<Compiled<_>>()?,
        grpc_only: pb.grpc.is_some(),
    })
}

fn refuse_unsupported(pb: &pb::RouteMatch) -> Compiled<()> {
    let features = [
        (!takes_all(pb), "runtime_fraction"),
        (pb.tls_context.is_some(), "tls_context"),
        (!pb.dynamic_metadata.is_empty(), "dynamic_metadata"),
        (!pb.filter_state.is_empty(), "filter_state"),
    ];
    match features.iter().find(|(asked, _)| *asked) {
        Some((_, field)) => Err(Fault::unsupported(*field)),
        None => Ok(()),
    }
}

/// Whether the runtime fraction, if there is one, is everything.
fn takes_all(pb: &pb::RouteMatch) -> bool {
    let Some(fraction) = &pb.runtime_fraction else {
        return true;
    };
    let Some(share) = &fraction.default_value else {
        return false;
    };
    let whole = match DenominatorType::try_from(share.denominator) {
        Ok(DenominatorType::Hundred) => 100,
        Ok(DenominatorType::TenThousand) => 10_000,
        Ok(DenominatorType::Million) => 1_000_000,
        Err(_) => return false,
    };
    share.numerator >= whole
}

fn path(pb: &pb::RouteMatch) -> Compiled<PathMatch> {
    let ignore_case = !is_true_or(pb.case_sensitive.as_ref(), true);
    match &pb.path_specifier {
        Some(PathSpecifier::Prefix(prefix)) => Ok(PathMatch::Prefix {
            prefix: prefix.into(),
            ignore_case,
        }),
        Some(PathSpecifier::Path(path)) => Ok(PathMatch::Exact {
            path: path.into(),
            ignore_case,
        }),
        Some(PathSpecifier::PathSeparatedPrefix(prefix)) => Ok(PathMatch::Segments {
            prefix: prefix.into(),
            ignore_case,
        }),
        Some(PathSpecifier::SafeRegex(regex)) => whole("safe_regex", regex).map(PathMatch::Regex),
        Some(PathSpecifier::ConnectMatcher(_)) => Err(Fault::unsupported("connect_matcher")),
        Some(PathSpecifier::PathMatchPolicy(_)) => Err(Fault::unsupported("path_match_policy")),
        None => Err(Fault::new("", "has no path_specifier")),
    }
}

fn whole(field: &str, pb: &RegexMatcher) -> Compiled<Pattern> {
    Pattern::whole(&pb.regex).map_err(|why| Fault::new(field, why))
}

pub(super) fn text(pb: &StringMatcher) -> Compiled<TextMatch> {
    let rule = match &pb.match_pattern {
        Some(MatchPattern::Exact(text)) => Rule::Exact(text.into()),
        Some(MatchPattern::Prefix(text)) => Rule::Prefix(text.into()),
        Some(MatchPattern::Suffix(text)) => Rule::Suffix(text.into()),
        Some(MatchPattern::Contains(text)) => Rule::Contains(text.into()),
        Some(MatchPattern::SafeRegex(regex)) => Rule::Regex(whole("safe_regex", regex)?),
        Some(MatchPattern::Custom(_)) => return Err(Fault::unsupported("custom")),
        None => return Err(Fault::new("", "has no match_pattern")),
    };
    Ok(TextMatch {
        rule,
        ignore_case: pb.ignore_case,
    })
}

pub(super) fn header(pb: &pb::HeaderMatcher) -> Compiled<HeaderMatch> {
    if pb.name.is_empty() {
        return Err(Fault::missing("name"));
    }
    let plain = |rule: Rule| {
        HeaderRule::Text(TextMatch {
            rule,
            ignore_case: false,
        })
    };
    let rule = match &pb.header_match_specifier {
        // Envoy: a matcher that says nothing asks for presence.
        None => HeaderRule::Present(true),
        Some(Header::PresentMatch(wanted)) => HeaderRule::Present(*wanted),
        Some(Header::ExactMatch(text)) => plain(Rule::Exact(text.into())),
        Some(Header::PrefixMatch(text)) => plain(Rule::Prefix(text.into())),
        Some(Header::SuffixMatch(text)) => plain(Rule::Suffix(text.into())),
        Some(Header::ContainsMatch(text)) => plain(Rule::Contains(text.into())),
        Some(Header::SafeRegexMatch(regex)) => {
            plain(Rule::Regex(whole("safe_regex_match", regex)?))
        }
        Some(Header::RangeMatch(range)) => HeaderRule::Range(range.start, range.end),
        Some(Header::StringMatch(matcher)) => HeaderRule::Text(text(matcher).at("string_match")?),
    };
    Ok(HeaderMatch {
        name: HeaderName::parse(&pb.name),
        rule,
        invert: pb.invert_match,
        missing_is_empty: pb.treat_missing_header_as_empty,
    })
}

fn cookie(pb: &pb::CookieMatcher) -> Compiled<CookieMatch> {
    if pb.name.is_empty() {
        return Err(Fault::missing("name"));
    }
    let matcher = pb.string_match.as_ref();
    let matcher = matcher.ok_or_else(|| Fault::missing("string_match"))?;
    Ok(CookieMatch {
        name: pb.name.as_str().into(),
        text: text(matcher).at("string_match")?,
        invert: pb.invert_match,
    })
}

pub(super) fn query(pb: &pb::QueryParameterMatcher) -> Compiled<QueryMatch> {
    let rule = match &pb.query_parameter_match_specifier {
        None => QueryRule::Present(true),
        Some(Query::PresentMatch(wanted)) => QueryRule::Present(*wanted),
        Some(Query::StringMatch(matcher)) => QueryRule::Text(text(matcher).at("string_match")?),
    };
    Ok(QueryMatch {
        name: pb.name.as_str().into(),
        rule,
    })
}
