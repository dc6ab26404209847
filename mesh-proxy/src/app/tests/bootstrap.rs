//! A proxy that has a file of Envoy's instead of a mesh.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_model::ident::SpiffeId;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::listener::v3::Listener;
use mesh_proto::json::Descriptors;
use mesh_test::eventually_async;
use mesh_xds::server::{Admission, ClientKey, Hub};
use mesh_xds::{Kind, Node, Resource, Resources};
use tokio_stream::wrappers::TcpListenerStream;

use super::*;
use crate::bootstrap::flags::BootstrapFlags;

const DEADLINE: Duration = Duration::from_secs(20);

/// A listener that answers everything by itself.
fn listener(address: SocketAddr, answer: &str) -> String {
    format!(
        r#"{{ name: edge, address: {{ socket_address: {{ address: {}, port_value: {} }} }},
        filter_chains: [{{ filters: [{{ name: http, typed_config: {{
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
          stat_prefix: edge,
          http_filters: [{{ name: envoy.filters.http.router, typed_config: {{
            "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }} }}],
          route_config: {{ virtual_hosts: [{{ name: all, domains: ["*"], routes: [{{
            match: {{ prefix: / }}, direct_response: {{ status: 200, body: {{ inline_string: {answer} }} }} }}] }}] }}
        }} }}] }}] }}"#,
        address.ip(),
        address.port()
    )
}

/// A port that is free now.
async fn free() -> SocketAddr {
    mk_socket().await.local_addr().unwrap()
}

fn settings(text: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("envoy.yaml");
    std::fs::write(&file, text).unwrap();
    let flags = ["mesh-proxy bootstrap", "-c", file.to_str().unwrap()];
    BootstrapFlags::try_parse_from(flags)
        .unwrap()
        .settings()
        .unwrap()
}

/// Runs a proxy until `asking` is done.
async fn while_it_runs(settings: Settings, asking: impl Future<Output = ()>) {
    validate(&settings).unwrap();
    let deps = Deps::of_process(&settings).await.unwrap();
    let shutdown = deps.shutdown.clone();
    let asking = async {
        asking.await;
        shutdown.cancel();
    };
    let (ended, ()) = tokio::join!(Box::pin(run(settings, deps)), asking);
    ended.unwrap();
}

async fn answers(address: SocketAddr, answer: &str) {
    eventually_async("it answers", || async {
        let got = get(&format!("http://{address}/"), &[]).await;
        let got = got.map_err(|error| error.to_string())?;
        match got.body() == answer {
            true => Ok(()),
            false => Err(format!("{:?}", got.body())),
        }
    })
    .await;
}

#[tokio::test]
async fn a_file_is_all_it_needs() {
    let (edge, admin) = (free().await, free().await);
    let text = format!(
        "node: {{ id: edge-7, metadata: {{ tier: front }} }}\n\
         admin: {{ address: {{ socket_address: {{ address: {}, port_value: {} }} }} }}\n\
         static_resources: {{ listeners: [{}] }}",
        admin.ip(),
        admin.port(),
        listener(edge, "fixed")
    );
    let asking = async {
        answers(edge, "fixed").await;
        let ready = get(&format!("http://{admin}/ready"), &[]).await.unwrap();
        assert_eq!(
            (ready.status().as_u16(), ready.body()),
            (200, &Bytes::from("LIVE\n"))
        );
        let info = get(&format!("http://{admin}/server_info"), &[]).await;
        let info = info.unwrap();
        let info: serde_json::Value = serde_json::from_slice(info.body()).unwrap();
        assert_eq!(info["node"]["id"], "edge-7");
        assert_eq!(info["node"]["metadata"]["tier"], "front");
    };
    Box::pin(while_it_runs(settings(&text), asking)).await;
}

struct Anyone;

impl Admission for Anyone {
    fn admit(&self, node: &Node, _peer: Option<&SpiffeId>) -> Result<ClientKey, tonic::Status> {
        Ok(node.id.clone())
    }

    fn connected(&self, _key: &ClientKey, _node: &Node) {}

    fn gone(&self, _key: &ClientKey) {}
}

/// A server that is not pilot.
async fn serve() -> (Hub, SocketAddr, Tasks) {
    let tasks = Tasks::new(&Registry::new());
    let clock = Arc::new(SystemClock);
    let hub = Hub::new(Arc::new(Anyone), tasks.clone(), clock, |_| None);
    let socket = mk_socket().await;
    let address = socket.local_addr().unwrap();
    let (service, stopping) = (hub.service(), tasks.stopping().clone());
    tasks.spawn("server", async move {
        let serving = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming_shutdown(TcpListenerStream::new(socket), stopping.cancelled());
        serving.await.unwrap();
    });
    (hub, address, tasks)
}

async fn is_told_by_a_server(api_type: &str) {
    let (hub, control, tasks) = serve().await;
    let edge = free().await;
    let text = format!(
        r#"
node: {{ id: edge-1, cluster: edge }}
static_resources:
  clusters:
  - name: control
    type: STATIC
    load_assignment:
      cluster_name: control
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address:
        {{ address: {}, port_value: {} }} }} }} }}] }}]
dynamic_resources:
  lds_config: {{ resource_api_version: V3, ads: {{}} }}
  cds_config: {{ resource_api_version: V3, ads: {{}} }}
  ads_config:
    api_type: {api_type}
    transport_api_version: V3
    grpc_services: [{{ envoy_grpc: {{ cluster_name: control }} }}]
"#,
        control.ip(),
        control.port()
    );
    let descriptors = Descriptors::load().unwrap();
    let asking = async {
        let mut changes = hub.changes();
        while hub.status().is_empty() {
            changes.changed().await.unwrap();
        }
        for (version, answer) in [(1, "first"), (2, "second")] {
            let text = serde_saphyr::from_str(&listener(edge, answer)).unwrap();
            let sent: Listener = descriptors.read(&text).unwrap();
            let listeners = [("edge".to_owned(), Resource::new(pack(&sent)))].into();
            let resources = Resources {
                version,
                by_type: [(Kind::Listener.type_url(), listeners)].into(),
            };
            hub.publish(&"edge-1".to_owned(), Arc::new(resources));
            answers(edge, answer).await;
        }
        while hub.status()[0].acked_version != Some(2) {
            changes.changed().await.unwrap();
        }
    };
    Box::pin(while_it_runs(settings(&text), asking)).await;
    assert!(tasks.stop(DEADLINE).await);
}

#[tokio::test]
async fn a_server_may_tell_it_more_by_differences() {
    Box::pin(is_told_by_a_server("DELTA_GRPC")).await;
}

#[tokio::test]
async fn a_server_may_tell_it_everything_each_time() {
    Box::pin(is_told_by_a_server("GRPC")).await;
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let flags = ["mesh-proxy bootstrap", "-c", "/nowhere/envoy.yaml"];
    let flags = BootstrapFlags::try_parse_from(flags).unwrap();
    let error = format!("{:#}", flags.settings().unwrap_err());
    assert!(
        error.starts_with("--config-path /nowhere/envoy.yaml: "),
        "{error}"
    );
}
