//! The mesh's access log, in every chain whose requests or bytes come to an end.
//!
//! It is put into finished listeners: protobuf merges messages by putting their bytes one after
//! another, so that a list of loggers is added to a packed filter without unpacking it.

use mesh_proto::Any;
use mesh_proto::any::{self, pack};
use mesh_proto::envoy::envoy::config::accesslog::v3 as log;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::listener::v3 as proto;
use mesh_proto::envoy::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log::AccessLogFormat,
};
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use mesh_proto::envoy::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use prost::{Message, Name};
use serde_json::Value;

use crate::snapshot::logging::{AccessLogging, LogFormat};

/// Adds the log to the filters that end the chains of these listeners.
pub(super) fn put<'l>(
    logging: &AccessLogging,
    listeners: impl Iterator<Item = &'l mut proto::Listener>,
) {
    let access_log = vec![logger(logging)];
    let http = HttpConnectionManager {
        access_log: access_log.clone(),
        ..Default::default()
    };
    let tcp = TcpProxy {
        access_log,
        ..Default::default()
    };
    let (http, tcp) = (http.encode_to_vec(), tcp.encode_to_vec());
    for listener in listeners {
        let chains = listener.filter_chains.iter_mut();
        for chain in chains.chain(&mut listener.default_filter_chain) {
            let last = chain.filters.last_mut();
            let Some(proto::filter::ConfigType::TypedConfig(any)) =
                last.and_then(|filter| filter.config_type.as_mut())
            else {
                continue;
            };
            if any::is::<HttpConnectionManager>(any) {
                any.value.extend_from_slice(&http);
            } else if any::is::<TcpProxy>(any) {
                any.value.extend_from_slice(&tcp);
            }
        }
    }
}

/// istio: the name of its file logger.
fn logger(logging: &AccessLogging) -> log::AccessLog {
    log::AccessLog {
        name: "envoy.access_loggers.file".into(),
        config_type: Some(log::access_log::ConfigType::TypedConfig(file(logging))),
        ..Default::default()
    }
}

fn file(logging: &AccessLogging) -> Any {
    match &logging.format {
        LogFormat::Text(text) => pack(&FileAccessLog {
            path: logging.file.to_string(),
            access_log_format: Some(AccessLogFormat::LogFormat(text_format(text))),
        }),
        LogFormat::Json(members) => Any {
            type_url: FileAccessLog::type_url(),
            value: JsonFile {
                path: logging.file.to_string(),
                format: Some(JsonFormat {
                    members: Some(Members::of(members)),
                }),
            }
            .encode_to_vec(),
        },
    }
}

fn text_format(text: &str) -> core::SubstitutionFormatString {
    use core::substitution_format_string::Format;
    let source = core::DataSource {
        specifier: Some(core::data_source::Specifier::InlineString(text.to_owned())),
        ..Default::default()
    };
    core::SubstitutionFormatString {
        format: Some(Format::TextFormatSource(source)),
        ..Default::default()
    }
}

/// `FileAccessLog` with a format of JSON. `google.protobuf.Struct` has a map, whose members have no
/// order when they are encoded; replicas and restarts of pilot must send the same bytes.
#[derive(Clone, PartialEq, Message)]
struct JsonFile {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(message, optional, tag = "5")]
    format: Option<JsonFormat>,
}

/// `SubstitutionFormatString`
#[derive(Clone, PartialEq, Message)]
struct JsonFormat {
    #[prost(message, optional, tag = "2")]
    members: Option<Members>,
}

/// `google.protobuf.Struct`
#[derive(Clone, PartialEq, Message)]
struct Members {
    #[prost(message, repeated, tag = "1")]
    members: Vec<Member>,
}

#[derive(Clone, PartialEq, Message)]
struct Member {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Item>,
}

/// `google.protobuf.Value`, of which one field is there.
#[derive(Clone, PartialEq, Message)]
struct Item {
    #[prost(int32, optional, tag = "1")]
    null: Option<i32>,
    #[prost(double, optional, tag = "2")]
    number: Option<f64>,
    #[prost(string, optional, tag = "3")]
    text: Option<String>,
    #[prost(bool, optional, tag = "4")]
    flag: Option<bool>,
    #[prost(message, optional, tag = "5")]
    members: Option<Members>,
    #[prost(message, optional, tag = "6")]
    items: Option<Items>,
}

/// `google.protobuf.ListValue`
#[derive(Clone, PartialEq, Message)]
struct Items {
    #[prost(message, repeated, tag = "1")]
    items: Vec<Item>,
}

impl Members {
    fn of(members: &serde_json::Map<String, Value>) -> Self {
        let members = members.iter().map(|(name, value)| Member {
            name: name.clone(),
            value: Some(Item::of(value)),
        });
        let mut members: Vec<_> = members.collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Self { members }
    }
}

impl Item {
    fn of(value: &Value) -> Self {
        let nothing = Self::default();
        match value {
            Value::Null => Self {
                null: Some(0),
                ..nothing
            },
            Value::Bool(flag) => Self {
                flag: Some(*flag),
                ..nothing
            },
            Value::Number(number) => Self {
                number: Some(number.as_f64().unwrap_or_default()),
                ..nothing
            },
            Value::String(text) => Self {
                text: Some(text.clone()),
                ..nothing
            },
            Value::Array(items) => Self {
                items: Some(Items {
                    items: items.iter().map(Self::of).collect(),
                }),
                ..nothing
            },
            Value::Object(members) => Self {
                members: Some(Members::of(members)),
                ..nothing
            },
        }
    }
}

#[cfg(test)]
mod tests;
