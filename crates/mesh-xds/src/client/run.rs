//! Keeps the stream: connects, comes back with growing pauses, and carries messages between the
//! server, the state machine and the handler.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mesh_model::time::Backoff;
use mesh_proto::envoy::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use mesh_proto::envoy::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use mesh_runtime::Tasks;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::Node;
use crate::client::stream::Machine;
use crate::client::{Handler, Update};

/// First pause after a stream ended.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a connection may take to come about.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Requests on their way to the server; the server always reads, so a full queue empties.
const QUEUE: usize = 16;
/// Largest response that is read.
const MAX_RESPONSE: usize = 64 << 20;

/// Why there is no channel.
pub type ConnectError = Box<dyn std::error::Error + Send + Sync>;

/// Makes a channel to the server, anew for each stream.
pub type ChannelMaker = Arc<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<Channel, ConnectError>> + Send>> + Send + Sync,
>;

/// How the stream fares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// A stream is open.
    pub connected: bool,
    /// Streams begun since the start.
    pub streams: u64,
    /// Responses taken since the start.
    pub updates: u64,
    /// Responses refused, wholly or in part, since the start.
    pub refused: u64,
    /// Why the last stream ended, or the last refusal.
    pub last_error: Option<String>,
}

/// A client that runs until its tasks are stopped.
#[derive(Debug, Clone)]
pub struct Client {
    state: watch::Receiver<State>,
}

impl Client {
    /// Starts to ask for every cluster and listener, and for what the handler wants because of
    /// them.
    pub fn start<H: Handler>(channel: ChannelMaker, node: Node, handler: H, tasks: &Tasks) -> Self {
        let (report, state) = watch::channel(State::default());
        let run = Run {
            channel,
            machine: Machine::new(node),
            handler,
            report,
        };
        let stopping = tasks.stopping().clone();
        tasks.spawn("xds client", async move {
            tokio::select! {
                () = run.forever() => {}
                () = stopping.cancelled() => {}
            }
        });
        Self { state }
    }

    /// How the stream fares; changes can be waited for.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

struct Run<H> {
    channel: ChannelMaker,
    machine: Machine,
    handler: H,
    report: watch::Sender<State>,
}

/// How a stream came to its end.
struct End {
    /// It was up, and the server did not send us away.
    welcome: bool,
    why: String,
}

impl End {
    fn before_it_began(why: String) -> Self {
        Self {
            welcome: false,
            why,
        }
    }
}

impl<H: Handler> Run<H> {
    async fn forever(mut self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let end = self.stream().await;
            if end.welcome {
                backoff.reset();
            }
            tracing::info!(error = %end.why, "xds stream ended");
            self.report.send_modify(|state| {
                state.connected = false;
                state.last_error = Some(end.why);
            });
            tokio::time::sleep(backoff.delay(fastrand::f64())).await;
        }
    }

    /// Runs one stream to its end.
    async fn stream(&mut self) -> End {
        let (requests, responses) = match tokio::time::timeout(CONNECT_DEADLINE, self.open()).await
        {
            Err(_elapsed) => return End::before_it_began("no connection in time".to_owned()),
            Ok(Err(why)) => return End::before_it_began(why),
            Ok(Ok(opened)) => opened,
        };
        self.report.send_modify(|state| state.connected = true);
        match self.exchange(&requests, responses).await {
            Ok(()) => End {
                welcome: true,
                why: "the server ended the stream".to_owned(),
            },
            Err(status) => End {
                welcome: !is_unwelcome(status.code()),
                why: explain(&status),
            },
        }
    }

    async fn open(&mut self) -> Result<(Requests, Responses), String> {
        self.report.send_modify(|state| state.streams += 1);
        let channel = (self.channel)().await.map_err(|error| chain(&*error))?;
        let mut client =
            AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(MAX_RESPONSE);
        let (requests, outgoing) = mpsc::channel(QUEUE);
        for request in self.machine.connect() {
            if requests.try_send(request).is_err() {
                return Err("more first requests than the queue holds".to_owned());
            }
        }
        let responses = client
            .delta_aggregated_resources(ReceiverStream::new(outgoing))
            .await
            .map_err(|status| explain(&status))?;
        Ok((requests, responses.into_inner()))
    }

    async fn exchange(
        &mut self,
        requests: &Requests,
        mut responses: Responses,
    ) -> Result<(), Status> {
        while let Some(response) = responses.message().await? {
            let (update, received) = match self.machine.on_response(response) {
                Ok(taken) => taken,
                Err(ignored) => {
                    tracing::warn!(error = %ignored, "xds response passed over");
                    continue;
                }
            };
            let removals = update.removals.clone();
            let applied = self.apply(update);
            for request in self.machine.answer(&removals, received, applied) {
                self.note(&request);
                if requests.send(request).await.is_err() {
                    return Ok(()); // the connection is gone, and says so on the way back
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, update: Update) -> crate::client::Applied {
        tracing::debug!(
            type_url = update.kind.type_url(),
            upserts = update.upserts.len(),
            removals = update.removals.len(),
            "xds update"
        );
        self.handler.apply(update)
    }

    /// Counts an answer once it is about to be sent.
    fn note(&self, request: &DeltaDiscoveryRequest) {
        if request.response_nonce.is_empty() {
            return;
        }
        if let Some(refusal) = &request.error_detail {
            tracing::warn!(
                type_url = %request.type_url,
                nonce = %request.response_nonce,
                error = %refusal.message,
                "configuration refused"
            );
        }
        self.report.send_modify(|state| {
            state.updates += 1;
            if let Some(refusal) = &request.error_detail {
                state.refused += 1;
                state.last_error = Some(refusal.message.clone());
            }
        });
    }
}

type Requests = mpsc::Sender<DeltaDiscoveryRequest>;
type Responses =
    Streaming<mesh_proto::envoy::envoy::service::discovery::v3::DeltaDiscoveryResponse>;

/// Whether the server turned us away, so that to come back at once would be rude.
fn is_unwelcome(code: tonic::Code) -> bool {
    use tonic::Code;
    matches!(
        code,
        Code::InvalidArgument
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::ResourceExhausted
            | Code::Unimplemented
    )
}

fn explain(status: &Status) -> String {
    format!("{:?}: {}", status.code(), chain(status))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
