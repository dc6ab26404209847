use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream as Peer};
use std::ops::DerefMut;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mesh_model::time::Clock;
use mesh_test::clock::{self, SystemClock};
use mesh_test::pki::Authority;
use mesh_test::tls::{careless_client, careless_server};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, ServerConfig, ServerConnection, SideData,
    StreamOwned,
};

use super::*;
use crate::conn::wire::tls::Session;

/// How long a test waits for anything.
const LIMIT: Duration = Duration::from_secs(20);

/// A pair of connected sockets: a peer's, and the tunnel's.
fn pair() -> (Peer, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = Peer::connect(listener.local_addr().unwrap()).unwrap();
    let (own, _): (_, SocketAddr) = listener.accept().unwrap();
    own.set_nonblocking(true).unwrap();
    own.set_nodelay(true).unwrap();
    peer.set_read_timeout(Some(LIMIT)).unwrap();
    peer.set_write_timeout(Some(LIMIT)).unwrap();
    (peer, TcpStream::from_std(own))
}

/// A tunnel with a poll of its own.
struct Rig {
    poll: Poll,
    tunnel: Tunnel,
    shared: Shared,
    scratch: Box<Scratch>,
    sealing: Sealing,
    began: Instant,
    turns: usize,
}

impl Rig {
    fn new(client: Wire, upstream: Wire) -> Self {
        Self::with_ahead(client, upstream, b"")
    }

    fn with_ahead(client: Wire, upstream: Wire, ahead: &[u8]) -> Self {
        let poll = Poll::new().unwrap();
        let began = SystemClock.now();
        let mut tunnel = Tunnel::new(client, upstream, ahead.to_vec(), Vec::new(), began);
        for (side, token) in [(Side::Client, Token(0)), (Side::Upstream, Token(1))] {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let socket = tunnel.socket(side);
            poll.registry().register(socket, token, interest).unwrap();
        }
        Self {
            poll,
            tunnel,
            shared: Shared::default(),
            scratch: Scratch::new(),
            sealing: Sealing::new(),
            began,
            turns: 0,
        }
    }

    /// Runs until the tunnel has nothing left to do, or `enough` says so while it waits.
    fn run(&mut self, mut enough: impl FnMut(&Self) -> bool) -> Progress {
        let mut events = Events::with_capacity(8);
        loop {
            self.turns += 1;
            let mut means = Means {
                shared: &mut self.shared,
                scratch: &mut self.scratch,
                sealing: &mut self.sealing,
            };
            match self.tunnel.advance(&mut means, self.began) {
                Progress::Again => continue,
                Progress::Wait => {}
                end @ (Progress::Done | Progress::Broken(_)) => return end,
            }
            if enough(self) {
                return Progress::Wait;
            }
            self.poll.poll(&mut events, Some(LIMIT)).unwrap();
            assert!(!events.is_empty(), "nothing has happened for {LIMIT:?}");
            for event in &events {
                let side = [Side::Client, Side::Upstream][event.token().0];
                self.tunnel.ready(side, event);
            }
        }
    }

    fn run_to_end(&mut self) -> Progress {
        self.run(|_| false)
    }

    /// Empty pipes of the worker, and pipes that the tunnel has.
    fn pipes(&self) -> (usize, usize) {
        let own = [&self.tunnel.sent, &self.tunnel.received];
        let used = own.iter().filter(|course| course.pipe.is_some()).count();
        (self.shared.pipes.len(), used)
    }
}

fn plain() -> (Peer, Wire) {
    let (peer, own) = pair();
    (peer, Wire::new(own))
}

/// A client of TLS, and the tunnel's end that serves it.
fn secure_client() -> (StreamOwned<ClientConnection, Peer>, Wire) {
    let (client, server) = configs();
    let (peer, own) = pair();
    let session = UnbufferedServerConnection::new(server).unwrap();
    let client = ClientConnection::new(client, name()).unwrap();
    (StreamOwned::new(client, peer), secured(own, session))
}

/// A server of TLS, and the tunnel's end that calls it.
fn secure_server() -> (StreamOwned<ServerConnection, Peer>, Wire) {
    let (client, server) = configs();
    let (peer, own) = pair();
    let session = UnbufferedClientConnection::new(client, name()).unwrap();
    let server = ServerConnection::new(server).unwrap();
    (StreamOwned::new(server, peer), secured(own, session))
}

fn secured(own: TcpStream, session: impl Into<Session>) -> Wire {
    let mut wire = Wire::new(own);
    wire.begin_tls(session.into(), &[]).unwrap();
    wire
}

fn name() -> ServerName<'static> {
    "localhost".try_into().unwrap()
}

