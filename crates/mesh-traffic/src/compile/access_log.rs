//! Access loggers: files and the process's outputs, by which format and for which requests.

use std::sync::Arc;

use mesh_model::Str;
use mesh_model::header_format::FormatError;
use mesh_proto::envoy::envoy::config::accesslog::v3 as pb;
use mesh_proto::envoy::envoy::config::accesslog::v3::access_log_filter::FilterSpecifier as By;
use mesh_proto::envoy::envoy::config::accesslog::v3::comparison_filter::Op;
use mesh_proto::envoy::envoy::config::core::v3::data_source::Specifier;
use mesh_proto::envoy::envoy::config::core::v3::substitution_format_string::Format as FormatOf;
use mesh_proto::envoy::envoy::config::core::v3::{SubstitutionFormatString, TypedExtensionConfig};
use mesh_proto::envoy::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log::AccessLogFormat as FileFormat,
};
use mesh_proto::envoy::envoy::extensions::access_loggers::stream::v3::{
    StderrAccessLog, StdoutAccessLog, stderr_access_log::AccessLogFormat as StderrFormat,
    stdout_access_log::AccessLogFormat as StdoutFormat,
};
use mesh_proto::envoy::google::protobuf::value::Kind;
use mesh_proto::envoy::google::protobuf::{Struct, Value};
use mesh_proto::{Any, any};

use super::common::{self, text, unpack};
use super::matcher;
use crate::access_log::{AccessLog, AccessLogs, Compare, Comparison, Filter, Format, Json};
use crate::fault::Share;
use crate::flags::Flags;
use crate::reject::{At, Compiled, Fault};
use crate::template::{Template, quoted};

/// Extensions whose operators are built in, or are refused where they stand.
const BUILT_IN: [&str; 3] = [
    "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery",
    "envoy.extensions.formatter.metadata.v3.Metadata",
    "envoy.extensions.formatter.cel.v3.Cel",
];

/// Envoy: without a word about it, nothing is logged.
const NOTHING: Share = Share {
    numerator: 0,
    denominator: 1,
};

/// The loggers of a chain.
pub(super) fn compile(list: &[pb::AccessLog]) -> Compiled<AccessLogs> {
    let logs = list.iter().enumerate();
    let logs = logs.map(|(i, pb)| access_log(pb).at_index("access_log", i));
    logs.collect::<Compiled<Vec<_>>>().map(AccessLogs::from)
}

fn access_log(pb: &pb::AccessLog) -> Compiled<AccessLog> {
    let Some(pb::access_log::ConfigType::TypedConfig(any)) = &pb.config_type else {
        return Err(Fault::missing("typed_config"));
    };
    let (path, format) = destination(any).at("typed_config")?;
    Ok(AccessLog {
        path,
        format: Arc::new(format),
        filter: pb
            .filter
            .as_ref()
            .map(|pb| filter(pb).at("filter"))
            .transpose()?,
    })
}

fn destination(any: &Any) -> Compiled<(Str, Format)> {
    if any::is::<StdoutAccessLog>(any) {
        let log: StdoutAccessLog = unpack(any)?;
        let format = log.access_log_format.as_ref();
        let format = format.map(|StdoutFormat::LogFormat(format)| self::format(format));
        return Ok(("/dev/stdout".into(), or_default(format)?));
    }
    if any::is::<StderrAccessLog>(any) {
        let log: StderrAccessLog = unpack(any)?;
        let format = log.access_log_format.as_ref();
        let format = format.map(|StderrFormat::LogFormat(format)| self::format(format));
        return Ok(("/dev/stderr".into(), or_default(format)?));
    }
    let log: FileAccessLog = unpack(any)?;
    let older = |field| Fault::new(field, "is not supported; use log_format");
    let format = match &log.access_log_format {
        None => None,
        Some(FileFormat::Format(format)) if format.is_empty() => None,
        Some(FileFormat::Format(format)) => Some(text_format("format", format)),
        Some(FileFormat::LogFormat(format)) => Some(self::format(format)),
        Some(FileFormat::JsonFormat(_)) => return Err(older("json_format")),
        Some(FileFormat::TypedJsonFormat(_)) => return Err(older("typed_json_format")),
    };
    let path = text(&log.path).ok_or_else(|| Fault::missing("path"))?;
    Ok((path, or_default(format)?))
}

