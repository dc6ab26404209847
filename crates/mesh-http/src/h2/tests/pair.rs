//! Our client against our server, over bytes cut at random.

use proptest::prelude::*;

use super::support::*;
use crate::h2::{Client, Limits, Server};
use crate::{BodyLength, Event, RequestHead, ResponseHead};

/// One direction: what was sent and not shown yet.
#[derive(Default)]
struct Pipe {
    held: Vec<u8>,
}

/// Numbers from a seed: cuts and turns.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most.max(1)
    }
}

impl Pipe {
    /// Moves some bytes of the output and shows what there is.
    fn carry<C: Codec>(
        &mut self,
        from: &mut crate::Output,
        chance: &mut Chance,
        most: usize,
        to: &mut C,
        head: &mut C::Head,
        mut seen: impl FnMut(&mut C, Seen, &C::Head),
    ) {
        let count = (1 + chance.below(most)).min(from.len());
        self.held.extend_from_slice(&from.pending()[..count]);
        from.consume(count);
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        while let Some(event) = to.next(start(), &mut rest, head).unwrap() {
            let event = Seen::from(event);
            seen(to, event, head);
        }
        self.held = rest.to_vec();
    }
}

/// Bodies of one exchange.
#[derive(Clone, Default, Debug)]
struct Exchange {
    request: Vec<u8>,
    response: Vec<u8>,
    sent: usize,
    answered: Option<usize>,
    got_request: Vec<u8>,
    got_response: Vec<u8>,
    is_done: bool,
    trailers: bool,
}

fn body(length: usize, salt: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + salt) as u8).collect()
}

fn exchange_all(lengths: &[(usize, usize)], limits: Limits, seed: u64, most: usize) {
    let mut chance = Chance(seed);
    let mut client = Client::new(&limits);
    let mut server = Server::new(&limits);
    let (mut up, mut down) = (Pipe::default(), Pipe::default());
    let (mut request_head, mut response_head) = (RequestHead::default(), ResponseHead::default());
    let mut all: Vec<Exchange> = Vec::new();
    for (at, (up, down)) in lengths.iter().enumerate() {
        all.push(Exchange {
            request: body(*up, at),
            response: body(*down, at + 100),
            trailers: at % 2 == 0,
            ..Exchange::default()
        });
    }
    let mut begun = 0;
    let mut rounds = 0;
    while all.iter().any(|exchange| !exchange.is_done) {
        rounds += 1;
        assert!(rounds < 3_000_000, "no progress: {client:?} {server:?}");
        if begun < all.len() && client.room() > 0 && chance.below(3) == 0 {
            let mut head = request("POST");
            let length = all[begun].request.len();
            if begun % 3 == 0 {
                head.fields
                    .append("content-length", length.to_string())
                    .unwrap();
            }
            assert_eq!(client.request(&head, length == 0), Ok(begun as u32 * 2 + 1));
            begun += 1;
        }
        for (at, exchange) in all.iter_mut().enumerate().take(begun) {
            let id = at as u32 * 2 + 1;
            if exchange.sent < exchange.request.len() {
                let piece = &exchange.request[exchange.sent..];
                let offered = piece.len().min(1 + chance.below(40_000));
                let end = offered == piece.len();
                let taken = client.send_data(id, &piece[..offered], end).unwrap();
                exchange.sent += taken;
            }
            if let Some(sent) = exchange.answered {
                let piece = &exchange.response[sent..];
                let end = !exchange.trailers;
                let taken = server.send_data(id, piece, end).unwrap();
                assert!(taken <= piece.len());
                exchange.answered = Some(sent + taken);
                if sent + taken == exchange.response.len() {
                    if exchange.trailers {
                        let mut fields = crate::Fields::new();
                        fields.append("x-sum", "1").unwrap();
                        server.send_trailers(id, &fields).unwrap();
                    }
                    exchange.answered = None;
                }
            }
        }
        up.carry(
            client.output(),
            &mut chance,
            most,
            &mut server,
            &mut request_head,
            |server, seen, _| match seen {
                Seen::Head(id, length) => {
                    let exchange = &mut all[id as usize / 2];
                    let has_body = length != BodyLength::None;
                    assert_eq!(has_body, !exchange.request.is_empty());
                    if !has_body {
                        server.respond(id, &response(200), false).unwrap();
                        exchange.answered = Some(0);
                    }
                }
                Seen::Data(id, bytes, end) => {
                    let exchange = &mut all[id as usize / 2];
                    exchange.got_request.extend_from_slice(&bytes);
                    server.release(id, bytes.len());
                    if end {
                        assert_eq!(exchange.got_request, exchange.request);
                        server.respond(id, &response(200), false).unwrap();
                        exchange.answered = Some(0);
                    }
                }
                Seen::Window(_) => {}
                other => panic!("{other:?}"),
            },
        );
        down.carry(
            server.output(),
            &mut chance,
            most,
            &mut client,
            &mut response_head,
            |client, seen, head| match seen {
                Seen::Head(_, length) => {
                    assert_eq!((head.status, length), (200, BodyLength::Unknown))
                }
                Seen::Data(id, bytes, end) => {
                    let exchange = &mut all[id as usize / 2];
                    exchange.got_response.extend_from_slice(&bytes);
                    client.release(id, bytes.len());
                    exchange.is_done |= end;
                }
                Seen::Trailers(id) => {
                    assert_eq!(head.fields.get_str("x-sum"), Some("1"));
                    all[id as usize / 2].is_done = true;
                }
                Seen::Window(_) => {}
                other => panic!("{other:?}"),
            },
        );
    }
    for exchange in &all {
        assert_eq!(exchange.got_response, exchange.response);
    }
    assert!(client.is_idle());
    assert_eq!((client.streams(), server.streams()), (0, 0));
}

