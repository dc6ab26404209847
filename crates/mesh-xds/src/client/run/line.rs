//! One stream, whichever variant of discovery it speaks.

use mesh_proto::envoy::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use mesh_proto::envoy::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::{Variant, explain};
use crate::client::whole::Whole;

/// Requests on their way to the server; the server always reads, so a full queue empties.
const QUEUE: usize = 16;
/// Largest response that is read.
const MAX_RESPONSE: usize = 64 << 20;

/// A stream that was begun.
pub(super) enum Line<'a> {
    /// Differences.
    Delta(
        mpsc::Sender<DeltaDiscoveryRequest>,
        Streaming<DeltaDiscoveryResponse>,
    ),
    /// Everything each time.
    Whole(
        &'a mut Whole,
        mpsc::Sender<DiscoveryRequest>,
        Streaming<DiscoveryResponse>,
    ),
}

impl<'a> Line<'a> {
    /// Begins a stream by what is asked for first.
    pub(super) async fn open(
        channel: Channel,
        variant: Variant,
        whole: &'a mut Whole,
        first: Vec<DeltaDiscoveryRequest>,
    ) -> Result<Self, String> {
        let mut client =
            AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(MAX_RESPONSE);
        let refused = |status: Status| explain(&status);
        match variant {
            Variant::Delta => {
                let (requests, outgoing) = queue(first)?;
                let stream = client.delta_aggregated_resources(outgoing).await;
                Ok(Self::Delta(requests, stream.map_err(refused)?.into_inner()))
            }
            Variant::StateOfTheWorld => {
                whole.connect();
                let first = first.into_iter().map(|request| whole.request(request));
                let (requests, outgoing) = queue(first.collect())?;
                let stream = client.stream_aggregated_resources(outgoing).await;
                let responses = stream.map_err(refused)?.into_inner();
                Ok(Self::Whole(whole, requests, responses))
            }
        }
    }

    /// The next response; nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<DeltaDiscoveryResponse>, Status> {
        match self {
            Self::Delta(_, responses) => responses.message().await,
            Self::Whole(whole, _, responses) => {
                let response = responses.message().await?;
                Ok(response.map(|response| whole.response(response)))
            }
        }
    }

    /// Sends a request; false when the connection is gone, which says so on the way back.
    pub(super) async fn send(&mut self, request: DeltaDiscoveryRequest) -> bool {
        match self {
            Self::Delta(requests, _) => requests.send(request).await.is_ok(),
            Self::Whole(whole, requests, _) => requests.send(whole.request(request)).await.is_ok(),
        }
    }
}

fn queue<T>(first: Vec<T>) -> Result<(mpsc::Sender<T>, ReceiverStream<T>), String> {
    let (requests, outgoing) = mpsc::channel(QUEUE);
    for request in first {
        if requests.try_send(request).is_err() {
            return Err("more first requests than the queue holds".to_owned());
        }
    }
    Ok((requests, ReceiverStream::new(outgoing)))
}
