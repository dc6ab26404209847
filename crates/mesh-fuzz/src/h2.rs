//! HTTP/2 connections: cutting changes nothing, windows are kept both ways, and what is written is
//! read as it is meant.

use std::collections::BTreeMap;

use mesh_http::{ErrorCode, Fields, RequestHead, ResponseHead, StreamId, h2};

use crate::feed::{Codec, Feed, Seen, Transcript, options, request, status, written};
use crate::frames::{self, PREFACE, Windows, put};
use crate::strict::h2::Reader;

/// A server reads `data` after its first byte, which chooses the answers.
pub fn h2_server(data: &[u8]) {
    let (options, sent) = options(data);
    let sent = opened(sent, options, PREFACE);
    let whole = serve(&sent, usize::MAX, options);
    let cut = serve(&sent, 1 + usize::from(options & 0x1f), options);
    same(&whole, &cut, options);
}

/// A client reads `data` after its first byte, which chooses the requests.
pub fn h2_client(data: &[u8]) {
    let (options, sent) = options(data);
    let sent = opened(sent, options, b"");
    let whole = ask(&sent, usize::MAX, options);
    let cut = ask(&sent, 1 + usize::from(options & 0x1f), options);
    same(&whole, &cut, options);
}

/// Cutting changes nothing; but when small windows are opened again depends on the pieces that are
/// passed on, and so does what fits them.
fn same<H: PartialEq + std::fmt::Debug>(whole: &Outcome<H>, cut: &Outcome<H>, options: u8) {
    if !has_small_windows(options) {
        assert_eq!(whole, cut, "cut bytes are read in another way");
    }
}

/// Most inputs get the opening of a connection for nothing.
fn opened(sent: &[u8], options: u8, preface: &[u8]) -> Vec<u8> {
    if options & 0x80 != 0 {
        return sent.to_vec();
    }
    let mut bytes = preface.to_vec();
    put(&mut bytes, frames::SETTINGS, 0, 0, &[]);
    put(&mut bytes, frames::SETTINGS, frames::ACK, 0, &[]);
    bytes.extend_from_slice(sent);
    bytes
}

/// Watches a connection from outside: the bytes that go in and come out.
struct Watch<'d> {
    sent: &'d [u8],
    seen: usize,
    reader: Reader,
    /// What we may send.
    ours: Windows,
    /// What the peer may send.
    theirs: Windows,
    /// Bytes that were handed out, of each stream.
    given: BTreeMap<StreamId, u64>,
    output: Vec<u8>,
    /// Bytes of heads and bodies that the codec was told to send.
    told: usize,
}

impl<'d> Watch<'d> {
    fn new(sent: &'d [u8], preface: usize, is_client: bool) -> Self {
        Self {
            sent,
            seen: preface.min(sent.len()),
            reader: Reader::new(is_client),
            ours: Windows::new(false),
            theirs: Windows::new(true),
            given: BTreeMap::new(),
            output: Vec::new(),
            told: 0,
        }
    }

    /// The codec has taken so many bytes.
    fn took(&mut self, taken: usize) {
        loop {
            let mut rest = self.sent.get(self.seen..taken).unwrap_or_default();
            let before = rest.len();
            let Some(frame) = frames::take(&mut rest) else {
                return;
            };
            self.ours.opened(&frame);
            if frame.kind == frames::SETTINGS && frame.has(frames::ACK) {
                self.theirs.acknowledged();
            }
            self.seen += before - rest.len();
        }
    }

    fn wrote<C: Codec>(&mut self, codec: &mut C, taken: usize) {
        let bytes = written(codec.output());
        let read = self.reader.read(&bytes);
        assert!(read.is_ok(), "{read:?}: {bytes:?}");
        for frame in read.iter().flatten() {
            assert!(self.ours.sent(frame), "more is sent than a window takes");
            self.theirs.opened(frame);
        }
        self.output.extend_from_slice(&bytes);
        let most = 4096 + 8 * taken + 2 * self.told;
        assert!(
            self.output.len() <= most,
            "little is read and much is written"
        );
    }

    fn gave(&mut self, stream: StreamId, bytes: usize) {
        let frame = frames::Frame {
            kind: frames::DATA,
            flags: 0,
            stream,
            payload: &vec![0; bytes],
        };
        *self.given.entry(stream).or_default() += bytes as u64;
        assert!(
            self.theirs.sent(&frame),
            "more is taken than a window allows"
        );
    }
}

fn has_small_windows(options: u8) -> bool {
    options & 0x18 == 0x18
}

