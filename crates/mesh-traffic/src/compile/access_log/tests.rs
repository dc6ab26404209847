use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3::{DataSource, RuntimeUInt32};
use mesh_proto::envoy::envoy::config::route::v3::HeaderMatcher;
use mesh_proto::envoy::envoy::r#type::v3::FractionalPercent;
use mesh_proto::envoy::google::protobuf::ListValue;

use super::*;
use crate::access_log::tests::{ended, line, subject};
use crate::testing::{call, structure, text};

fn logger(format: FileFormat) -> pb::AccessLog {
    let file = FileAccessLog {
        path: "/dev/stdout".into(),
        access_log_format: Some(format),
    };
    pb::AccessLog {
        config_type: Some(pb::access_log::ConfigType::TypedConfig(pack(&file))),
        ..Default::default()
    }
}

fn of_format(format: FormatOf) -> pb::AccessLog {
    logger(FileFormat::LogFormat(SubstitutionFormatString {
        format: Some(format),
        ..Default::default()
    }))
}

fn inline(text: &str) -> FormatOf {
    FormatOf::TextFormatSource(DataSource {
        specifier: Some(Specifier::InlineString(text.into())),
        ..Default::default()
    })
}

fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

#[track_caller]
fn compiled(pb: &pb::AccessLog) -> AccessLogs {
    compile(std::slice::from_ref(pb)).unwrap_or_else(|fault| panic!("{fault:?}"))
}

#[track_caller]
fn refused(pb: &pb::AccessLog, expect: &str) {
    let fault = compile(std::slice::from_ref(pb)).unwrap_err();
    assert_eq!(
        fault.of("listener", "l").to_string(),
        format!("listener l: {expect}")
    );
}

#[test]
fn a_file_has_envoys_format_where_it_names_none() {
    let file = FileAccessLog {
        path: "/tmp/log".into(),
        access_log_format: None,
    };
    let logs = compiled(&pb::AccessLog {
        config_type: Some(pb::access_log::ConfigType::TypedConfig(pack(&file))),
        ..Default::default()
    });
    assert_eq!(&*logs[0].path, "/tmp/log");
    assert_eq!(*logs[0].format, Format::envoy());
    assert_eq!(logs.needs(), crate::template::Needs::default());
}

#[test]
fn text_may_stand_in_each_of_its_places() {
    let line = "%RESPONSE_CODE%\n";
    for pb in [
        logger(FileFormat::Format(line.into())),
        of_format(FormatOf::TextFormat(line.into())),
        of_format(inline(line)),
    ] {
        assert_eq!(*compiled(&pb)[0].format, Format::text(line).unwrap());
    }
}

#[test]
fn json_has_types_and_sorted_members() {
    let list = ListValue {
        values: vec![value(text("%PROTOCOL%")), value(Kind::NumberValue(1.5))],
    };
    let json = structure(&[
        ("z", text("%RESPONSE_CODE%")),
        ("a", text("%REQ(:METHOD)% %REQ(none)%")),
        ("none", text("%REQ(none)%")),
        ("k\"", text("50%% \"off\"")),
        ("list", Kind::ListValue(list)),
        (
            "deep",
            Kind::StructValue(structure(&[("n", Kind::NumberValue(3.0))])),
        ),
        ("yes", Kind::BoolValue(true)),
        ("nothing", Kind::NullValue(0)),
    ]);
    let logs = compiled(&of_format(FormatOf::JsonFormat(json)));
    assert_eq!(
        line(&logs[0].format, &call("GET http://a/"), &ended()),
        "{\"a\":\"GET -\",\"deep\":{\"n\":3},\"k\\\"\":\"50% \\\"off\\\"\",\
         \"list\":[\"HTTP/1.1\",1.5],\"none\":null,\"nothing\":null,\"yes\":true,\"z\":503}\n"
    );
}

#[test]
fn empty_values_can_be_left_out() {
    let json = structure(&[
        ("a", text("%REQ(none)%")),
        ("b", text("x%REQ(none)%")),
        (
            "c",
            Kind::StructValue(structure(&[("d", text("%REQ(none)%"))])),
        ),
    ]);
    let logs = compiled(&logger(FileFormat::LogFormat(SubstitutionFormatString {
        format: Some(FormatOf::JsonFormat(json)),
        omit_empty_values: true,
        ..Default::default()
    })));
    let printed = line(&logs[0].format, &call("GET http://a/"), &ended());
    assert_eq!(printed, "{\"b\":\"x\"}\n");
}

#[test]
fn what_answers_say_is_kept_only_where_it_is_asked_for() {
    let needs = |text: &str| {
        let needs = compiled(&of_format(inline(text))).needs();
        (needs.response, needs.trailers)
    };
    assert_eq!(needs("%REQ(a)% %RESPONSE_CODE%"), (false, false));
    assert_eq!(
        needs("%RESP(X-Envoy-Upstream-Service-Time)%"),
        (false, false)
    );
    assert_eq!(needs("%RESP(a)%"), (true, false));
    assert_eq!(needs("%TRAILER(a)%"), (false, true));
}

