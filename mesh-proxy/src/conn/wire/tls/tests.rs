//! Against rustls with buffers, at the other end of a socket.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream as Peer};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mesh_test::clock;
use mesh_test::pki::Authority;
use mesh_test::tls::{careless_client, careless_server};
use mio::{Events, Interest, Poll, Token};
use rustls::{ClientConfig, ClientConnection, ServerConfig, StreamOwned};

use super::*;
use crate::conn::wire::{Filled, Wire};

/// How long a test waits for anything.
const LIMIT: Duration = Duration::from_secs(20);

type Client = StreamOwned<ClientConnection, Peer>;

/// The end that is tested, and the kernel's word on it.
struct End {
    wire: Wire,
    poll: Poll,
    scratch: Box<Scratch>,
    sealing: Sealing,
}

fn configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let authority = Authority::root("cluster.local", clock::now());
    let leaf = authority.leaf("spiffe://cluster.local/ns/default/sa/a");
    let client = careless_client(Some(&leaf), &[]);
    (Arc::new(client), Arc::new(careless_server(&leaf, &[])))
}

/// A client at work on its own thread, and the end that serves it.
fn served<T: Send + 'static>(
    act: impl FnOnce(Client) -> T + Send + 'static,
) -> (JoinHandle<T>, End) {
    let (client, server) = configs();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = Peer::connect(listener.local_addr().unwrap()).unwrap();
    let (own, _): (_, SocketAddr) = listener.accept().unwrap();
    peer.set_read_timeout(Some(LIMIT)).unwrap();
    let name = "localhost".try_into().unwrap();
    let client = ClientConnection::new(client, name).unwrap();
    let end = End::new(own, UnbufferedServerConnection::new(server).unwrap());
    (
        std::thread::spawn(move || act(StreamOwned::new(client, peer))),
        end,
    )
}

impl End {
    fn new(own: Peer, session: impl Into<Session>) -> Self {
        own.set_nonblocking(true).unwrap();
        own.set_nodelay(true).unwrap();
        let mut own = TcpStream::from_std(own);
        let poll = Poll::new().unwrap();
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut own, Token(0), interest)
            .unwrap();
        let mut wire = Wire::new(own);
        wire.begin_tls(session.into(), &[]).unwrap();
        Self {
            wire,
            poll,
            scratch: Scratch::new(),
            sealing: Sealing::new(),
        }
    }

    fn wait(&mut self) {
        let mut events = Events::with_capacity(8);
        self.poll.poll(&mut events, Some(LIMIT)).unwrap();
        assert!(!events.is_empty(), "nothing has happened for {LIMIT:?}");
        for event in &events {
            self.wire.ready(event);
        }
    }

    /// What one read brings; what TLS has to say for itself is written meanwhile.
    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let filled = self.wire.fill(&mut self.scratch);
            self.wire.flush_tls(&mut self.sealing)?;
            match filled? {
                Filled::Bytes(read) => return Ok(Some(self.scratch.bytes[..read].to_vec())),
                Filled::End => return Ok(None),
                Filled::Nothing => self.wait(),
            }
        }
    }

    fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        let mut got = Vec::new();
        while got.len() < length {
            got.extend(self.read().unwrap().expect("more to come"));
        }
        got
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() || !self.wire.is_flushed() {
            self.wire.flush_tls(&mut self.sealing).unwrap();
            let taken = self.wire.write(left, &mut self.sealing).unwrap();
            left = &left[taken..];
            if !left.is_empty() || !self.wire.is_flushed() {
                self.wait();
            }
        }
    }
}

/// Bytes of which each block differs from the last one.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 251 + at % 241) as u8).collect()
}

#[test]
fn bytes_pass_both_ways_in_records_of_any_size() {
    const LARGE: usize = 3_000_000;
    let (client, mut end) = served(|mut client| {
        for length in [1, 5, 16_384, 16_385, 100_000, LARGE] {
            client.write_all(&pattern(length)).unwrap();
            let mut got = vec![0; length];
            client.read_exact(&mut got).unwrap();
            assert_eq!(got, pattern(length));
        }
    });
    for length in [1, 5, 16_384, 16_385, 100_000, LARGE] {
        let got = end.read_exactly(length);
        assert_eq!(got, pattern(length));
        end.write(&got);
    }
    client.join().unwrap();
}