fn or_default(format: Option<Compiled<Format>>) -> Compiled<Format> {
    format.unwrap_or_else(|| Ok(Format::envoy()))
}

fn format(pb: &SubstitutionFormatString) -> Compiled<Format> {
    for (index, extension) in pb.formatters.iter().enumerate() {
        known(extension)
            .at_index("formatters", index)
            .at("log_format")?;
    }
    let format = body(pb).at("log_format")?;
    Ok(match pb.omit_empty_values {
        true => format.without_empty(),
        false => format,
    })
}

fn known(extension: &TypedExtensionConfig) -> Compiled<()> {
    let url = extension.typed_config.as_ref().map(|any| &*any.type_url);
    let url = url.unwrap_or_default();
    let message = url.rsplit('/').next().unwrap_or_default();
    match BUILT_IN.contains(&message) {
        true => Ok(()),
        false => Err(Fault::new(
            "typed_config",
            format!("{url:?} is not supported"),
        )),
    }
}

fn body(pb: &SubstitutionFormatString) -> Compiled<Format> {
    match &pb.format {
        Some(FormatOf::TextFormat(text)) => text_format("text_format", text),
        Some(FormatOf::TextFormatSource(source)) => match &source.specifier {
            Some(Specifier::InlineString(text)) => {
                text_format("text_format_source.inline_string", text)
            }
            Some(Specifier::InlineBytes(bytes)) => {
                let field = "text_format_source.inline_bytes";
                let text = std::str::from_utf8(bytes);
                let text = text.map_err(|_not_text| Fault::new(field, "is not UTF-8"))?;
                text_format(field, text)
            }
            Some(Specifier::Filename(_) | Specifier::EnvironmentVariable(_)) => Err(Fault::new(
                "text_format_source",
                "is not supported; write the format as inline_string",
            )),
            None => Err(Fault::missing("text_format_source")),
        },
        Some(FormatOf::JsonFormat(json)) => object(json).map(Format::json).at("json_format"),
        None => Err(Fault::missing("text_format_source or json_format")),
    }
}

fn text_format(field: &str, text: &str) -> Compiled<Format> {
    Format::text(text).map_err(|why| wrong(field, &why))
}

fn wrong(field: &str, why: &FormatError) -> Fault {
    Fault::new(field, why.to_string())
}

/// Envoy: members stand in the order of their names.
fn object(pb: &Struct) -> Compiled<Json> {
    let mut members: Vec<_> = pb.fields.iter().collect();
    members.sort_by_key(|(name, _)| *name);
    let members = members.into_iter().map(|(name, value)| {
        let key = format!("{}:", quoted(name));
        Ok((key.into(), json(value).at(name)?))
    });
    members.collect::<Compiled<_>>().map(Json::Object)
}

fn json(pb: &Value) -> Compiled<Json> {
    let literal = |text: String| Ok(Json::Literal(text.into()));
    match &pb.kind {
        None | Some(Kind::NullValue(_)) => literal("null".to_owned()),
        Some(Kind::BoolValue(value)) => literal(value.to_string()),
        Some(Kind::NumberValue(number)) => literal(number_text(*number)?),
        Some(Kind::StringValue(text)) => {
            let template = Template::of_line(text).map_err(|why| wrong("", &why))?;
            match template.literal() {
                Some(text) => literal(quoted(text)),
                None => Ok(Json::Filled(template)),
            }
        }
        Some(Kind::StructValue(pb)) => object(pb),
        Some(Kind::ListValue(pb)) => {
            let items = pb.values.iter().enumerate();
            let items = items.map(|(i, value)| json(value).at_index("", i));
            items.collect::<Compiled<_>>().map(Json::List)
        }
    }
}

fn number_text(number: f64) -> Compiled<String> {
    if !number.is_finite() {
        return Err(Fault::new("", "is no number of JSON"));
    }
    Ok(number.to_string())
}

