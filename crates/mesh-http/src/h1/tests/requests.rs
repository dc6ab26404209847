//! What a server makes of requests, rule by rule.

use super::*;

/// A server that answers every request with 200 and no body, once it is complete.
struct Answering(Server);

impl Side for Answering {
    type Head = RequestHead;

    fn next<'b>(
        &mut self,
        input: &mut &'b [u8],
        head: &mut RequestHead,
    ) -> Result<Option<Event<'b>>, Fault> {
        self.0.next(now(), input, head)
    }

    fn end(&mut self) -> Result<Option<Event<'static>>, Fault> {
        self.0.end_of_input()
    }

    fn act(&mut self, event: &Event<'_>) {
        let done = match *event {
            Event::Head { stream, body } => (body == BodyLength::None).then_some(stream),
            Event::Data { stream, end, .. } => end.then_some(stream),
            Event::Trailers { stream } => Some(stream),
            _ => None,
        };
        if let Some(stream) = done {
            let head = ResponseHead {
                status: 200,
                ..ResponseHead::default()
            };
            self.0.respond(stream, &head, true).unwrap();
        }
    }
}

#[track_caller]
fn check(input: impl AsRef<[u8]>, expect: &str) {
    let input = input.as_ref();
    let told = tell(|| Answering(Server::new(&Limits::default())), input);
    assert_eq!(told, expect, "{}", input.escape_ascii());
}

#[test]
fn a_request_is_read_with_its_body_and_the_next_one_after_it() {
    check(
        "POST /a?b HTTP/1.1\r\nHost: x:80\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nhost:y\r\n\r\n",
        "1 POST http://x:80/a?b HTTP/1.1 [Content-Length: 3] Exactly(3)\ndata abc\nend\n\
         2 GET http://y/ HTTP/1.1 None",
    );
}
