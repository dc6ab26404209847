//! Keeps the stream: connects, comes back with growing pauses, and carries messages between the
//! server, the state machine and the handler.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mesh_model::time::Backoff;
use mesh_proto::envoy::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use mesh_runtime::Tasks;
use tokio::sync::watch;
use tonic::Status;
use tonic::transport::Channel;

use crate::client::run::line::Line;
use crate::client::stream::Machine;
use crate::client::whole::Whole;
use crate::client::{Handler, Update};
use crate::{Kind, Node};

mod line;

/// First pause after a stream ended.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a connection may take to come about.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Why there is no channel.
pub type ConnectError = Box<dyn std::error::Error + Send + Sync>;

/// Makes a channel to the server, anew for each stream.
pub type ChannelMaker = Arc<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<Channel, ConnectError>> + Send>> + Send + Sync,
>;

/// How responses tell of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Variant {
    /// By differences (`DeltaAggregatedResources`).
    #[default]
    Delta,
    /// By all there is, each time (`StreamAggregatedResources`).
    StateOfTheWorld,
}

/// Who asks a server, and how.
#[derive(Debug, Clone)]
pub struct Asking {
    /// Who we are.
    pub node: Node,
    /// The variant of the protocol.
    pub variant: Variant,
    /// The types of which every resource is asked for: clusters, listeners or both.
    pub all_of: Vec<Kind>,
    /// Of others what is asked for by name from the start.
    pub names: Vec<(Kind, BTreeSet<String>)>,
    /// What we have already: type, name and version. Of names that are not asked for it says nothing.
    pub held: Vec<(Kind, String, String)>,
}

impl Asking {
    /// As every proxy asks its pilot: for every cluster and listener, by differences.
    #[must_use]
    pub fn of(node: Node) -> Self {
        let all_of = Kind::ALL
            .into_iter()
            .filter(|kind| kind.is_wildcard_by_default());
        Self {
            node,
            variant: Variant::Delta,
            all_of: all_of.collect(),
            names: Vec::new(),
            held: Vec::new(),
        }
    }
}

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
    /// Starts to ask for every resource of some types, and for what the handler wants because of
    /// them.
    pub fn start<H: Handler>(
        channel: ChannelMaker,
        asking: Asking,
        handler: H,
        tasks: &Tasks,
    ) -> Self {
        let (report, state) = watch::channel(State::default());
        let run = Run {
            channel,
            variant: asking.variant,
            whole: Whole::holding(&asking.held),
            machine: Machine::new(asking.node, &asking.all_of, asking.names).holding(asking.held),
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
    variant: Variant,
    machine: Machine,
    whole: Whole,
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
        // It knows of the stream what only the stream needs, and goes back afterwards.
        let mut whole = std::mem::take(&mut self.whole);
        let end = self.stream_with(&mut whole).await;
        self.whole = whole;
        end
    }

    async fn stream_with(&mut self, whole: &mut Whole) -> End {
        let line = match tokio::time::timeout(CONNECT_DEADLINE, self.open(whole)).await {
            Err(_elapsed) => return End::before_it_began("no connection in time".to_owned()),
            Ok(Err(why)) => return End::before_it_began(why),
            Ok(Ok(opened)) => opened,
        };
        self.report.send_modify(|state| state.connected = true);
        match self.exchange(line).await {
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

    async fn open<'a>(&mut self, whole: &'a mut Whole) -> Result<Line<'a>, String> {
        self.report.send_modify(|state| state.streams += 1);
        let channel = (self.channel)().await.map_err(|error| chain(&*error))?;
        Line::open(channel, self.variant, whole, self.machine.connect()).await
    }

    async fn exchange(&mut self, mut line: Line<'_>) -> Result<(), Status> {
        while let Some(response) = line.next().await? {
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
                if !line.send(request).await {
                    return Ok(());
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
