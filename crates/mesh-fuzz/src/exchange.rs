//! A whole exchange: a client's bytes through two codecs to a strict back end, its answer back to a
//! strict client. Each sees what was passed on and nothing else: the same single request, the same
//! single answer, with bodies of the same length.

use mesh_http::{RequestHead, h1, h2};

use crate::feed::{Ask, Serve, options};
use crate::frames::{self, PREFACE, put};
use crate::relay::{Flow, Link, Passed, Relay};
use crate::strict::h1::{Asked, Message, request, response};
use crate::strict::h2::{Reader, Stream};
use crate::strict::only;

/// The first byte of `data` chooses the protocols and the cutting, two more are the length of what
/// the client sends; the rest is what every back end answers.
pub fn exchange(data: &[u8]) {
    let (options, rest) = options(data);
    let (length, rest) = rest.split_first_chunk::<2>().unwrap_or((&[0, 0], rest));
    let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
    let (asking, answering) = rest.split_at_checked(length).unwrap_or_default();
    match options & 3 {
        0 => pass::<h1::Server, h1::Client>(asking, answering, options),
        1 => pass::<h1::Server, h2::Client>(asking, answering, options),
        2 => pass::<h2::Server, h1::Client>(asking, answering, options),
        _ => pass::<h2::Server, h2::Client>(asking, answering, options),
    }
}

fn pass<S: Serve, C: Ask>(asking: &[u8], answering: &[u8], options: u8) {
    let asking = opened(S::H2, asking, PREFACE);
    let answering = opened(C::H2, answering, b"");
    let step = match usize::from(options >> 3) {
        0 => usize::MAX,
        step => step,
    };
    let mut relay = Relay::<S, C>::new(&asking, &answering, step, options & 4 != 0);
    let (output, over) = relay.run();
    for (index, link) in relay.links.iter().enumerate() {
        let on_it = |flow: &&Flow| flow.up.is_some_and(|(own, _)| own == index);
        let flows: Vec<&Flow> = relay.flows.iter().filter(on_it).collect();
        if C::H2 {
            upstream_h2(link, &flows);
        } else {
            upstream_h1(link, &flows);
        }
    }
    if S::H2 {
        downstream_h2(&output, &relay.flows);
    } else {
        downstream_h1(&output, &relay.flows, over);
    }
}

fn opened(is_h2: bool, sent: &[u8], preface: &[u8]) -> Vec<u8> {
    if !is_h2 {
        return sent.to_vec();
    }
    let mut bytes = preface.to_vec();
    put(&mut bytes, frames::SETTINGS, 0, 0, &[]);
    put(&mut bytes, frames::SETTINGS, frames::ACK, 0, &[]);
    bytes.extend_from_slice(sent);
    bytes
}

/// The target that a back end is to see.
fn target(head: &RequestHead) -> &str {
    if head.method == "CONNECT" {
        return &head.authority;
    }
    head.path.split('#').next().unwrap_or_default()
}

fn upstream_h1<C>(link: &Link<'_, C>, flows: &[&Flow]) {
    let text = String::from_utf8_lossy(&link.output);
    let mut rest = link.output.as_slice();
    for flow in flows {
        let read = request(&mut rest);
        assert!(matches!(read, Ok(Some(_))), "{read:?} in {text:?}");
        let Ok(Some(mut message)) = read else {
            return;
        };
        let [method, path, _] = &message.start;
        assert_eq!(*method, flow.asked.method.as_bytes());
        assert_eq!(*path, target(&flow.asked).as_bytes());
        let host = only(&message.fields, b"host");
        assert_eq!(host, Ok(Some(flow.asked.authority.as_bytes())));
        body(&mut message, &mut rest, &flow.request, &text);
    }
    assert!(rest.is_empty(), "more than was asked in {text:?}");
}

/// What is read of a body is what was passed on.
fn body(message: &mut Message, rest: &mut &[u8], passed: &Passed, text: &str) {
    if passed.tunnel {
        message.body.extend_from_slice(std::mem::take(rest));
    } else if passed.whole {
        assert!(message.whole, "a message that does not end in {text:?}");
    } else if message.whole {
        // A length that was announced may be reached before the end is told.
        let counted = matches!(only(&message.fields, b"content-length"), Ok(Some(_)));
        assert!(
            counted,
            "a message that was cut off seems whole in {text:?}"
        );
    }
    assert_eq!(message.body, passed.body, "another body in {text:?}");
}

