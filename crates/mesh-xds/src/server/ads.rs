//! The gRPC service: one task per stream, which moves messages between the client, the hub and the
//! stream's state machine.

use std::sync::Arc;
use std::time::Duration;

use mesh_model::ident::SpiffeId;
use mesh_proto::envoy::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryService;
use mesh_proto::envoy::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::Resources;
use crate::server::hub::Membership;
use crate::server::speech::{Delta, Speech, StateOfTheWorld};
use crate::server::{Hub, Machine};

/// How often the server asks an idle connection for a sign of life (Istio's GRPC_KEEPALIVE_INTERVAL).
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long it waits for that sign (Istio's GRPC_KEEPALIVE_TIMEOUT).
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to say who it is.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// How long a message may wait for a client that does not read.
const SEND_DEADLINE: Duration = Duration::from_secs(30);
/// Messages between the stream's task and the connection; what is newer waits as a snapshot.
const QUEUE: usize = 1;

type Outbound<S> = mpsc::Sender<Result<<S as Speech>::Response, Status>>;
type Inbound<S> = Streaming<<S as Speech>::Request>;
type Responses<S> = ReceiverStream<Result<<S as Speech>::Response, Status>>;

/// The aggregated discovery service over a [`Hub`].
pub struct Ads {
    hub: Hub,
}

impl Ads {
    pub(super) fn new(hub: Hub) -> Self {
        Self { hub }
    }
}

impl Ads {
    fn begin<S: Speech>(&self, request: Request<Inbound<S>>) -> Response<Responses<S>> {
        let peer = self.hub.peer(request.extensions());
        let (outbound, responses) = mpsc::channel(QUEUE);
        let hub = self.hub.clone();
        let inbound = request.into_inner();
        self.hub.tasks().spawn("xds stream", async move {
            if let Err(status) = serve::<S>(&hub, peer, inbound, &outbound).await {
                tracing::debug!(code = ?status.code(), error = status.message(), "xds stream ended");
                // A client that is gone, or does not read, need not hear why.
                let _unheard = outbound.try_send(Err(status));
            }
        });
        Response::new(ReceiverStream::new(responses))
    }
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = ReceiverStream<Result<DiscoveryResponse, Status>>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Ok(self.begin::<StateOfTheWorld>(request))
    }

    type DeltaAggregatedResourcesStream = ReceiverStream<Result<DeltaDiscoveryResponse, Status>>;

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Ok(self.begin::<Delta>(request))
    }
}

/// Serves one stream from its first request to its end.
async fn serve<S: Speech>(
    hub: &Hub,
    peer: Option<SpiffeId>,
    mut inbound: Inbound<S>,
    outbound: &Outbound<S>,
) -> Result<(), Status> {
    let stopping = hub.tasks().stopping().clone();
    let first = tokio::select! {
        first = tokio::time::timeout(FIRST_REQUEST, inbound.message()) => first,
        () = stopping.cancelled() => return Err(Status::unavailable("the server is stopping")),
    };
    let Some(first) = first.map_err(|_| Status::deadline_exceeded("no request came"))?? else {
        return Ok(());
    };
    let Some(node) = S::node(&first).filter(|node| !node.id.is_empty()) else {
        return Err(Status::invalid_argument(
            "the first request must name its node: node.id is missing",
        ));
    };
    let key = hub.admission().admit(node, peer.as_ref())?;
    tracing::info!(proxy = %key, "proxy connected");
    let membership = hub.join(&key, node);
    let stream = membership.stream;
    let end = exchange::<S>(hub, membership, first, inbound, outbound).await;
    hub.leave(&key, stream);
    tracing::info!(proxy = %key, "proxy disconnected");
    end
}

enum Event<'a, S: Speech> {
    Request(Box<S::Request>),
    End(Result<(), Status>),
    Snapshot(Option<Arc<Resources>>),
    Room(mpsc::Permit<'a, Result<S::Response, Status>>),
}

async fn exchange<S: Speech>(
    hub: &Hub,
    membership: Membership,
    first: S::Request,
    mut inbound: Inbound<S>,
    outbound: &Outbound<S>,
) -> Result<(), Status> {
    let Membership {
        stream,
        mut snapshot,
        ended,
    } = membership;
    let mut machine = Machine::new();
    let mut speech = S::default();
    let mut waiting: Option<S::Response> = None;
    let mut event = Event::<S>::Request(Box::new(first));
    let mut patience = Box::pin(tokio::time::sleep(SEND_DEADLINE));
    loop {
        match event {
            Event::Request(request) => {
                if let Some(request) = speech.request(*request) {
                    on_request(&mut machine, &request)?;
                }
            }
            Event::Snapshot(Some(resources)) => machine.publish(resources),
            Event::Snapshot(None) => {}
            Event::Room(permit) => {
                if let Some(response) = waiting.take() {
                    permit.send(Ok(response));
                }
            }
            Event::End(end) => return end,
        }
        if waiting.is_none() {
            let next = machine.next_response();
            waiting = next.map(|(response, snapshot)| speech.response(response, &snapshot));
            patience.set(tokio::time::sleep(SEND_DEADLINE));
        }
        report(hub, stream, &machine);
        event = tokio::select! {
            room = outbound.reserve(), if waiting.is_some() => match room {
                Ok(permit) => Event::Room(permit),
                Err(_closed) => Event::End(Ok(())),
            },
            message = inbound.message() => match message {
                Ok(Some(request)) => Event::Request(Box::new(request)),
                Ok(None) => Event::End(Ok(())),
                Err(status) => Event::End(Err(status)),
            },
            newer = newer(&mut snapshot) => Event::Snapshot(newer),
            () = ended.cancelled() => Event::End(Err(Status::unavailable(
                "the server is stopping, or the client is no longer welcome",
            ))),
            () = &mut patience, if waiting.is_some() => Event::End(Err(
                Status::deadline_exceeded("the client does not read its updates"),
            )),
        };
    }
}

/// Waits for a snapshot that the stream has not seen.
async fn newer(snapshot: &mut watch::Receiver<Option<Arc<Resources>>>) -> Option<Arc<Resources>> {
    if snapshot.changed().await.is_err() {
        // The hub keeps the sender while the stream is a member; without it nothing comes.
        std::future::pending::<()>().await;
    }
    snapshot.borrow_and_update().clone()
}

fn on_request(machine: &mut Machine, request: &DeltaDiscoveryRequest) -> Result<(), Status> {
    if let Some(error) = &request.error_detail {
        tracing::warn!(
            type_url = %request.type_url,
            nonce = %request.response_nonce,
            error = %error.message,
            "configuration refused by a proxy"
        );
    }
    machine
        .on_request(request)
        .map_err(|refused| Status::resource_exhausted(refused.to_string()))
}

fn report(hub: &Hub, stream: u64, machine: &Machine) {
    hub.update(stream, |status| {
        status.types = machine.status();
        status.published_version = machine.published_version();
        status.acked_version = machine.acked_version();
    });
}

#[cfg(test)]
mod tests;