fn configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let authority = Authority::root("cluster.local", clock::now());
    let leaf = authority.leaf("spiffe://cluster.local/ns/default/sa/a");
    let client = careless_client(Some(&leaf), &[]);
    (Arc::new(client), Arc::new(careless_server(&leaf, &[])))
}

/// Bytes of which each block differs from the last one.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 251 + at % 241) as u8).collect()
}

/// A peer that sends `bytes`, says that this is all, and returns what it got.
fn exchange<S: Stream>(mut stream: S, bytes: Vec<u8>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let (mut got, mut sent) = (Vec::new(), 0);
        // In steps, as a peer that only sends and one that only reads would wait for each other.
        for chunk in bytes.chunks(16 * 1024) {
            stream.write_all(chunk).unwrap();
            sent += chunk.len();
            let wanted = sent.saturating_sub(got.len() + 32 * 1024);
            let mut part = vec![0; wanted];
            stream.read_exact(&mut part).unwrap();
            got.extend(part);
        }
        stream.close().unwrap();
        stream.read_to_end(&mut got).unwrap();
        got
    })
}

trait Stream: Read + Write + Send + 'static {
    /// Ends the sending half.
    fn close(&mut self) -> io::Result<()>;
}

impl Stream for Peer {
    fn close(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl<C, S> Stream for StreamOwned<C, Peer>
where
    C: DerefMut<Target = ConnectionCommon<S>> + Send + 'static,
    S: SideData + 'static,
{
    fn close(&mut self) -> io::Result<()> {
        // Nothing can be closed before it is open.
        self.flush()?;
        while self.conn.is_handshaking() {
            self.conn.complete_io(&mut self.sock)?;
        }
        self.conn.send_close_notify();
        self.flush()?;
        self.sock.shutdown(Shutdown::Write)
    }
}

#[track_caller]
fn check_both_ways<A: Stream, B: Stream>(client: (A, Wire), upstream: (B, Wire), length: usize) {
    let (sent, answer) = (pattern(length), pattern(length).into_iter().rev().collect());
    let at_client = exchange(client.0, sent.clone());
    let at_upstream = exchange::<B>(upstream.0, Vec::clone(&answer));
    let mut rig = Rig::new(client.1, upstream.1);
    let end = rig.run_to_end();
    assert!(matches!(end, Progress::Done), "{end:?}");
    assert!(at_upstream.join().unwrap() == sent);
    assert!(at_client.join().unwrap() == answer);
    assert_eq!(rig.tunnel.sent(), length as u64);
    assert_eq!(rig.tunnel.received(), length as u64);
    assert_eq!(rig.pipes().1, 0);
}

const SIZES: [usize; 5] = [0, 1, PROBE, 300_000, 6_000_001];

#[test]
fn plain_bytes_arrive_whole_both_ways() {
    for length in SIZES {
        check_both_ways(plain(), plain(), length);
    }
}

#[test]
fn bytes_are_sealed_and_opened_on_the_way() {
    for length in SIZES {
        check_both_ways(plain(), secure_server(), length);
        check_both_ways(secure_client(), plain(), length);
        check_both_ways(secure_client(), secure_server(), length);
    }
}

#[test]
fn what_was_read_ahead_goes_first() {
    let (client, upstream) = (plain(), plain());
    let at_client = exchange(client.0, b" and the rest".to_vec());
    let at_upstream = exchange(upstream.0, Vec::new());
    let mut rig = Rig::with_ahead(client.1, upstream.1, b"the beginning");
    assert!(matches!(rig.run_to_end(), Progress::Done));
    let got = at_upstream.join().unwrap();
    assert_eq!(
        String::from_utf8(got).unwrap(),
        "the beginning and the rest"
    );
    assert_eq!(rig.tunnel.sent(), 26);
    at_client.join().unwrap();
}

#[test]
fn a_half_closed_connection_stays_open_the_other_way() {
    for secured in [false, true] {
        let (mut client, client_end) = plain();
        let (upstream, end): (Box<dyn Read + Send>, Wire) = match secured {
            false => {
                let (peer, end) = plain();
                (Box::new(Answering(peer)), end)
            }
            true => {
                let (peer, end) = secure_server();
                (Box::new(Answering(peer)), end)
            }
        };
        let serving = std::thread::spawn(move || {
            let mut upstream = upstream;
            let mut got = Vec::new();
            // The answer comes after the whole question, which its end tells.
            upstream.read_to_end(&mut got).unwrap();
            got
        });
        let asking = std::thread::spawn(move || {
            client.write_all(b"question").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            answer
        });
        let mut rig = Rig::new(client_end, end);
        assert!(matches!(rig.run_to_end(), Progress::Done));
        assert_eq!(serving.join().unwrap(), b"question");
        assert_eq!(asking.join().unwrap(), "answer");
    }
}

/// Answers once it has read to the end.
struct Answering<S>(S);

impl<S: Stream> Read for Answering<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(into)?;
        if read == 0 {
            self.0.write_all(b"answer")?;
            self.0.close()?;
        }
        Ok(read)
    }
}

