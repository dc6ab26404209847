//! Against a mixer of a few lines over a real socket.

use std::net::SocketAddr;
use std::sync::Arc;

use mesh_proto::telemetry::delta::Value;
use mesh_proto::telemetry::telemetry_service_server::{TelemetryService, TelemetryServiceServer};
use parking_lot::Mutex;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};

use super::*;
use crate::config::node::tests::mk_workload;
use crate::record::metrics::Shard;
use crate::record::peer::Peers;
use crate::record::tests::Fixture;

const DEADLINE: Duration = Duration::from_secs(20);

/// Counts each number of an instance once, as mixer does; its books outlive its restarts.
#[derive(Clone)]
struct Mixer {
    books: Arc<Mutex<(u64, u64)>>,
    acknowledges: bool,
    /// Ends the streams of one life.
    dies: CancellationToken,
    received: watch::Sender<u64>,
}

#[tonic::async_trait]
impl TelemetryService for Mixer {
    type ReportStream = ReceiverStream<Result<ReportResponse, Status>>;

    async fn report(
        &self,
        request: Request<Streaming<ReportRequest>>,
    ) -> Result<Response<Self::ReportStream>, Status> {
        let mut batches = request.into_inner();
        let (answers, responses) = mpsc::channel(1);
        let mixer = self.clone();
        let tasks = Tasks::new(&Registry::new());
        tasks.spawn("mixer", async move {
            let dies = mixer.dies.clone();
            while let Some(Ok(Some(batch))) = dies.run_until_cancelled(batches.message()).await {
                mixer.count(&batch);
                if !mixer.acknowledges {
                    return; // dies between counting and saying so
                }
                let acknowledged = batch.sequence;
                if answers
                    .send(Ok(ReportResponse { acknowledged }))
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(responses)))
    }
}

impl Mixer {
    fn new() -> Self {
        Self {
            books: Arc::default(),
            acknowledges: true,
            dies: CancellationToken::new(),
            received: watch::channel(0).0,
        }
    }

    fn count(&self, batch: &ReportRequest) {
        let mut books = self.books.lock();
        if batch.sequence > books.0 {
            books.0 = batch.sequence;
            let counter = |value: &Option<Value>| match value {
                Some(Value::Counter(count)) => *count,
                _ => 0,
            };
            books.1 += batch
                .deltas
                .iter()
                .map(|delta| counter(&delta.value))
                .sum::<u64>();
        }
        self.received.send_modify(|count| *count += 1);
    }

    fn requests(&self) -> u64 {
        self.books.lock().1
    }

    async fn serve(&self, address: SocketAddr) -> (SocketAddr, Tasks) {
        let tasks = Tasks::new(&Registry::new());
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = tasks.stopping().clone();
        let life = Self {
            dies: stopping.clone(),
            ..self.clone()
        };
        let service = TelemetryServiceServer::new(life);
        tasks.spawn("server", async move {
            let incoming = TcpListenerStream::new(listener);
            let server = Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming);
            // Without a grace: a mixer that is killed says nothing either.
            let _ended = stopping.run_until_cancelled(server).await;
        });
        (address, tasks)
    }

    async fn until(&self, requests: u64) {
        let mut received = self.received.subscribe();
        let enough = async {
            while self.requests() < requests {
                received.changed().await.unwrap();
            }
        };
        tokio::time::timeout(DEADLINE, enough).await.unwrap();
        assert_eq!(self.requests(), requests);
    }
}

fn channel(address: SocketAddr) -> ChannelMaker {
    Arc::new(move || {
        Box::pin(async move {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
            Ok(endpoint.connect_lazy())
        })
    })
}

fn request(shard: &mut Shard, times: usize) {
    let (fixture, mut peers) = (Fixture::client(), Peers::new());
    for _ in 0..times {
        let record = fixture.record();
        let peer = peers.of(&record);
        shard.request(&record, &peer);
    }
}

#[tokio::test]
async fn what_is_counted_reaches_mixer_and_a_restart_counts_nothing_twice() {
    let metrics = Metrics::new();
    let mut shard = metrics.shard(&mk_workload());
    let mixer = Mixer::new();
    let (address, server) = mixer.serve("127.0.0.1:0".parse().unwrap()).await;
    let tasks = Tasks::new(&Registry::new());
    let mut state = Reporter::start(metrics, channel(address), &tasks);
    request(&mut shard, 7);
    mixer.until(7).await;

    assert!(server.stop(DEADLINE).await);
    let gone = state.wait_for(|state| !state.connected);
    tokio::time::timeout(DEADLINE, gone).await.unwrap().unwrap();
    request(&mut shard, 5);
    let (_, _server) = mixer.serve(address).await;
    mixer.until(12).await;
    assert!(tasks.stop(DEADLINE).await);
}

#[tokio::test]
async fn a_batch_that_was_counted_but_not_acknowledged_is_counted_once() {
    let metrics = Metrics::new();
    let mut shard = metrics.shard(&mk_workload());
    let forgetful = Mixer {
        acknowledges: false,
        ..Mixer::new()
    };
    let (address, server) = forgetful.serve("127.0.0.1:0".parse().unwrap()).await;
    let tasks = Tasks::new(&Registry::new());
    let _state = Reporter::start(metrics, channel(address), &tasks);
    request(&mut shard, 3);
    forgetful.until(3).await;
    assert!(server.stop(DEADLINE).await);
    request(&mut shard, 4);
    let mixer = Mixer {
        acknowledges: true,
        ..forgetful
    };
    let (_, _server) = mixer.serve(address).await;
    mixer.until(7).await;
    assert!(tasks.stop(DEADLINE).await);
}

#[tokio::test]
async fn the_last_requests_before_the_end_are_told() {
    let metrics = Metrics::new();
    let mut shard = metrics.shard(&mk_workload());
    let mixer = Mixer::new();
    let (address, _server) = mixer.serve("127.0.0.1:0".parse().unwrap()).await;
    let tasks = Tasks::new(&Registry::new());
    let mut state = Reporter::start(metrics, channel(address), &tasks);
    let up = state.wait_for(|state| state.connected);
    tokio::time::timeout(DEADLINE, up).await.unwrap().unwrap();
    request(&mut shard, 2);
    assert!(tasks.stop(DEADLINE).await);
    assert_eq!(mixer.requests(), 2);
}
