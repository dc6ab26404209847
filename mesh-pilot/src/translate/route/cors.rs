//! What pages of other origins may do with a rule, as the CORS filter is told it of a route.

use mesh_proto::Any;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3::RuntimeFractionalPercent;
use mesh_proto::envoy::envoy::extensions::filters::http::cors::v3 as proto;
use mesh_proto::envoy::envoy::r#type::v3::FractionalPercent;
use mesh_proto::envoy::envoy::r#type::v3::fractional_percent::DenominatorType;
use mesh_proto::envoy::google::protobuf::BoolValue;

use super::matching::string_matcher;
use crate::snapshot::rules::Cors;
use crate::translate::http_filters::CORS;

/// The filter's configuration for a route, by the filter's name.
pub(super) fn of_route(cors: Option<&Cors>) -> Option<(String, Any)> {
    cors.map(|cors| (CORS.to_owned(), pack(&filter(cors))))
}

fn filter(cors: &Cors) -> proto::CorsPolicy {
    let age = cors.max_age.map(|age| age.as_secs().to_string());
    proto::CorsPolicy {
        allow_origin_string_match: cors.origins.iter().map(string_matcher).collect(),
        allow_methods: cors.methods.join(","),
        allow_headers: cors.headers.join(","),
        expose_headers: cors.exposed.join(","),
        max_age: age.unwrap_or_default(),
        allow_credentials: cors.credentials.map(|value| BoolValue { value }),
        // istio: said though it is what Envoy does anyway.
        filter_enabled: Some(everything()),
        forward_not_matching_preflights: Some(BoolValue {
            value: cors.forward_unmatched,
        }),
        ..Default::default()
    }
}

fn everything() -> RuntimeFractionalPercent {
    RuntimeFractionalPercent {
        default_value: Some(FractionalPercent {
            numerator: 100,
            denominator: DenominatorType::Hundred.into(),
        }),
        runtime_key: String::new(),
    }
}
