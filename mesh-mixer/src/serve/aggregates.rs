//! The telemetry stream: gRPC over mutual TLS, one stream per proxy.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use mesh_identity::{PeerInfo, tls_incoming};
use mesh_model::ident::{SpiffeId, TrustDomain};
use mesh_pki::live::LiveIdentity;
use mesh_pki::tls::{ALPN_H2, ClientAuth, TrustPolicy, server_config};
use mesh_proto::telemetry::telemetry_service_server::{TelemetryService, TelemetryServiceServer};
use mesh_proto::telemetry::{ReportRequest, ReportResponse};
use mesh_runtime::Tasks;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::hub::{Broken, Hub};
use crate::store::NotCounted;

/// Longest batch that is read.
const MAX_BATCH: usize = 4 * 1024 * 1024;
/// Streams of one connection; a proxy has one.
const STREAMS: u32 = 8;
/// Silence after which a connection is probed, and how long the answer may take.
const PROBE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// Why the service cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The TLS library refuses the configuration.
    #[error("the TLS configuration is refused")]
    Tls(#[from] rustls::Error),
    /// The server ended.
    #[error("the telemetry server ended")]
    Server(#[from] tonic::transport::Error),
}

struct Aggregates {
    hub: Hub,
    trust_domain: TrustDomain,
    tasks: Tasks,
}

type Answers = Pin<Box<dyn Stream<Item = Result<ReportResponse, Status>> + Send>>;

/// Serves the telemetry stream to workloads of the trust domain until `tasks` are asked to stop.
///
/// # Errors
/// When TLS cannot be configured or the server breaks.
pub async fn serve(
    hub: Hub,
    identity: &LiveIdentity,
    listener: TcpListener,
    tasks: &Tasks,
) -> Result<(), ServeError> {
    let trust_domain = identity.current().spiffe_id().trust_domain().clone();
    let policy = TrustPolicy {
        trust_domain: trust_domain.clone(),
    };
    let config = server_config(identity, policy, ClientAuth::Required, &[ALPN_H2])?;
    let service = Aggregates {
        hub,
        trust_domain,
        tasks: tasks.clone(),
    };
    let service = TelemetryServiceServer::new(service).max_decoding_message_size(MAX_BATCH);
    let incoming = tls_incoming(listener, Arc::new(config), tasks);
    Server::builder()
        .http2_keepalive_interval(Some(PROBE.0))
        .http2_keepalive_timeout(Some(PROBE.1))
        .max_concurrent_streams(STREAMS)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, tasks.stopping().clone().cancelled_owned())
        .await?;
    Ok(())
}

#[tonic::async_trait]
impl TelemetryService for Aggregates {
    type ReportStream = Answers;

    async fn report(
        &self,
        request: Request<Streaming<ReportRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let peer = authorise(request.extensions().get(), &self.trust_domain)?;
        let mut reader = self.hub.reader(peer.clone());
        let stopping = self.tasks.stopping().clone().cancelled_owned();
        let answers = request
            .into_inner()
            .take_until(stopping)
            .map(move |batch| reader.take(&batch?).map_err(|why| refuse(&peer, &why)));
        Ok(Response::new(Box::pin(answers)))
    }
}

/// Who may report: any workload of the trust domain, and nobody else.
fn authorise(peer: Option<&PeerInfo>, trust_domain: &TrustDomain) -> Result<SpiffeId, Status> {
    let identity = peer.and_then(|peer| peer.identity.as_ref());
    let identity = identity.ok_or_else(|| Status::unauthenticated("no SPIFFE ID was shown"))?;
    if identity.trust_domain() != trust_domain || identity.path().is_empty() {
        return Err(Status::permission_denied(format!(
            "{identity} is no workload of {trust_domain}"
        )));
    }
    Ok(identity.clone())
}

fn refuse(peer: &SpiffeId, why: &Broken) -> Status {
    tracing::warn!(%peer, error = %why, "telemetry stream refused");
    let text = why.to_string();
    match why {
        Broken::NotCounted(NotCounted::NotYours) => Status::permission_denied(text),
        Broken::NotCounted(NotCounted::TooMany | NotCounted::TooManyOfYours) => {
            Status::resource_exhausted(text)
        }
        Broken::Instance | Broken::NotCounted(NotCounted::NoNumber) => {
            Status::invalid_argument(text)
        }
        Broken::NotCounted(NotCounted::NotOpen) => Status::failed_precondition(text),
    }
}

#[cfg(test)]
mod tests;
