//! gRPC by tonic: single calls, and streams in both directions by turns.

use bytes::Bytes;
use fastrand::Rng;
use tokio::sync::mpsc::channel;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use super::Traffic;
use crate::http::{Way, chain};
use crate::ledger::{Judged, Verdict};

/// Turns of a stream.
const TURNS: u8 = 20;

/// A client that is made anew when a call has failed.
struct Client {
    way: Way,
    grpc: Option<Grpc<Channel>>,
}

impl Client {
    async fn take(&mut self) -> Result<Grpc<Channel>, String> {
        if let Some(grpc) = self.grpc.take() {
            return Ok(grpc);
        }
        let Way { to, authority, .. } = &self.way;
        let told = |error| chain(&error);
        let endpoint = Endpoint::from_shared(format!("http://{to}")).map_err(told)?;
        let origin = format!("http://{authority}").parse();
        let endpoint = endpoint.origin(origin.map_err(|_| "an authority".to_owned())?);
        Ok(Grpc::new(endpoint.connect().await.map_err(told)?))
    }
}

fn message(chance: &mut Rng) -> Bytes {
    let length = chance.usize(0..4096);
    std::iter::repeat_with(|| chance.u8(..))
        .take(length)
        .collect()
}

fn same(sent: &Bytes, came: &Bytes) -> Result<(), String> {
    if sent == came {
        return Ok(());
    }
    Err(format!(
        "{} bytes sent, {} others back",
        sent.len(),
        came.len()
    ))
}

/// Single calls.
pub(crate) struct Unary {
    client: Client,
    chance: Rng,
}

impl Unary {
    pub(crate) fn new(way: Way, chance: Rng) -> Self {
        let client = Client { way, grpc: None };
        Self { client, chance }
    }
}

impl Traffic for Unary {
    fn way(&self) -> &'static str {
        self.client.way.name
    }

    async fn once(&mut self) -> Judged {
        let mut grpc = self.client.take().await?;
        let sent = message(&mut self.chance);
        let path = PathAndQuery::from_static("/mesh.test.Echo/Unary");
        grpc.ready().await.map_err(|error| chain(&error))?;
        let call = grpc.unary(Request::new(sent.clone()), path, codec());
        let answer = call.await.map_err(|status| format!("{status:?}"))?;
        same(&sent, answer.get_ref())?;
        self.client.grpc = Some(grpc);
        Ok(Verdict::Good(1))
    }
}

/// Streams of twenty messages each way.
pub(crate) struct Stream {
    client: Client,
    chance: Rng,
}

impl Stream {
    pub(crate) fn new(way: Way, chance: Rng) -> Self {
        let client = Client { way, grpc: None };
        Self { client, chance }
    }

    async fn turns(&mut self, grpc: &mut Grpc<Channel>) -> Result<(), String> {
        let said = |status: tonic::Status| format!("{status:?}");
        let (sender, receiver) = channel(1);
        let path = PathAndQuery::from_static("/mesh.test.Echo/Stream");
        grpc.ready().await.map_err(|error| error.to_string())?;
        let outgoing = Request::new(ReceiverStream::new(receiver));
        let answer = grpc.streaming(outgoing, path, codec()).await;
        let mut incoming = answer.map_err(said)?.into_inner();
        for _ in 0..TURNS {
            let sent = message(&mut self.chance);
            let gone = sender.send(sent.clone()).await;
            gone.map_err(|_| "the call ended before its messages".to_owned())?;
            let came = incoming.message().await.map_err(said)?;
            same(&sent, &came.ok_or("the stream ended too early")?)?;
        }
        drop(sender);
        match incoming.message().await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err("a message too many".to_owned()),
            Err(status) if status.code() == Code::Ok => Ok(()),
            Err(status) => Err(said(status)),
        }
    }
}

impl Traffic for Stream {
    fn way(&self) -> &'static str {
        self.client.way.name
    }

    async fn once(&mut self) -> Judged {
        let mut grpc = self.client.take().await?;
        self.turns(&mut grpc).await?;
        self.client.grpc = Some(grpc);
        Ok(Verdict::Good(1))
    }
}

fn codec() -> ProstCodec<Bytes, Bytes> {
    ProstCodec::default()
}
