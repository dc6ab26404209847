//! What listeners ask to be logged, and what stands in the files.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::accesslog::v3 as log;
use mesh_proto::envoy::envoy::config::core::v3::substitution_format_string::Format;
use mesh_proto::envoy::envoy::config::core::v3::{RuntimeUInt32, SubstitutionFormatString};
use mesh_proto::envoy::envoy::config::listener::v3 as pb;
use mesh_proto::envoy::envoy::config::route::v3::route_match::PathSpecifier;
use mesh_proto::envoy::envoy::extensions::access_loggers::file::v3::FileAccessLog;
use mesh_proto::envoy::envoy::extensions::access_loggers::file::v3::file_access_log::AccessLogFormat;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use mesh_proto::envoy::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use mesh_proto::envoy::google::protobuf as wkt;
use mesh_runtime::{SystemClock, Tasks};
use mesh_test::client::{Client, Http};
use mesh_test::eventually_async;
use mesh_test::origin::Origin;
use mesh_traffic::{AccessLog, Listener};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::raw::{Act, origin};
use crate::config::node::tests::mk_workload;
use crate::record::access_log::LogFiles;
use crate::record::metrics::Metrics;
use crate::record::observer::{Books, Recorder};
use crate::testing::{
    Mk, Proxy, free_address, mk_cluster, mk_config, table, tcp_filter, to_cluster,
};

fn logger(path: &Path, format: Format, at_least: u32) -> log::AccessLog {
    let file = FileAccessLog {
        path: path.to_str().unwrap().into(),
        access_log_format: Some(AccessLogFormat::LogFormat(SubstitutionFormatString {
            format: Some(format),
            ..Default::default()
        })),
    };
    let comparison = log::ComparisonFilter {
        op: log::comparison_filter::Op::Ge.into(),
        value: Some(RuntimeUInt32 {
            default_value: at_least,
            runtime_key: "status".into(),
        }),
    };
    let by = log::access_log_filter::FilterSpecifier::StatusCodeFilter(log::StatusCodeFilter {
        comparison: Some(comparison),
    });
    log::AccessLog {
        name: "file".into(),
        filter: Some(log::AccessLogFilter {
            filter_specifier: Some(by),
        }),
        config_type: Some(log::access_log::ConfigType::TypedConfig(pack(&file))),
    }
}

fn json(members: &[(&str, &str)]) -> Format {
    let value = |text: &str| wkt::Value {
        kind: Some(wkt::value::Kind::StringValue(text.into())),
    };
    let fields = members
        .iter()
        .map(|(name, text)| ((*name).to_owned(), value(text)));
    Format::JsonFormat(wkt::Struct {
        fields: fields.collect(),
    })
}

#[expect(deprecated, reason = "the short form")]
fn text(format: &str) -> Format {
    Format::TextFormat(format.into())
}

/// A listener with one chain, whose filter has these bytes put after its own.
fn listener(address: SocketAddr, mut filter: pb::Filter, more: Vec<u8>) -> Listener {
    if let Some(pb::filter::ConfigType::TypedConfig(any)) = &mut filter.config_type {
        any.value.extend(more);
    }
    let chain = pb::FilterChain {
        name: "only".into(),
        filters: vec![filter],
        ..Default::default()
    };
    let pb = Mk::default().with_chains_pb(address, vec![chain]);
    Listener::compile(&pb).unwrap()
}

/// A proxy that writes into files, and the tasks that write.
fn logging(listener: Listener, app: SocketAddr, of_all: Option<AccessLog>) -> (Proxy, Tasks) {
    let config = mk_config(vec![listener], Vec::new(), vec![mk_cluster("app", &[app])]);
    let tasks = Tasks::new(&prometheus::Registry::new());
    let books = Books {
        own: Arc::new(mk_workload()),
        metrics: Metrics::new(),
        log: of_all,
        files: LogFiles::start(&tasks),
        host_name: "host".into(),
        clock: Arc::new(SystemClock),
    };
    let proxy = Proxy::observed(config, None, move || Rc::new(Recorder::new(&books)));
    (proxy, tasks)
}

async fn lines(path: &Path, count: usize) -> Vec<String> {
    eventually_async("the lines are written", || async {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        if lines.len() >= count {
            Ok(lines)
        } else {
            Err(text)
        }
    })
    .await
}