#[test]
fn a_reader_that_stops_stops_the_writer() {
    for secured in [false, true] {
        let (client, client_end) = plain();
        let (mut reader, end): (Box<dyn Stream>, Wire) = match secured {
            false => plain_stream(),
            true => {
                let (peer, end) = secure_server();
                (Box::new(peer), end)
            }
        };
        client.set_nonblocking(true).unwrap();
        let (mut rig, mut written) = (Rig::new(client_end, end), 0);
        if secured {
            // The handshake needs its peer.
            let shaking = std::thread::spawn(move || {
                reader.read_exact(&mut [0; 1]).unwrap();
                reader
            });
            written += (&client).write(&[7]).unwrap();
            rig.run(|rig| rig.tunnel.sent() == 1);
            reader = shaking.join().unwrap();
        }
        // Until the kernel takes nothing more on either side and the tunnel has nothing to do.
        rig.run(|_| {
            let took = fill(&client);
            written += took;
            took == 0
        });
        let passed = usize::try_from(rig.tunnel.sent()).unwrap();
        let held = rig.tunnel.sent.held.len();
        assert!(written > passed, "all of {written} bytes were read");
        assert!(held <= BATCH + 32 * 1024, "{held} bytes are held");
        // It goes on when the reader does.
        let rest = written - usize::from(secured);
        let reading = std::thread::spawn(move || {
            let mut got = vec![0; rest];
            reader.read_exact(&mut got).unwrap();
            got.iter().all(|byte| *byte == 7)
        });
        rig.run(|rig| {
            let Tunnel { sent, upstream, .. } = &rig.tunnel;
            sent.moved == written as u64 && !sent.is_waiting() && upstream.takes()
        });
        assert!(reading.join().unwrap());
    }
}

fn plain_stream() -> (Box<dyn Stream>, Wire) {
    let (peer, end) = plain();
    (Box::new(peer), end)
}

impl Stream for Box<dyn Stream> {
    fn close(&mut self) -> io::Result<()> {
        (**self).close()
    }
}

fn fill(mut peer: &Peer) -> usize {
    let mut written = 0;
    while let Ok(more) = peer.write(&[7; 65536]) {
        written += more;
    }
    written
}

#[test]
fn an_idle_tunnel_holds_no_pipe() {
    let ((mut client, client_end), (mut upstream, end)) = (plain(), plain());
    let mut rig = Rig::new(client_end, end);
    let bulk = pattern(1_000_000);
    let sending = bulk.clone();
    let writer = std::thread::spawn(move || {
        client.write_all(&sending).unwrap();
        client
    });
    let reader = std::thread::spawn(move || {
        let mut got = vec![0; 1_000_000];
        upstream.read_exact(&mut got).unwrap();
        (upstream, got)
    });
    rig.run(|rig| rig.tunnel.sent() == 1_000_000 && !rig.tunnel.sent.is_waiting());
    assert!(reader.join().unwrap().1 == bulk);
    let (empty, used) = rig.pipes();
    assert_eq!(used, 0);
    assert!(empty <= 1, "{empty} pipes for one direction");
    drop(writer.join().unwrap());
}

#[test]
fn small_messages_take_no_pipe_at_all() {
    let ((mut client, client_end), (mut upstream, end)) = (plain(), plain());
    let mut rig = Rig::new(client_end, end);
    for round in 1..=10 {
        client.write_all(b"ping").unwrap();
        rig.run(|rig| rig.tunnel.sent() == 4 * round);
        let mut got = [0; 4];
        upstream.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"ping");
    }
    assert_eq!(rig.pipes(), (0, 0));
}

#[test]
fn a_large_transfer_gives_way_to_others() {
    let ((mut client, client_end), (mut upstream, end)) = (plain(), plain());
    let length = 8 * SHARE;
    let writer = std::thread::spawn(move || client.write_all(&pattern(8 * SHARE)));
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        upstream.read_to_end(&mut got).unwrap();
        got.len()
    });
    let mut rig = Rig::new(client_end, end);
    rig.run(|rig| rig.tunnel.sent() == length as u64 && !rig.tunnel.sent.is_waiting());
    assert!(rig.turns >= 8, "{} turns", rig.turns);
    writer.join().unwrap().unwrap();
    drop(rig);
    assert_eq!(reader.join().unwrap(), length);
}