/// Those of a sidecar, or with windows that an input can fill.
fn limits(options: u8) -> h2::Limits {
    let usual = h2::Limits::default();
    if !has_small_windows(options) {
        return usual;
    }
    h2::Limits {
        stream_window: 64,
        ..usual
    }
}

/// What a connection came to.
type Outcome<H> = (Transcript<H>, Vec<u8>, bool);

/// Bodies that wait for a window.
type Bodies = BTreeMap<StreamId, usize>;

/// Sends of all bodies what can be sent.
fn send<C: Codec>(codec: &mut C, bodies: &mut Bodies, options: u8) {
    bodies.retain(|stream, left| {
        let piece = vec![b'x'; *left];
        let with_trailers = options & 0x40 != 0;
        let taken = codec.send_data(*stream, &piece, !with_trailers);
        let Ok(taken) = taken else {
            return false;
        };
        assert!(taken <= *left, "more is taken than was offered");
        *left -= taken;
        if *left > 0 {
            return true;
        }
        if with_trailers {
            let mut fields = Fields::new();
            assert!(fields.append("x", "y").is_ok(), "a field like any");
            // The stream may be over meanwhile.
            let _sent = codec.send_trailers(*stream, &fields);
        }
        false
    });
}

fn body_length(options: u8) -> usize {
    match options >> 1 & 3 {
        0 => 0,
        1 => 5,
        2 => 20_000,
        _ => 70_000,
    }
}

fn serve(sent: &[u8], step: usize, options: u8) -> Outcome<RequestHead> {
    let mut server = h2::Server::new(&limits(options));
    let preface = if sent.starts_with(PREFACE) {
        PREFACE.len()
    } else {
        sent.len()
    };
    let mut watch = Watch::new(sent, preface, false);
    let mut feed = Feed::new(sent, step);
    let mut told = Transcript(Vec::new());
    let mut bodies = Bodies::new();
    watch.wrote(&mut server, 0);
    while let Some(seen) = feed.next(&mut server) {
        watch.took(feed.taken);
        if let Seen::Data(stream, bytes, _) = &seen {
            watch.gave(*stream, bytes.len());
            server.release(*stream, bytes.len());
        }
        let due = match &seen {
            Seen::Head(stream, ..) if options & 1 != 0 => Some(*stream),
            _ if options & 1 == 0 => seen.completes(),
            _ => None,
        };
        if let Some(stream) = due {
            watch.told += 64 + body_length(options);
            if options & 0x20 != 0 && stream % 8 == 5 {
                server.reset(stream, ErrorCode::CANCEL);
            } else if server.respond(stream, &status(200), false).is_ok() {
                bodies.insert(stream, body_length(options));
            }
        }
        send(&mut server, &mut bodies, options);
        watch.wrote(&mut server, feed.taken);
        let over = matches!(seen, Seen::Over(..));
        told.push(seen);
        if over {
            break;
        }
    }
    watch.wrote(&mut server, feed.taken);
    (told, watch.output, server.is_over())
}

fn ask(sent: &[u8], step: usize, options: u8) -> Outcome<ResponseHead> {
    let mut client = h2::Client::new(&limits(options));
    let mut watch = Watch::new(sent, 0, true);
    let mut feed = Feed::new(sent, step);
    let mut told = Transcript(Vec::new());
    let mut bodies = Bodies::new();
    for number in 0..2 + (options & 1) {
        let methods = ["GET", "HEAD", "POST"];
        let method = methods.get(usize::from(number)).copied().unwrap_or("PUT");
        let head = request(if options & 8 != 0 { "CONNECT" } else { method });
        watch.told += 64 + body_length(options);
        let begun = client.request(&head, body_length(options) == 0);
        assert!(begun.is_ok(), "{begun:?}");
        if let Ok(stream) = begun
            && body_length(options) > 0
        {
            bodies.insert(stream, body_length(options));
        }
    }
    send(&mut client, &mut bodies, options);
    watch.wrote(&mut client, 0);
    while let Some(seen) = feed.next(&mut client) {
        watch.took(feed.taken);
        if let Seen::Data(stream, bytes, _) = &seen {
            watch.gave(*stream, bytes.len());
            client.release(*stream, bytes.len());
        }
        if let Seen::Head(stream, ..) = &seen
            && options & 0x20 != 0
        {
            client.reset(*stream, ErrorCode::CANCEL);
        }
        send(&mut client, &mut bodies, options);
        watch.wrote(&mut client, feed.taken);
        let over = matches!(seen, Seen::Over(..));
        told.push(seen);
        if over {
            break;
        }
    }
    watch.wrote(&mut client, feed.taken);
    (told, watch.output, client.is_over())
}