/// A peer whose bytes come one by one, and in the worst places.
#[test]
fn records_in_pieces_are_put_together() {
    let (client, mut end) = served(|mut client| {
        client.write_all(b"first").unwrap();
        client.read_exact(&mut [0; 2]).unwrap();
        client.conn.writer().write_all(&pattern(20_000)).unwrap();
        let mut sealed = Vec::new();
        client.conn.write_tls(&mut sealed).unwrap();
        client.sock.set_nodelay(true).unwrap();
        let (bulk, last) = sealed.split_at(sealed.len() - 40);
        for part in bulk.chunks(4097) {
            client.sock.write_all(part).unwrap();
        }
        for byte in last {
            client.sock.write_all(&[*byte]).unwrap();
        }
        client.read_exact(&mut [0; 2]).unwrap();
    });
    assert_eq!(end.read_exactly(5), b"first");
    end.write(b"ok");
    assert_eq!(end.read_exactly(20_000), pattern(20_000));
    end.write(b"ok");
    client.join().unwrap();
}

#[test]
fn what_waits_for_a_reader_is_bounded_and_leaves_when_it_reads() {
    let (go, told) = std::sync::mpsc::channel();
    let (client, mut end) = served(move |mut client| {
        client.write_all(b"!").unwrap();
        let length: usize = told.recv_timeout(LIMIT).unwrap();
        let mut got = vec![0; length];
        client.read_exact(&mut got).unwrap();
        got
    });
    end.read_exactly(1);
    let bytes = pattern(64 << 20);
    let mut taken = 0;
    while end.wire.is_flushed() {
        taken += end.wire.write(&bytes[taken..], &mut end.sealing).unwrap();
    }
    let held = end.wire.backlog();
    assert!(held <= Sealing::AT_ONCE + 1024, "{held} bytes wait");
    go.send(taken).unwrap();
    end.write(b"");
    assert_eq!(end.wire.backlog(), 0);
    assert_eq!(client.join().unwrap(), bytes[..taken]);
}

#[test]
fn keys_are_renewed_when_the_peer_asks() {
    let (client, mut end) = served(|mut client| {
        client.write_all(b"before").unwrap();
        client.read_exact(&mut [0; 2]).unwrap();
        client.conn.refresh_traffic_keys().unwrap();
        client.write_all(b"after").unwrap();
        let mut got = [0; 5];
        client.read_exact(&mut got).unwrap();
        got
    });
    assert_eq!(end.read_exactly(6), b"before");
    end.write(b"ok");
    assert_eq!(end.read_exactly(5), b"after");
    end.write(b"still");
    assert_eq!(&client.join().unwrap(), b"still");
}

#[test]
fn an_end_in_good_order_is_told_apart_from_a_cut() {
    let (client, mut end) = served(|mut client| {
        client.write_all(b"last").unwrap();
        client.conn.send_close_notify();
        client.flush().unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        rest
    });
    assert_eq!(end.read_exactly(4), b"last");
    assert_eq!(end.read().unwrap(), None);
    assert_eq!(end.read().unwrap(), None);
    // The other direction is still open.
    end.write(b"answer");
    while !end.wire.try_finish(&mut end.sealing).unwrap() {
        end.wait();
    }
    assert_eq!(client.join().unwrap(), b"answer");

    let (client, mut end) = served(|mut client| {
        client.write_all(b"last").unwrap();
        client.sock.shutdown(Shutdown::Write).unwrap();
        client
    });
    assert_eq!(end.read_exactly(4), b"last");
    // Were it dropped with something unread, the kernel would reset the connection.
    let _client = client.join().unwrap();
    let cut = end.read().unwrap_err();
    assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn what_breaks_tls_is_told_by_an_alert() {
    let (client, mut end) = served(|mut client| {
        client.write_all(b"good").unwrap();
        client.read_exact(&mut [0; 2]).unwrap();
        // A record that nobody has sealed.
        client.sock.write_all(&[23, 3, 3, 0, 20]).unwrap();
        client.sock.write_all(&[9; 20]).unwrap();
        client.read(&mut [0; 1]).unwrap_err()
    });
    assert_eq!(end.read_exactly(4), b"good");
    end.write(b"ok");
    let error = end.read().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    assert_eq!(inner, Some(&Error::DecryptError));
    let told = client.join().unwrap();
    assert!(told.to_string().contains("BadRecordMac"), "{told}");
    assert!(end.wire.write(b"more", &mut end.sealing).is_err());
}

#[test]
fn a_message_without_an_end_is_not_kept() {
    let (client, mut end) = served(|client| {
        let mut socket = client.sock;
        // A ClientHello that says it is of 16 MiB, in records of 16 KiB.
        let mut record = vec![22, 3, 1, 0x40, 0];
        record.extend([1, 0xff, 0xff, 0xff]);
        record.resize(5 + 16_384, 0);
        while socket.write_all(&record).is_ok() {
            record[5] = 0;
        }
    });
    let error = end.read().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    assert!(end.wire.backlog() <= 128 * 1024);
    drop(end);
    client.join().unwrap();
}