#[test]
fn a_reset_on_one_side_is_a_reset_on_the_other() {
    let ((client, client_end), (mut upstream, end)) = (plain(), plain());
    let mut rig = Rig::new(client_end, end);
    socket2::SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(client);
    let end = rig.run_to_end();
    assert!(matches!(end, Progress::Broken(_)), "{end:?}");
    drop(rig);
    let error = upstream.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn tls_that_is_cut_off_is_not_passed_on_as_an_end() {
    let ((mut client, client_end), (mut upstream, end)) = (secure_client(), plain());
    let cutting = std::thread::spawn(move || {
        client.write_all(b"half of it").unwrap();
        client.flush().unwrap();
        // The socket ends, TLS does not.
        client.sock.shutdown(Shutdown::Write).unwrap();
        client
    });
    let mut rig = Rig::new(client_end, end);
    let end = rig.run_to_end();
    assert!(matches!(end, Progress::Broken(_)), "{end:?}");
    drop(rig);
    let mut got = Vec::new();
    let error = upstream.read_to_end(&mut got).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    drop(cutting.join().unwrap());
}

#[test]
fn what_moves_counts_as_life() {
    let ((mut client, client_end), (_upstream, end)) = (plain(), plain());
    let mut rig = Rig::new(client_end, end);
    rig.run(|_| true);
    assert_eq!(rig.tunnel.idle_since(), rig.began);
    let before = rig.began;
    rig.began += Duration::from_secs(5);
    rig.run(|_| true);
    assert_eq!(rig.tunnel.idle_since(), before);
    client.write_all(b"x").unwrap();
    rig.run(|rig| rig.tunnel.sent() == 1);
    assert_eq!(rig.tunnel.idle_since(), rig.began);
}

#[test]
fn an_end_that_was_read_before_is_not_missed() {
    let ((mut client, mut client_end), (mut upstream, end)) = (plain(), plain());
    client.write_all(b"all of it").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut ahead = Vec::new();
    let mut buffer = [0; 64];
    // Whoever looks at the first bytes reads to the end, which no event tells again.
    loop {
        match client_end.read_plain(&mut buffer).unwrap() {
            Filled::Bytes(read) => ahead.extend_from_slice(&buffer[..read]),
            Filled::Nothing => client_end.read_again(),
            Filled::End => break,
        }
    }
    let mut rig = Rig::with_ahead(client_end, end, &ahead);
    rig.run(|rig| rig.tunnel.sent.closed);
    let mut got = String::new();
    upstream.read_to_string(&mut got).unwrap();
    assert_eq!(got, "all of it");
}

/// A server may speak as soon as the handshake is over, together with its end.
#[test]
fn what_the_upstream_said_ahead_goes_first() {
    let ((mut client, client_end), (mut upstream, end)) = (plain(), plain());
    let began = SystemClock.now();
    let mut rig = Rig::new(client_end, end);
    rig.tunnel.received = Course::beginning_with(b"220 ".to_vec());
    rig.began = began;
    upstream.write_all(b"ready").unwrap();
    rig.run(|rig| rig.tunnel.received() == 9);
    let mut got = [0; 9];
    client.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"220 ready");
}

#[test]
fn a_tunnel_is_silent_when_nothing_waits_and_nothing_has_moved() {
    let ((client, client_end), (_upstream, end)) = (plain(), plain());
    client.set_nonblocking(true).unwrap();
    let mut rig = Rig::new(client_end, end);
    let bound = Duration::from_secs(10);
    let (early, late) = (rig.began + bound / 2, rig.began + bound);
    assert!(!rig.tunnel.is_silent(early, bound));
    assert!(rig.tunnel.is_silent(late, bound));
    rig.run(|rig| {
        fill(&client);
        rig.tunnel.held() > 0
    });
    assert!(rig.tunnel.held() > 0);
    assert!(!rig.tunnel.is_silent(late, bound));
}

/// When memory is short a reader that stops makes the tunnel hold less, and no pipe.
#[test]
fn a_tunnel_holds_no_more_than_it_may_read_at_once() {
    const MOST: usize = 4096;
    let ((client, client_end), (_upstream, end)) = (plain(), plain());
    client.set_nonblocking(true).unwrap();
    let mut rig = Rig::new(client_end, end);
    rig.shared.read_at_once(MOST);
    rig.run(|rig| {
        fill(&client);
        rig.tunnel.held() > 0
    });
    let held = rig.tunnel.held();
    assert!((1..=MOST).contains(&held), "{held}");
    assert_eq!(rig.pipes(), (0, 0));
}
