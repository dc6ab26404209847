//! What a client that does not keep to the protocol gets.

use mesh_proto::envoy::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use mesh_runtime::{SystemClock, Tasks};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic::transport::{Channel, Server};

use super::*;
use crate::server::{Admission, ClientKey};
use crate::{Kind, Node, Resource};

struct Anyone;

impl Admission for Anyone {
    fn admit(&self, node: &Node, _peer: Option<&SpiffeId>) -> Result<ClientKey, Status> {
        Ok(node.id.clone())
    }

    fn connected(&self, _key: &ClientKey, _node: &Node) {}

    fn gone(&self, _key: &ClientKey) {}
}

async fn serve_anyone() -> (Hub, AggregatedDiscoveryServiceClient<Channel>) {
    let tasks = Tasks::new(&prometheus::Registry::new());
    let hub = Hub::new(
        Arc::new(Anyone),
        tasks.clone(),
        Arc::new(SystemClock),
        |_| None,
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = hub.service();
    tasks.spawn("server", async move {
        let incoming = TcpListenerStream::new(listener);
        Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming)
            .await
            .unwrap();
    });
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let client = AggregatedDiscoveryServiceClient::new(channel.connect().await.unwrap());
    (hub, client)
}

struct Raw {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

impl Raw {
    async fn open(client: &mut AggregatedDiscoveryServiceClient<Channel>) -> Self {
        let (requests, outgoing) = mpsc::channel(8);
        let outgoing = ReceiverStream::new(outgoing);
        let responses = client
            .delta_aggregated_resources(outgoing)
            .await
            .unwrap()
            .into_inner();
        Self {
            requests,
            responses,
        }
    }

    async fn say(&self, node: &str, type_url: &str, nonce: &str) {
        let request = DeltaDiscoveryRequest {
            node: Some(Node {
                id: node.to_owned(),
                ..Node::default()
            }),
            type_url: type_url.to_owned(),
            response_nonce: nonce.to_owned(),
            ..Default::default()
        };
        self.requests.send(request).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_without_a_node_is_turned_away() {
    let (_hub, mut client) = serve_anyone().await;
    let mut raw = Raw::open(&mut client).await;
    raw.say("", Kind::Cluster.type_url(), "").await;
    let status = raw.responses.message().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("node.id"), "{}", status.message());
}

#[tokio::test]
async fn unknown_types_and_wrong_nonces_do_no_harm() {
    let (hub, mut client) = serve_anyone().await;
    let mut raw = Raw::open(&mut client).await;
    raw.say("a", "type.googleapis.com/nothing.Known", "").await;
    raw.say("a", Kind::Cluster.type_url(), "a nonce that never was")
        .await;
    let mut changes = hub.changes();
    while hub.status().is_empty() {
        changes.changed().await.unwrap();
    }
    let resource = Resource::new(mesh_proto::Any::default());
    let clusters = [("c".to_owned(), resource)].into();
    let resources = Resources {
        version: 1,
        by_type: [(Kind::Cluster.type_url(), clusters)].into(),
    };
    hub.publish(&"a".to_owned(), Arc::new(resources));
    let response = raw.responses.message().await.unwrap().unwrap();
    assert_eq!(response.resources[0].name, "c");
    raw.say("a", Kind::Cluster.type_url(), "wrong").await;
    raw.say("a", Kind::Cluster.type_url(), &response.nonce)
        .await;
    while hub.status()[0].acked_version != Some(1) {
        changes.changed().await.unwrap();
    }
}