#[test]
fn a_refusal_names_the_field() {
    refused(
        &of_format(inline("%NOPE%")),
        "access_log[0].typed_config.log_format.text_format_source.inline_string: the operator \
         %NOPE% is not supported",
    );
    let json = structure(&[("status", text("%DYNAMIC_METADATA(a:b)%"))]);
    refused(
        &of_format(FormatOf::JsonFormat(json)),
        "access_log[0].typed_config.log_format.json_format.status: the operator \
         %DYNAMIC_METADATA(a:b)% is not supported: no filter here writes any; leave it out",
    );
    refused(
        &logger(FileFormat::JsonFormat(Struct::default())),
        "access_log[0].typed_config.json_format: is not supported; use log_format",
    );
    refused(
        &pb::AccessLog::default(),
        "access_log[0].typed_config: is missing",
    );
}

fn filtered(by: By) -> pb::AccessLog {
    pb::AccessLog {
        filter: Some(only(by)),
        ..of_format(inline("x\n"))
    }
}

fn only(by: By) -> pb::AccessLogFilter {
    pb::AccessLogFilter {
        filter_specifier: Some(by),
    }
}

fn bound(op: Op, value: u32) -> Option<pb::ComparisonFilter> {
    Some(pb::ComparisonFilter {
        op: op.into(),
        value: Some(RuntimeUInt32 {
            default_value: value,
            runtime_key: "key".into(),
        }),
    })
}

fn status(op: Op, value: u32) -> By {
    By::StatusCodeFilter(pb::StatusCodeFilter {
        comparison: bound(op, value),
    })
}

/// Whether a request is logged that was answered 503 with the flags UF and URX after 12 ms.
#[track_caller]
fn takes(by: By) -> bool {
    let (request, ended) = (call("GET http://a/\nuser: tom"), ended());
    compiled(&filtered(by))[0].takes(&subject(&request, &ended), &mut || 30)
}

#[test]
fn filters_choose_by_status_duration_header_and_flags() {
    assert!(takes(status(Op::Ge, 500)) && !takes(status(Op::Ge, 504)));
    assert!(takes(status(Op::Eq, 503)) && !takes(status(Op::Ne, 503)));
    assert!(takes(status(Op::Le, 503)));
    let slow = |than| {
        takes(By::DurationFilter(pb::DurationFilter {
            comparison: bound(Op::Ge, than),
        }))
    };
    assert!(slow(12) && !slow(13));
    let header = |name: &str| {
        takes(By::HeaderFilter(pb::HeaderFilter {
            header: Some(HeaderMatcher {
                name: name.into(),
                ..Default::default()
            }),
        }))
    };
    assert!(header("user") && !header("other"));
    let flags = |flags: &[&str]| {
        takes(By::ResponseFlagFilter(pb::ResponseFlagFilter {
            flags: flags.iter().map(ToString::to_string).collect(),
        }))
    };
    assert!(flags(&[]) && flags(&["NR", "UF"]) && !flags(&["NR"]) && !flags(&["RL"]));
    assert!(takes(By::NotHealthCheckFilter(pb::NotHealthCheckFilter {})));
}

#[test]
fn health_checks_of_the_proxy_can_be_left_out() {
    let (request, mut ended) = (call("GET http://a/healthz"), ended());
    ended.health_check = true;
    let by = By::NotHealthCheckFilter(pb::NotHealthCheckFilter {});
    let logs = compiled(&filtered(by));
    assert!(!logs[0].takes(&subject(&request, &ended), &mut || 0));
}

#[test]
fn filters_choose_by_grpc_chance_and_one_another() {
    let grpc = |statuses: &[i32], exclude| {
        takes(By::GrpcStatusFilter(pb::GrpcStatusFilter {
            statuses: statuses.to_vec(),
            exclude,
        }))
    };
    assert!(grpc(&[14], false) && !grpc(&[14], true) && grpc(&[0], true));
    let share = |numerator| {
        takes(By::RuntimeFilter(pb::RuntimeFilter {
            percent_sampled: Some(FractionalPercent {
                numerator,
                denominator: 0,
            }),
            ..Default::default()
        }))
    };
    assert!(share(31) && !share(30));
    let both = |b| {
        let filters = vec![only(status(Op::Ge, 500)), only(status(b, 503))];
        (
            takes(By::AndFilter(pb::AndFilter {
                filters: filters.clone(),
            })),
            takes(By::OrFilter(pb::OrFilter { filters })),
        )
    };
    assert_eq!(both(Op::Eq), (true, true));
    assert_eq!(both(Op::Ne), (false, true));
}

#[test]
fn a_filter_that_cannot_be_had_is_refused() {
    refused(
        &filtered(By::TraceableFilter(pb::TraceableFilter {})),
        "access_log[0].filter.traceable_filter: is not supported",
    );
    refused(
        &filtered(By::ResponseFlagFilter(pb::ResponseFlagFilter {
            flags: vec!["UF".into(), "XX".into()],
        })),
        "access_log[0].filter.response_flag_filter.flags[1]: \"XX\" is no response flag",
    );
    refused(
        &filtered(By::AndFilter(pb::AndFilter::default())),
        "access_log[0].filter.and_filter.filters: has fewer than two",
    );
    refused(
        &filtered(By::StatusCodeFilter(pb::StatusCodeFilter::default())),
        "access_log[0].filter.status_code_filter.comparison: is missing",
    );
}
