//! Both roles against an implementation that is not ours, over a pipe in memory.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::support::*;
use crate::h2::{Client, Limits, Server};
use crate::{BodyLength, ErrorCode, Fields, ResponseHead};

const CALLS: usize = 40;
const BODY: usize = 300_000;

fn body() -> Vec<u8> {
    (0..BODY).map(|at| at as u8).collect()
}

fn run(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), future)
            .await
            .expect("it comes to an end");
    });
}

/// Moves bytes and events until the peer closes or `done` says so.
async fn drive<C: Codec>(
    codec: &mut C,
    mut pipe: DuplexStream,
    mut head: C::Head,
    mut turn: impl FnMut(&mut C, Vec<Seen>, &C::Head) -> bool,
) {
    let mut held = Vec::new();
    let mut scratch = vec![0; 5_000];
    loop {
        let mut rest = held.as_slice();
        let mut is_done = false;
        while let Some(event) = codec.next(start(), &mut rest, &mut head).unwrap() {
            is_done |= turn(codec, vec![event.into()], &head);
        }
        held = rest.to_vec();
        is_done |= turn(codec, Vec::new(), &head);
        let pending = codec.output().pending().to_vec();
        pipe.write_all(&pending).await.unwrap();
        codec.output().consume(pending.len());
        if is_done {
            return;
        }
        match pipe.read(&mut scratch).await.unwrap() {
            0 => return,
            count => held.extend_from_slice(&scratch[..count]),
        }
    }
}

/// An echo with trailers, over our server.
fn echo(server: &mut Server, seen: Vec<Seen>, held: &mut [(Vec<u8>, bool)]) -> bool {
    for event in seen {
        match event {
            Seen::Head(id, length) => {
                assert_eq!(length, BodyLength::Unknown);
                server.respond(id, &response(200), false).unwrap();
            }
            Seen::Data(id, bytes, end) => {
                let (echo, is_whole) = &mut held[id as usize / 2];
                echo.extend_from_slice(&bytes);
                *is_whole |= end;
                server.release(id, bytes.len());
            }
            Seen::Window(_) => {}
            other => panic!("{other:?}"),
        }
    }
    for (at, (echo, is_whole)) in held.iter_mut().enumerate() {
        let id = at as u32 * 2 + 1;
        let taken = server.send_data(id, echo, false).unwrap_or(0);
        echo.drain(..taken);
        if *is_whole && echo.is_empty() {
            let mut trailers = Fields::new();
            trailers.append("grpc-status", "0").unwrap();
            server.send_trailers(id, &trailers).unwrap();
            *is_whole = false;
        }
    }
    false
}

#[test]
fn a_foreign_client_is_served() {
    run(async {
        let (near, far) = duplex(10_000);
        let serve = async {
            let mut server = Server::new(&Limits::default());
            let mut held = vec![(Vec::new(), false); CALLS];
            let head = crate::RequestHead::default();
            drive(&mut server, near, head, |server, seen, _| {
                echo(server, seen, &mut held)
            })
            .await;
            assert_eq!(server.streams(), 0);
        };
        tokio::join!(serve, call_foreign(far));
    });
}

async fn call_foreign(pipe: DuplexStream) {
    let (sender, connection) = ::h2::client::handshake(pipe).await.unwrap();
    let calls = async move {
        let mut running = Vec::new();
        for _ in 0..CALLS {
            let mut sender = sender.clone().ready().await.unwrap();
            let request = http::Request::post("http://a/echo").body(()).unwrap();
            let (answer, stream) = sender.send_request(request, false).unwrap();
            running.push((answer, stream));
        }
        drop(sender);
        futures_util::future::join_all(running.into_iter().map(|(answer, stream)| async {
            tokio::join!(upload(stream), download(answer));
        }))
        .await;
    };
    let (ended, ()) = tokio::join!(connection, calls);
    ended.unwrap();
}

async fn upload(mut stream: ::h2::SendStream<Bytes>) {
    let mut rest = Bytes::from(body());
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let room = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
        let piece = rest.split_to(room.unwrap().unwrap().min(rest.len()));
        stream.send_data(piece, rest.is_empty()).unwrap();
    }
}

async fn download(answer: ::h2::client::ResponseFuture) {
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut stream = answer.into_body();
    assert_eq!(collect(&mut stream).await, body());
    let trailers = stream.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
}

async fn collect(stream: &mut ::h2::RecvStream) -> Vec<u8> {
    let mut got = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece.unwrap();
        stream.flow_control().release_capacity(piece.len()).unwrap();
        got.extend_from_slice(&piece);
    }
    got
}

/// Answers each request with the same body.
async fn serve_foreign(pipe: DuplexStream) {
    let mut connection = ::h2::server::Builder::new()
        .max_concurrent_streams(10)
        .initial_window_size(20_000)
        .handshake::<_, Bytes>(pipe)
        .await
        .unwrap();
    let mut running = futures_util::stream::FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { break };
                running.push(answer_foreign(request, respond));
            }
            Some(()) = futures_util::StreamExt::next(&mut running) => {}
        }
    }
}

async fn answer_foreign(
    request: http::Request<::h2::RecvStream>,
    mut respond: ::h2::server::SendResponse<Bytes>,
) {
    let mut stream = request.into_body();
    let got = collect(&mut stream).await;
    assert_eq!(got, body());
    let answer = http::Response::builder().status(201).body(()).unwrap();
    let out = respond.send_response(answer, false).unwrap();
    upload(out).await;
}

/// Calls of our client: what was sent and what came.
struct Calls {
    was_asked: bool,
    begun: usize,
    sent: Vec<usize>,
    got: Vec<Vec<u8>>,
    done: usize,
}

impl Calls {
    fn turn(&mut self, client: &mut Client, seen: Vec<Seen>, head: &ResponseHead) -> bool {
        for event in seen {
            match event {
                Seen::Head(..) => assert_eq!(head.status, 201),
                Seen::Data(id, bytes, end) => {
                    self.got[id as usize / 2].extend_from_slice(&bytes);
                    client.release(id, bytes.len());
                    self.done += usize::from(end);
                }
                Seen::Window(_) => {}
                other => panic!("{other:?}"),
            }
        }
        // Before the server's settings came, more would be begun than it takes.
        let has_settings = std::mem::replace(&mut self.was_asked, true);
        while has_settings && self.begun < CALLS && client.room() > 0 {
            client.request(&request("POST"), false).unwrap();
            self.begun += 1;
        }
        let body = body();
        for (at, sent) in self.sent.iter_mut().enumerate().take(self.begun) {
            if *sent < body.len() {
                let rest = &body[*sent..];
                *sent += client.send_data(at as u32 * 2 + 1, rest, true).unwrap();
            }
        }
        self.done == CALLS
    }
}

#[test]
fn a_foreign_server_is_called() {
    run(async {
        let (near, far) = duplex(10_000);
        let call = async {
            let mut client = Client::new(&Limits::default());
            let mut calls = Calls {
                was_asked: false,
                begun: 0,
                sent: vec![0; CALLS],
                got: vec![Vec::new(); CALLS],
                done: 0,
            };
            let head = ResponseHead::default();
            drive(&mut client, near, head, |client, seen, head| {
                calls.turn(client, seen, head)
            })
            .await;
            assert!(calls.got.iter().all(|got| *got == body()));
            client.reset(1, ErrorCode::CANCEL);
            assert_eq!(client.streams(), 0);
        };
        tokio::join!(call, serve_foreign(far));
    });
}