fn filter(pb: &pb::AccessLogFilter) -> Compiled<Filter> {
    let unsupported = |field| Err(Fault::unsupported(field));
    match &pb.filter_specifier {
        None => Err(Fault::new("", "has no filter_specifier")),
        Some(By::StatusCodeFilter(by)) => comparison(by.comparison.as_ref())
            .at("status_code_filter")
            .map(Filter::Status),
        Some(By::DurationFilter(by)) => comparison(by.comparison.as_ref())
            .at("duration_filter")
            .map(Filter::Duration),
        Some(By::NotHealthCheckFilter(_)) => Ok(Filter::NoHealthChecks),
        // Without a runtime the key names nothing that could say otherwise.
        Some(By::RuntimeFilter(by)) => {
            let share = by.percent_sampled.as_ref();
            let share = share.map_or(Ok(NOTHING), |pb| common::share(pb).at("percent_sampled"));
            share.at("runtime_filter").map(Filter::Sample)
        }
        Some(By::AndFilter(by)) => several(&by.filters).at("and_filter").map(Filter::All),
        Some(By::OrFilter(by)) => several(&by.filters).at("or_filter").map(Filter::Any),
        Some(By::HeaderFilter(by)) => {
            let header = by.header.as_ref().ok_or_else(|| Fault::missing("header"));
            header
                .and_then(|header| matcher::header(header).at("header"))
                .at("header_filter")
                .map(|rule| Filter::Header(Box::new(rule)))
        }
        Some(By::ResponseFlagFilter(by)) => flags(&by.flags)
            .at("response_flag_filter")
            .map(Filter::Flags),
        Some(By::GrpcStatusFilter(by)) => {
            grpc(&by.statuses)
                .at("grpc_status_filter")
                .map(|statuses| Filter::Grpc {
                    statuses,
                    others: by.exclude,
                })
        }
        Some(By::TraceableFilter(_)) => unsupported("traceable_filter"),
        Some(By::ExtensionFilter(_)) => unsupported("extension_filter"),
        Some(By::MetadataFilter(_)) => unsupported("metadata_filter"),
        Some(By::LogTypeFilter(_)) => unsupported("log_type_filter"),
    }
}

fn several(list: &[pb::AccessLogFilter]) -> Compiled<Vec<Filter>> {
    if list.len() < 2 {
        return Err(Fault::new("filters", "has fewer than two"));
    }
    let filters = list.iter().enumerate();
    filters
        .map(|(i, pb)| filter(pb).at_index("filters", i))
        .collect()
}

fn comparison(pb: Option<&pb::ComparisonFilter>) -> Compiled<Comparison> {
    let pb = pb.ok_or_else(|| Fault::missing("comparison"))?;
    let value = pb.value.as_ref();
    let value = value.ok_or_else(|| Fault::missing("comparison.value"))?;
    let how = match Op::try_from(pb.op) {
        Ok(Op::Eq) => Compare::Equal,
        Ok(Op::Ge) => Compare::AtLeast,
        Ok(Op::Le) => Compare::AtMost,
        Ok(Op::Ne) => Compare::Unequal,
        Err(_) => return Err(Fault::new("comparison.op", format!("{} is none", pb.op))),
    };
    Ok(Comparison {
        how,
        with: value.default_value,
    })
}

/// Envoy: an empty list stands for any flag.
fn flags(letters: &[String]) -> Compiled<Option<Flags>> {
    let mut all = Flags::NONE;
    for (index, letters) in letters.iter().enumerate() {
        let unknown = || Fault::new("", format!("{letters:?} is no response flag"));
        let flag = Flags::of_letters(letters).ok_or_else(unknown);
        all = all.with(flag.at_index("flags", index)?);
    }
    Ok((!letters.is_empty()).then_some(all))
}

fn grpc(statuses: &[i32]) -> Compiled<Vec<u32>> {
    let statuses = statuses.iter().enumerate().map(|(index, status)| {
        let known = u32::try_from(*status).ok().filter(|status| *status <= 16);
        let unknown = || Fault::new("", format!("{status} is no status of gRPC"));
        known.ok_or_else(unknown).at_index("statuses", index)
    });
    statuses.collect()
}

#[cfg(test)]
mod tests;
