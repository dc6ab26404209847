//! What runs beside an Envoy in a pod: it hands out the workload's certificate and the roots (SDS).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3::{DataSource, data_source::Specifier};
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as tls;
use mesh_proto::envoy::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use mesh_proto::envoy::envoy::service::secret::v3::secret_discovery_service_server::{
    SecretDiscoveryService, SecretDiscoveryServiceServer,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::certificates::Certificates;

/// A running agent; dropping it ends it.
pub(super) struct Agent {
    pub(super) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Agent {
    /// Serves these.
    pub(super) async fn start(own: &Certificates) -> Self {
        let inline = |text: &str| DataSource {
            specifier: Some(Specifier::InlineString(text.to_owned())),
            ..Default::default()
        };
        let certificate = tls::secret::Type::TlsCertificate(tls::TlsCertificate {
            certificate_chain: Some(inline(&own.chain)),
            private_key: Some(inline(&own.key)),
            ..Default::default()
        });
        let roots = tls::secret::Type::ValidationContext(tls::CertificateValidationContext {
            trusted_ca: Some(inline(&own.roots)),
            ..Default::default()
        });
        let secrets = Secrets(Arc::new(BTreeMap::from([
            ("default", certificate),
            ("ROOTCA", roots),
        ])));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let service = SecretDiscoveryServiceServer::new(secrets);
            let server = Server::builder().add_service(service);
            let incoming = TcpListenerStream::new(listener);
            server.serve_with_incoming(incoming).await.unwrap();
        });
        Self {
            address,
            _tasks: tasks,
        }
    }
}

#[derive(Clone)]
struct Secrets(Arc<BTreeMap<&'static str, tls::secret::Type>>);

impl Secrets {
    fn answer(&self, asked: &DiscoveryRequest) -> DiscoveryResponse {
        let resource = |name: &String| {
            let content = self.0.get(name.as_str())?.clone();
            Some(pack(&tls::Secret {
                name: name.clone(),
                r#type: Some(content),
            }))
        };
        DiscoveryResponse {
            version_info: "1".to_owned(),
            nonce: "1".to_owned(),
            type_url: asked.type_url.clone(),
            resources: asked.resource_names.iter().filter_map(resource).collect(),
            ..Default::default()
        }
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl SecretDiscoveryService for Secrets {
    type StreamSecretsStream = Answers<DiscoveryResponse>;

    async fn stream_secrets(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let secrets = self.clone();
        let answers = request.into_inner().filter_map(move |asked| {
            let answer = match asked {
                // One with a nonce says that it has them.
                Ok(asked) if asked.response_nonce.is_empty() => Some(Ok(secrets.answer(&asked))),
                Ok(_) => None,
                Err(status) => Some(Err(status)),
            };
            std::future::ready(answer)
        });
        Ok(Response::new(Box::pin(answers)))
    }

    type DeltaSecretsStream = Answers<DeltaDiscoveryResponse>;

    async fn delta_secrets(
        &self,
        _request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        Err(Status::unimplemented("pilot says GRPC, not DELTA_GRPC"))
    }

    async fn fetch_secrets(
        &self,
        _request: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented("pilot says GRPC, not REST"))
    }
}
