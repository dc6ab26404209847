//! `RateLimit` of routes and virtual hosts to [`Recipe`]s of descriptors.

use mesh_proto::envoy::envoy::config::route::v3::RateLimit;
use mesh_proto::envoy::envoy::config::route::v3::rate_limit::Action as ActionPb;
use mesh_proto::envoy::envoy::config::route::v3::rate_limit::action::{
    ActionSpecifier, QueryParameters, RequestHeaders,
};

use mesh_model::Str;

use super::common::{is_true_or, number, text};
use super::{matcher, route};
use crate::limit::descriptor::{Action, Recipe};
use crate::matching::header::HeaderName;
use crate::reject::{At, Compiled, Fault};

/// The largest stage that Envoy takes.
const LAST_STAGE: u32 = 10;
/// Bits of addresses of either version of IP, where nothing else is said.
const WHOLE: (u32, u32) = (32, 128);

/// How a place describes requests.
pub(super) fn recipes(list: &[RateLimit]) -> Compiled<Vec<Recipe>> {
    let recipes = list.iter().enumerate();
    recipes
        .map(|(i, pb)| recipe(pb).at_index("rate_limits", i))
        .collect()
}

fn recipe(pb: &RateLimit) -> Compiled<Recipe> {
    let features = [
        (!pb.disable_key.is_empty(), "disable_key"),
        (pb.limit.is_some(), "limit"),
        (pb.hits_addend.is_some(), "hits_addend"),
        (pb.apply_on_stream_done, "apply_on_stream_done"),
        (pb.x_ratelimit_option != 0, "x_ratelimit_option"),
    ];
    route::refuse(&features)?;
    let stage = number(pb.stage.as_ref()).unwrap_or_default();
    if stage > LAST_STAGE {
        let why = format!("{stage} is more than {LAST_STAGE}");
        return Err(Fault::new("stage", why));
    }
    if pb.actions.is_empty() {
        return Err(Fault::missing("actions"));
    }
    let actions = pb.actions.iter().enumerate();
    let actions = actions.map(|(i, pb)| action(pb).at_index("actions", i));
    Ok(Recipe {
        stage,
        actions: actions.collect::<Compiled<_>>()?,
    })
}

fn action(pb: &ActionPb) -> Compiled<Action> {
    let Some(action) = &pb.action_specifier else {
        return Err(Fault::new("", "has no action"));
    };
    match action {
        ActionSpecifier::SourceCluster(_) => Ok(Action::SourceCluster),
        ActionSpecifier::DestinationCluster(_) => Ok(Action::DestinationCluster),
        ActionSpecifier::RemoteAddress(_) => Ok(Action::RemoteAddress),
        ActionSpecifier::RequestHeaders(it) => header(it).at("request_headers"),
        ActionSpecifier::QueryParameters(it) => query(it).at("query_parameters"),
        ActionSpecifier::GenericKey(it) => Ok(Action::Fixed {
            key: text(&it.descriptor_key).unwrap_or_else(|| "generic_key".into()),
            value: fixed(&it.descriptor_value, &it.default_value).at("generic_key")?,
        }),
        ActionSpecifier::HeaderValueMatch(it) => {
            let matches = it.headers.iter().enumerate();
            let matches = matches.map(|(i, pb)| matcher::header(pb).at_index("headers", i));
            let matches: Vec<_> = matches.collect::<Compiled<_>>().at("header_value_match")?;
            some("header_value_match.headers", &matches)?;
            Ok(Action::IfHeaders {
                key: text(&it.descriptor_key).unwrap_or_else(|| "header_match".into()),
                value: fixed(&it.descriptor_value, &it.default_value).at("header_value_match")?,
                matches,
                wanted: is_true_or(it.expect_match.as_ref(), true),
            })
        }
        ActionSpecifier::QueryParameterValueMatch(it) => {
            let at = "query_parameter_value_match";
            let matches = it.query_parameters.iter().enumerate();
            let matches = matches.map(|(i, pb)| matcher::query(pb).at_index("query_parameters", i));
            let matches: Vec<_> = matches.collect::<Compiled<_>>().at(at)?;
            some("query_parameter_value_match.query_parameters", &matches)?;
            Ok(Action::IfQuery {
                key: text(&it.descriptor_key).unwrap_or_else(|| "query_match".into()),
                value: fixed(&it.descriptor_value, &it.default_value).at(at)?,
                matches,
                wanted: is_true_or(it.expect_match.as_ref(), true),
            })
        }
        ActionSpecifier::MaskedRemoteAddress(it) => {
            let v4 = number(it.v4_prefix_mask_len.as_ref()).unwrap_or(WHOLE.0);
            let v6 = number(it.v6_prefix_mask_len.as_ref()).unwrap_or(WHOLE.1);
            Ok(Action::MaskedAddress {
                v4: bits("masked_remote_address.v4_prefix_mask_len", v4, WHOLE.0)?,
                v6: bits("masked_remote_address.v6_prefix_mask_len", v6, WHOLE.1)?,
            })
        }
        ActionSpecifier::DynamicMetadata(_) => Err(Fault::unsupported("dynamic_metadata")),
        ActionSpecifier::Metadata(_) => Err(Fault::unsupported("metadata")),
        ActionSpecifier::Extension(_) => Err(Fault::unsupported("extension")),
        ActionSpecifier::RemoteAddressMatch(_) => Err(Fault::unsupported("remote_address_match")),
    }
}

fn header(pb: &RequestHeaders) -> Compiled<Action> {
    Ok(Action::Header {
        name: HeaderName::parse(&needed("header_name", &pb.header_name)?),
        key: needed("descriptor_key", &pb.descriptor_key)?,
        may_miss: pb.skip_if_absent,
    })
}

fn query(pb: &QueryParameters) -> Compiled<Action> {
    Ok(Action::QueryParameter {
        name: needed("query_parameter_name", &pb.query_parameter_name)?,
        key: needed("descriptor_key", &pb.descriptor_key)?,
        may_miss: pb.skip_if_absent,
    })
}

fn needed(field: &str, value: &str) -> Compiled<Str> {
    text(value).ok_or_else(|| Fault::missing(field))
}

/// A value as it is written: operators in it stand for themselves, as in Envoy by default, and nothing is
/// ever missing.
fn fixed(value: &str, default: &str) -> Compiled<Str> {
    match default {
        "" => needed("descriptor_value", value),
        _ => Err(Fault::unsupported("default_value")),
    }
}

fn some<T>(field: &str, matches: &[T]) -> Compiled<()> {
    match matches.is_empty() {
        true => Err(Fault::missing(field)),
        false => Ok(()),
    }
}

fn bits(field: &str, bits: u32, most: u32) -> Compiled<u8> {
    let fits = u8::try_from(bits).ok().filter(|_| bits <= most);
    fits.ok_or_else(|| Fault::new(field, format!("{bits} is more than {most}")))
}

#[cfg(test)]
mod tests;