#[tokio::test]
async fn requests_are_logged_as_their_listener_says() {
    let app = Origin::fixed("hello").await;
    let folder = tempfile::tempdir().unwrap();
    let (all, failed, own) = (
        folder.path().join("all"),
        folder.path().join("failed"),
        folder.path().join("own"),
    );
    let members = [
        ("code", "%RESPONSE_CODE%"),
        ("flags", "%RESPONSE_FLAGS%"),
        ("length", "%RESP(content-length)%"),
        ("nobody", "%REQ(x-none)%"),
        ("path", "%REQ(:PATH)%"),
        ("received", "%BYTES_RECEIVED%"),
        ("sent", "%BYTES_SENT%"),
        (
            "to",
            "%UPSTREAM_HOST% by %UPSTREAM_CLUSTER% over %UPSTREAM_PROTOCOL%",
        ),
        ("where", "%HOSTNAME% %FILTER_CHAIN_NAME%"),
    ];
    let manager = HttpConnectionManager {
        access_log: vec![
            logger(&all, json(&members), 0),
            logger(&failed, text("%RESPONSE_CODE_DETAILS% %REQ(:PATH)%\n"), 400),
        ],
        ..Default::default()
    };
    let address = free_address();
    let mut routed = to_cluster("app");
    if let Some(matched) = &mut routed.r#match {
        matched.path_specifier = Some(PathSpecifier::Prefix("/in".into()));
    }
    let mk = Mk {
        routes: Some(table("t", vec![routed])),
        ..Mk::default()
    };
    let listener = listener(address, mk.filter(), manager.encode_to_vec());
    let of_all = AccessLog::of_all(own.to_str().unwrap());
    let (_proxy, tasks) = logging(listener, app.address(), Some(of_all));
    let mut client = Client::plain(address, Http::One).await.unwrap();
    let uri = format!("http://{address}/in?x=1");
    assert_eq!(client.post(&uri, &[], "body").await.unwrap().status(), 200);
    let uri = format!("http://{address}/out");
    assert_eq!(client.post(&uri, &[], "").await.unwrap().status(), 404);
    let to = format!("{} by app over HTTP/1.1", app.address());
    assert_eq!(
        lines(&all, 2).await,
        [
            format!(
                "{{\"code\":200,\"flags\":\"-\",\"length\":\"5\",\"nobody\":null,\
                 \"path\":\"/in?x=1\",\"received\":4,\"sent\":5,\"to\":\"{to}\",\
                 \"where\":\"host only\"}}"
            ),
            "{\"code\":404,\"flags\":\"NR\",\"length\":\"0\",\"nobody\":null,\"path\":\"/out\",\
             \"received\":0,\"sent\":0,\"to\":\"- by - over -\",\"where\":\"host only\"}"
                .to_owned(),
        ]
    );
    assert_eq!(lines(&failed, 1).await, ["route_not_found /out"]);
    assert!(tasks.stop(Duration::from_secs(20)).await);
    assert!(!own.exists(), "a listener's own logs stand for that of all");
}

#[tokio::test]
async fn connections_that_are_passed_on_are_logged() {
    let (app, _tasks) = origin(&[Act::AnswerAndClose]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let format = "%REQ(:METHOD)% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER% %UPSTREAM_HOST% \
                  %RESPONSE_FLAGS% %ACCESS_LOG_TYPE%\n";
    let proxy = TcpProxy {
        access_log: vec![logger(&path, text(format), 0)],
        ..Default::default()
    };
    let address = free_address();
    let (_proxy, writers) = logging(
        listener(address, tcp_filter("app"), proxy.encode_to_vec()),
        app,
        None,
    );
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    drop(client);
    let sent = answer.len();
    assert_eq!(
        lines(&path, 1).await,
        [format!("- 18 {sent} app {app} - TcpConnectionEnd")]
    );
    assert!(writers.stop(Duration::from_secs(20)).await);
}

#[tokio::test]
async fn connections_that_nobody_takes_are_logged_with_the_reason() {
    let nobody = free_address();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let format = "%RESPONSE_FLAGS% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %BYTES_SENT% \
                  \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\"\n";
    let proxy = TcpProxy {
        access_log: vec![logger(&path, text(format), 0)],
        ..Default::default()
    };
    let address = free_address();
    let (_proxy, writers) = logging(
        listener(address, tcp_filter("app"), proxy.encode_to_vec()),
        nobody,
        None,
    );
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    let _reset = client.read_to_end(&mut answer).await;
    let line = lines(&path, 1).await.remove(0);
    assert!(line.starts_with("UF"), "{line}");
    assert!(line.contains(&nobody.to_string()), "{line}");
    assert!(writers.stop(Duration::from_secs(20)).await);
}
