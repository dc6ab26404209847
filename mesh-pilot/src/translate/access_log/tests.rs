use mesh_proto::envoy::google::protobuf::value::Kind;

use super::*;

fn listener(filter: Any) -> proto::Listener {
    let filter = proto::Filter {
        config_type: Some(proto::filter::ConfigType::TypedConfig(filter)),
        ..Default::default()
    };
    let chain = proto::FilterChain {
        filters: vec![filter],
        ..Default::default()
    };
    proto::Listener {
        filter_chains: vec![chain.clone()],
        default_filter_chain: Some(chain),
        ..Default::default()
    }
}

fn logging(format: LogFormat) -> AccessLogging {
    AccessLogging {
        file: "/dev/stdout".into(),
        format,
    }
}

/// The only logger of each chain, as it is unpacked.
fn loggers<M: Message + Name + Default>(
    listener: &proto::Listener,
    logs: impl Fn(M) -> Vec<log::AccessLog>,
) -> Vec<FileAccessLog> {
    let chains = listener.filter_chains.iter();
    let chains = chains.chain(&listener.default_filter_chain);
    let logger = chains.map(|chain| {
        let Some(proto::filter::ConfigType::TypedConfig(any)) = &chain.filters[0].config_type
        else {
            panic!("{chain:?}");
        };
        let logs = logs(any::unpack(any).unwrap());
        let [log] = logs.as_slice() else {
            panic!("{logs:?}");
        };
        assert_eq!(log.name, "envoy.access_loggers.file");
        let Some(log::access_log::ConfigType::TypedConfig(any)) = &log.config_type else {
            panic!("{log:?}");
        };
        any::unpack(any).unwrap()
    });
    logger.collect()
}

#[test]
fn every_chain_gets_the_log_and_keeps_what_it_has() {
    let manager = HttpConnectionManager {
        stat_prefix: "http".into(),
        ..Default::default()
    };
    let proxy = TcpProxy {
        stat_prefix: "tcp".into(),
        ..Default::default()
    };
    let mut made = [listener(pack(&manager)), listener(pack(&proxy))];
    put(&logging(LogFormat::Text("x\n".into())), made.iter_mut());
    let of_http = loggers(&made[0], |manager: HttpConnectionManager| {
        assert_eq!(manager.stat_prefix, "http");
        manager.access_log
    });
    let of_tcp = loggers(&made[1], |proxy: TcpProxy| {
        assert_eq!(proxy.stat_prefix, "tcp");
        proxy.access_log
    });
    let expect = FileAccessLog {
        path: "/dev/stdout".into(),
        access_log_format: Some(AccessLogFormat::LogFormat(text_format("x\n"))),
    };
    assert_eq!(of_http, [expect.clone(), expect.clone()]);
    assert_eq!(of_tcp, [expect.clone(), expect]);
}

#[test]
fn json_is_what_the_message_makes_of_it() {
    let members = serde_json::json!({
        "code": "%RESPONSE_CODE%",
        "deep": { "list": [1.5, true, null, "x"] },
    });
    let mut made = [listener(pack(&TcpProxy::default()))];
    let format = LogFormat::Json(members.as_object().unwrap().clone());
    put(&logging(format), made.iter_mut());
    let file = loggers(&made[0], |proxy: TcpProxy| proxy.access_log).remove(0);
    let Some(AccessLogFormat::LogFormat(format)) = file.access_log_format else {
        panic!("{file:?}");
    };
    let Some(core::substitution_format_string::Format::JsonFormat(json)) = format.format else {
        panic!("{format:?}");
    };
    assert_eq!(
        json.fields["code"].kind,
        Some(Kind::StringValue("%RESPONSE_CODE%".into()))
    );
    let Some(Kind::StructValue(deep)) = &json.fields["deep"].kind else {
        panic!("{json:?}");
    };
    let Some(Kind::ListValue(list)) = &deep.fields["list"].kind else {
        panic!("{deep:?}");
    };
    let kinds: Vec<_> = list.values.iter().map(|value| value.kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            Some(Kind::NumberValue(1.5)),
            Some(Kind::BoolValue(true)),
            Some(Kind::NullValue(0)),
            Some(Kind::StringValue("x".into())),
        ]
    );
}

#[test]
fn equal_logs_have_equal_bytes() {
    let members = (0..40).map(|n| (format!("m{n}"), Value::from(n)));
    let format = LogFormat::Json(members.clone().collect());
    let back = LogFormat::Json(members.rev().collect());
    assert_eq!(file(&logging(format)), file(&logging(back)));
}
