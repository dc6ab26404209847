//! gRPC's health protocol: `grpc.health.v1.Health/Check`, which has one question.

use std::net::SocketAddr;

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use hyper_util::rt::TokioIo;
use tonic::client::Grpc;
use tonic::transport::Endpoint;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::dial;
use crate::probe::Failed;

const CHECK: &str = "/grpc.health.v1.Health/Check";
/// `HealthCheckResponse.ServingStatus.SERVING`.
const SERVING: i32 = 1;

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HealthCheckRequest {
    /// The service; empty for the server as a whole.
    #[prost(string, tag = "1")]
    pub(crate) service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct HealthCheckResponse {
    /// `ServingStatus`.
    #[prost(int32, tag = "1")]
    pub(crate) status: i32,
}

/// Succeeds when the service serves.
pub(super) async fn ask(
    address: SocketAddr,
    service: &str,
    agent: Option<&HeaderValue>,
) -> Result<(), Failed> {
    let failed = |error: &dyn std::fmt::Display| Failed::Grpc(error.to_string());
    let uri = Uri::builder()
        .scheme("http")
        .authority(address.to_string())
        .path_and_query("/")
        .build()?;
    let mut endpoint = Endpoint::from(uri);
    if let Some(agent) = agent {
        endpoint = endpoint
            .user_agent(agent.clone())
            .map_err(|error| failed(&error))?;
    }
    let stream = dial::connect(address).await.map_err(Failed::Connect)?;
    // One connection for one question: nobody dials again.
    let mut once = Some(TokioIo::new(stream));
    let connect = tower::service_fn(move |_: Uri| {
        let stream = once.take().ok_or(std::io::ErrorKind::NotConnected);
        std::future::ready(stream.map_err(std::io::Error::from))
    });
    let channel = endpoint.connect_with_connector(connect).await;
    let mut client = Grpc::new(channel.map_err(|error| failed(&error))?);
    client.ready().await.map_err(|error| failed(&error))?;
    let question = Request::new(HealthCheckRequest {
        service: service.to_owned(),
    });
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let answer = client.unary(question, PathAndQuery::from_static(CHECK), codec);
    match answer.await {
        Ok(answer) if answer.get_ref().status == SERVING => Ok(()),
        Ok(_) => Err(Failed::Grpc(format!("service {service:?} does not serve"))),
        Err(status) => Err(refused(&status, service)),
    }
}

fn refused(status: &tonic::Status, service: &str) -> Failed {
    Failed::Grpc(match status.code() {
        Code::Unimplemented => "the server has no grpc.health.v1.Health".to_owned(),
        Code::NotFound => format!("the server does not know the service {service:?}"),
        code => format!("{code}: {}", status.message()),
    })
}