fn upstream_h2<C>(link: &Link<'_, C>, flows: &[&Flow]) {
    let mut reader = Reader::new(true);
    let read = reader.read(&link.output).map(|_| ());
    assert_eq!(read, Ok(()), "{:?}", link.output);
    assert_eq!(
        reader.streams.len(),
        flows.len(),
        "as many requests as were asked"
    );
    for flow in flows {
        let stream = flow.up.and_then(|(_, up)| reader.streams.get(&up));
        assert!(stream.is_some(), "a request is missing");
        let Some(stream) = stream else {
            return;
        };
        let list = stream.head().cloned().unwrap_or_default();
        let is = |name: &[u8], value: &str| {
            let found = only(&list, name).map(Option::unwrap_or_default);
            assert_eq!(found, Ok(value.as_bytes()), "{list:?}");
        };
        let connect = flow.asked.method == "CONNECT";
        is(b":method", &flow.asked.method);
        is(b":authority", &flow.asked.authority);
        is(b":path", if connect { "" } else { target(&flow.asked) });
        stream_body(stream, &flow.request);
    }
}

fn stream_body(stream: &Stream, passed: &Passed) {
    assert_eq!(stream.body, passed.body, "another body");
    if passed.whole {
        assert!(stream.ended || stream.reset, "a message that does not end");
    } else {
        assert!(!stream.ended, "a message that was cut off seems whole");
    }
}

fn downstream_h1(output: &[u8], flows: &[Flow], over: bool) {
    let text = String::from_utf8_lossy(output);
    let mut rest = output;
    for flow in flows {
        let asked = Asked {
            head: flow.asked.method == "HEAD",
            connect: flow.asked.method == "CONNECT",
        };
        let old = flow.asked.version == mesh_http::Version::Http10;
        for _ in 0..if old { 0 } else { flow.interims } {
            let read = response(&mut rest, asked, over);
            let status = read.map(|read| read.map(|message| message.start));
            let is_interim =
                matches!(&status, Ok(Some([_, status, _])) if status.starts_with(b"1"));
            assert!(is_interim, "{status:?} in {text:?}");
        }
        let Some(status) = flow.status else {
            continue;
        };
        let read = response(&mut rest, asked, over);
        assert!(matches!(read, Ok(Some(_))), "{read:?} in {text:?}");
        let Ok(Some(mut message)) = read else {
            return;
        };
        let [_, said, _] = &message.start;
        assert_eq!(*said, status.to_string().into_bytes());
        let until_close = !message
            .fields
            .iter()
            .any(|(name, _)| name == b"content-length" || name == b"transfer-encoding");
        let silent = !flow.answer.tunnel && (asked.head || matches!(status, 204 | 304));
        if silent {
            assert!(message.body.is_empty(), "a body where none may be");
        } else if until_close && !flow.answer.tunnel && !flow.answer.whole {
            // Without a length only the connection's end tells, and how it ended is not seen here.
            assert_eq!(message.body, flow.answer.body, "another body in {text:?}");
        } else {
            body(&mut message, &mut rest, &flow.answer, &text);
        }
    }
    assert!(rest.is_empty(), "more than was answered in {text:?}");
}

fn downstream_h2(output: &[u8], flows: &[Flow]) {
    let mut reader = Reader::new(false);
    // Answers to HEAD have a length and no body.
    let heads = flows.iter().filter(|flow| flow.asked.method == "HEAD");
    reader.lengthless = heads.map(|flow| flow.down).collect();
    let read = reader.read(output).map(|_| ());
    assert_eq!(read, Ok(()), "{output:?}");
    for flow in flows.iter().filter(|flow| flow.down != 0) {
        let stream = reader.streams.get(&flow.down);
        let list = stream.and_then(Stream::head).cloned().unwrap_or_default();
        let status = flow.status.map(|status| status.to_string());
        let said = only(&list, b":status").map(|said| said.map(<[u8]>::to_vec));
        assert_eq!(said, Ok(status.map(String::into_bytes)));
        let Some(stream) = stream else {
            continue;
        };
        let interims = stream.lists.iter().filter(|list| {
            let status = only(list, b":status");
            matches!(status, Ok(Some([b'1', ..])))
        });
        assert_eq!(interims.count(), flow.interims);
        if reader.lengthless.contains(&flow.down) {
            assert!(stream.body.is_empty(), "a body where none may be");
        } else if flow.answer.tunnel || !matches!(flow.status, Some(204 | 304) | None) {
            stream_body(stream, &flow.answer);
        }
    }
}
