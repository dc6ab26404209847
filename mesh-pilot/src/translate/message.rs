//! Short forms for the messages that are made everywhere.

use std::collections::HashMap;
use std::net::SocketAddr;

use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::google::protobuf::{
    self as google, BoolValue, ListValue, Struct, UInt32Value, Value, value::Kind,
};

/// How long a proxy waits for a resource that it was told of: without end, as a cluster or
/// listener that starts without it would fail requests.
pub(super) const WAIT_FOR_RESOURCE: google::Duration = google::Duration {
    seconds: 0,
    nanos: 0,
};

pub(super) fn duration(value: std::time::Duration) -> google::Duration {
    google::Duration {
        seconds: i64::try_from(value.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(value.subsec_nanos()).unwrap_or_default(),
    }
}

pub(super) fn yes() -> Option<BoolValue> {
    Some(BoolValue { value: true })
}

pub(super) fn no() -> Option<BoolValue> {
    Some(BoolValue { value: false })
}

pub(super) fn number(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}

pub(super) fn text(value: impl Into<String>) -> Value {
    Value {
        kind: Some(Kind::StringValue(value.into())),
    }
}

pub(super) fn list(values: Vec<Value>) -> Value {
    Value {
        kind: Some(Kind::ListValue(ListValue { values })),
    }
}

pub(super) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value {
        kind: Some(Kind::StructValue(structure(fields))),
    }
}

pub(super) fn structure<const N: usize>(fields: [(&str, Value); N]) -> Struct {
    Struct {
        fields: fields.map(|(k, v)| (k.to_owned(), v)).into(),
    }
}

pub(super) fn metadata<const N: usize>(namespaces: [(&str, Struct); N]) -> core::Metadata {
    core::Metadata {
        filter_metadata: namespaces.map(|(k, v)| (k.to_owned(), v)).into(),
        typed_filter_metadata: HashMap::new(),
    }
}

/// The path of the user's object that something was made from.
pub(super) fn config_metadata(path: &str) -> core::Metadata {
    metadata([("istio", structure([("config", text(path))]))])
}

pub(super) fn address(value: SocketAddr) -> core::Address {
    core::Address {
        address: Some(core::address::Address::SocketAddress(core::SocketAddress {
            address: value.ip().to_string(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(
                value.port().into(),
            )),
            ..Default::default()
        })),
    }
}

/// The stream that everything comes by.
pub(super) fn ads() -> core::ConfigSource {
    core::ConfigSource {
        initial_fetch_timeout: Some(WAIT_FOR_RESOURCE),
        resource_api_version: core::ApiVersion::V3.into(),
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
            core::AggregatedConfigSource {},
        )),
        ..Default::default()
    }
}
