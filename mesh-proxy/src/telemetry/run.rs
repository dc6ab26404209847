//! The stream to mixer: one at a time, opened again with growing pauses.

use std::time::Duration;

use mesh_model::time::Backoff;
use mesh_proto::telemetry::telemetry_service_client::TelemetryServiceClient;
use mesh_proto::telemetry::{ReportRequest, ReportResponse};
use mesh_runtime::Tasks;
use mesh_xds::client::ChannelMaker;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use crate::record::metrics::Metrics;
use crate::telemetry::Batcher;

/// How often changes are told.
const EVERY: Duration = Duration::from_secs(1);
/// First pause after a stream ended.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a stream may take to come about.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// How long the last batch may take when the process ends.
const LAST_WORDS: Duration = Duration::from_millis(400);

/// How reporting fares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// A stream is open.
    pub connected: bool,
    /// Batches acknowledged since the start.
    pub acknowledged: u64,
    /// Why the last stream ended.
    pub last_error: Option<String>,
}

/// Reports until its tasks are stopped.
pub struct Reporter;

impl Reporter {
    /// Starts to report what `metrics` count.
    pub fn start(metrics: Metrics, channel: ChannelMaker, tasks: &Tasks) -> watch::Receiver<State> {
        let (report, state) = watch::channel(State::default());
        let run = Run {
            metrics,
            channel,
            batcher: Batcher::new(format!("{:032x}", fastrand::u128(..))),
            report,
            stopping: tasks.stopping().clone(),
        };
        tasks.spawn("telemetry", run.forever());
        state
    }
}

struct Run {
    metrics: Metrics,
    channel: ChannelMaker,
    batcher: Batcher,
    report: watch::Sender<State>,
    stopping: CancellationToken,
}

type Requests = mpsc::Sender<ReportRequest>;

enum Event {
    Tick,
    Response(Result<Option<ReportResponse>, tonic::Status>),
    Stop,
}

impl Run {
    async fn forever(mut self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        while !self.stopping.is_cancelled() {
            let acknowledged = self.report.borrow().acknowledged;
            let stopping = self.stopping.clone();
            let opening = tokio::time::timeout(CONNECT_DEADLINE, self.open());
            let why = match stopping.run_until_cancelled(opening).await {
                None => return,
                Some(Err(_elapsed)) => "no connection in time".to_owned(),
                Some(Ok(Err(why))) => why,
                Some(Ok(Ok((requests, responses)))) => self.exchange(&requests, responses).await,
            };
            if self.report.borrow().acknowledged > acknowledged {
                backoff.reset();
            }
            tracing::debug!(error = why, "telemetry stream ended");
            self.report.send_modify(|state| {
                state.connected = false;
                state.last_error = Some(why);
            });
            let pause = tokio::time::sleep(backoff.delay(fastrand::f64()));
            if stopping.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    async fn open(&mut self) -> Result<(Requests, Streaming<ReportResponse>), String> {
        let channel = (self.channel)().await.map_err(|error| error.to_string())?;
        // One batch is under way at most, so the queue never holds more.
        let (requests, outgoing) = mpsc::channel(1);
        if let Some(again) = self.batcher.connected()
            && requests.try_send(again).is_err()
        {
            return Err("the queue of a new stream is full".to_owned());
        }
        let outgoing = tokio_stream::wrappers::ReceiverStream::new(outgoing);
        let responses = TelemetryServiceClient::new(channel)
            .report(outgoing)
            .await
            .map_err(|status| status.to_string())?;
        Ok((requests, responses.into_inner()))
    }

    /// Serves one stream; says why it ended.
    async fn exchange(
        &mut self,
        requests: &Requests,
        mut responses: Streaming<ReportResponse>,
    ) -> String {
        self.report.send_modify(|state| state.connected = true);
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stopping = self.stopping.clone();
        loop {
            let event = tokio::select! {
                response = responses.message() => Event::Response(response),
                _ = ticks.tick() => Event::Tick,
                () = stopping.cancelled() => Event::Stop,
            };
            let sent = match event {
                Event::Tick => self.tell(requests),
                Event::Response(Ok(Some(response))) => self.acknowledged(&response),
                Event::Response(Ok(None)) => Err("mixer ended the stream".to_owned()),
                Event::Response(Err(status)) => Err(status.to_string()),
                Event::Stop => {
                    let last = self.last_words(requests, responses);
                    let _in_time = tokio::time::timeout(LAST_WORDS, last).await;
                    return "the proxy is stopping".to_owned();
                }
            };
            if let Err(why) = sent {
                return why;
            }
        }
    }

    /// Sends a batch if there is something to tell and none is under way.
    fn tell(&mut self, requests: &Requests) -> Result<(), String> {
        if self.batcher.is_waiting() {
            return Ok(());
        }
        match self.batcher.next(&self.metrics.totals()) {
            Some(batch) => requests
                .try_send(batch)
                .map_err(|_| "the stream does not take batches".to_owned()),
            None => Ok(()),
        }
    }

    fn acknowledged(&mut self, response: &ReportResponse) -> Result<(), String> {
        self.batcher.acknowledged(response.acknowledged);
        self.report
            .send_modify(|state| state.acknowledged = response.acknowledged);
        Ok(())
    }

    /// Tells what came in since the last batch, before the process ends.
    async fn last_words(&mut self, requests: &Requests, mut responses: Streaming<ReportResponse>) {
        loop {
            if self.tell(requests).is_err() || !self.batcher.is_waiting() {
                return;
            }
            match responses.message().await {
                Ok(Some(response)) => self.batcher.acknowledged(response.acknowledged),
                Ok(None) | Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
