//! HTTP/1 connections: cutting changes nothing, and what is answered is read as it is meant.

use mesh_http::{BodyLength, Fields, RequestHead, ResponseHead, StreamId, h1};

use crate::feed::{Ask, Feed, Seen, Serve, Transcript, options, request, status, written};
use crate::strict::h1::{Asked, response};

/// A server reads `data` after its first byte, which chooses the answers.
pub fn h1_server(data: &[u8]) {
    let (options, sent) = options(data);
    let whole = serve(sent, usize::MAX, options);
    let cut = serve(sent, 1 + usize::from(options >> 3), options);
    assert_eq!(whole, cut, "cut bytes are read in another way");
}

/// What came of a connection: what it told, what it wrote, whether it is over.
type Outcome<H> = (Transcript<H>, Vec<u8>, bool);

fn serve(sent: &[u8], step: usize, options: u8) -> Outcome<RequestHead> {
    let mut server = <h1::Server as Serve>::new();
    let mut feed = Feed::new(sent, step);
    let mut told = Transcript(Vec::new());
    let mut asked = Vec::new();
    let mut answered = Vec::new();
    while let Some(seen) = feed.next(&mut server) {
        if let Seen::Head(_, _, head) = &seen {
            asked.push(head.clone());
        }
        let due = match &seen {
            Seen::Head(stream, ..) if options & 1 != 0 => Some(*stream),
            Seen::Head(stream, BodyLength::None | BodyLength::Tunnel, _) => Some(*stream),
            _ if options & 1 == 0 => seen.completes(),
            _ => None,
        };
        let over = matches!(seen, Seen::Over(..));
        if let Some(stream) = due {
            let is_new = answered.len() < asked.len();
            if is_new && let Some(head) = asked.last() {
                answered.push(answer(&mut server, stream, head, options));
            }
        } else if over && server.respond(0, &status(400), true).is_ok() {
            answered.push(Some((400, Vec::new(), Asked::default())));
        }
        told.push(seen);
        if over {
            break;
        }
    }
    let output = written(server.output());
    judge(&output, &answered, server.is_over());
    (told, output, server.is_over())
}

/// What was answered: status and body.
type Answer = Option<(u16, Vec<u8>, Asked)>;

fn answer(server: &mut h1::Server, stream: StreamId, request: &RequestHead, how: u8) -> Answer {
    let switches = how & 2 != 0 && request.fields.contains("upgrade");
    let mut head = status(if switches { 101 } else { 200 });
    let body: &[u8] = if how & 4 != 0 { b"12345" } else { b"" };
    if head.status == 200 && how & 2 != 0 {
        head.fields
            .set("content-length", body.len().to_string())
            .ok()?;
    }
    server.respond(stream, &head, false).ok()?;
    server.send_data(stream, body, false).ok()?;
    server.send_trailers(stream, &Fields::new()).ok()?;
    let asked = Asked {
        head: request.method == "HEAD",
        connect: request.method == "CONNECT",
    };
    let silent = asked.head;
    let body = if silent { Vec::new() } else { body.to_vec() };
    Some((head.status, body, asked))
}

/// Reads the output as a strict client: the answers and nothing else.
fn judge(output: &[u8], answered: &[Answer], over: bool) {
    let mut rest = output;
    for (status, body, asked) in answered.iter().flatten() {
        let read = response(&mut rest, *asked, over);
        assert!(
            read.is_ok(),
            "{read:?} in {}",
            String::from_utf8_lossy(output)
        );
        let Ok(Some(mut message)) = read else {
            assert!(body.is_empty() && rest.is_empty(), "an answer is missing");
            return;
        };
        if message.open_end {
            message.body = std::mem::take(&mut rest).to_vec();
        }
        assert!(message.whole, "an answer that does not end");
        let [_, said, _] = &message.start;
        assert_eq!(*said, status.to_string().into_bytes());
        assert_eq!(message.body, *body);
    }
    assert!(rest.is_empty(), "more is written than the answers");
}

/// A client reads `data` after its first byte, which chooses the request.
pub fn h1_client(data: &[u8]) {
    let (options, sent) = options(data);
    let whole = ask(sent, usize::MAX, options);
    let cut = ask(sent, 1 + usize::from(options >> 3), options);
    assert_eq!(whole, cut, "cut bytes are read in another way");
}

fn ask(sent: &[u8], step: usize, options: u8) -> Outcome<ResponseHead> {
    let mut client = <h1::Client as Ask>::new();
    let mut told = Transcript(Vec::new());
    let method = match options & 7 {
        0 => "GET",
        1 => "HEAD",
        2 => "POST",
        3 => "CONNECT",
        _ => "OPTIONS",
    };
    let mut head = request(method);
    if options & 4 != 0 {
        let added = [("connection", "upgrade"), ("upgrade", "x")];
        for (name, value) in added {
            assert!(head.fields.append(name, value).is_ok(), "a field like any");
        }
    }
    let begun = client.request(&head, method != "POST" && method != "CONNECT");
    assert!(begun.is_ok(), "{begun:?}");
    let mut feed = Feed::new(sent, step);
    let mut heads = 0;
    while let Some(seen) = feed.next(&mut client) {
        heads += usize::from(matches!(seen, Seen::Head(..)));
        assert!(heads <= 1, "two answers to one request");
        let over = matches!(seen, Seen::Over(..));
        told.push(seen);
        if over {
            break;
        }
    }
    (told, written(client.output()), client.is_over())
}