#[test]
fn bodies_arrive_byte_by_byte() {
    exchange_all(&[(300, 2_000), (0, 0), (5, 1)], Limits::default(), 1, 1);
}

#[test]
fn bodies_far_larger_than_the_windows_arrive() {
    let limits = Limits {
        stream_window: 2_000,
        connection_window: 10_000,
        connection_buffer: 20_000,
        ..Limits::default()
    };
    exchange_all(
        &[(300_000, 500_000), (0, 400_000), (100_000, 0)],
        limits,
        2,
        50_000,
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn bodies_arrive_whatever_the_schedule(
        lengths in prop::collection::vec((0_usize..60_000, 0_usize..60_000), 1..12),
        window in 1_000_u32..100_000,
        seed: u64,
        most in prop::sample::select(vec![7_usize, 100, 3_000, 70_000]),
    ) {
        let limits = Limits {
            stream_window: window,
            connection_window: window * 2,
            connection_buffer: window * 3,
            max_streams: 3,
            ..Limits::default()
        };
        exchange_all(&lengths, limits, seed, most);
    }

    #[test]
    fn any_frames_are_taken_without_harm(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        kind in 0_u8..11,
        seed: u64,
    ) {
        let sent = some_frames(&bytes, kind, seed);
        let mut fed = server();
        fed.feed(post(1));
        let mut rest = sent.as_slice();
        while let Ok(Some(event)) = fed.codec.next(fed.now, &mut rest, &mut fed.head) {
            if let Event::Head { stream, .. } = event {
                fed.codec.respond(stream, &response(200), false).unwrap();
            }
        }
        fed.wrote();

        let mut fed = client();
        for _ in 0..3 {
            fed.codec.request(&request("POST"), false).unwrap();
        }
        let mut rest = sent.as_slice();
        while let Ok(Some(event)) = fed.codec.next(fed.now, &mut rest, &mut fed.head) {
            if let Event::Data { stream, bytes, .. } = event {
                fed.codec.release(stream, bytes.len());
                prop_assert_ne!(fed.codec.send_data(stream, b"x", false), Ok(2));
            }
        }
        fed.wrote();
    }
}

/// Frames of a few types with any flags on a few streams.
fn some_frames(bytes: &[u8], kind: u8, seed: u64) -> Vec<u8> {
    let mut chance = Chance(seed);
    let mut sent = Vec::new();
    for piece in bytes.chunks(1 + chance.below(40)) {
        let length = (piece.len() as u32).to_be_bytes();
        sent.extend_from_slice(&length[1..]);
        let kind = (kind + chance.below(3) as u8) % 11;
        let stream = chance.below(6) as u8;
        sent.extend_from_slice(&[kind, chance.below(256) as u8, 0, 0, 0, stream]);
        sent.extend_from_slice(piece);
    }
    sent
}
