//! Compares what a case promises with what the back end and the client saw.

use crate::backend::{Received, Seen};
use crate::case::{Case, End, Forwarded, Outcome, Told, Wire, named};
use crate::client::{Answer, Got};
use crate::wire::h1::values;

/// Everything that is wrong with a run of a case; nothing when it is right.
pub(crate) fn judge(case: &Case, id: &str, got: &Got, seen: &[Seen]) -> Vec<String> {
    let mut wrong = Vec::new();
    back_end(case, id, seen, &mut wrong);
    for (stream, outcome) in &case.expect {
        answer(
            case,
            id,
            outcome,
            got.answers.get(stream),
            *stream,
            &mut wrong,
        );
    }
    let expected: Vec<u32> = case.expect.iter().map(|(stream, _)| *stream).collect();
    let more = got
        .answers
        .keys()
        .filter(|stream| !expected.contains(stream));
    for stream in more.filter(|_| !case.loosely) {
        wrong.push(format!("an answer to nothing, number {stream}"));
    }
    end(case, got, &mut wrong);
    if let Some(why) = &got.wrong {
        wrong.push(format!("the client got what is not HTTP: {why}"));
    }
    if got.good != Some(200) {
        wrong.push(format!("the next good request got {:?}", got.good));
    }
    if got.late && wrong.is_empty() {
        wrong.push("the deadline passed".to_owned());
    }
    wrong
}

fn end(case: &Case, got: &Got, wrong: &mut Vec<String>) {
    match case.end {
        End::Open if got.after != Some(200) => {
            let (after, closed) = (got.after, got.closed);
            wrong.push(format!(
                "the connection takes no next request: {after:?}, closed {closed}"
            ));
        }
        End::Closed if !got.closed => wrong.push("the connection stays open".to_owned()),
        End::GoAway(codes) => match got.goaway {
            Some(code) if codes.is_empty() || codes.contains(&code) => {
                if !got.closed {
                    wrong.push("the connection stays open after GOAWAY".to_owned());
                }
            }
            other => wrong.push(format!("GOAWAY {other:?} instead of {codes:?}")),
        },
        End::Open | End::Closed | End::Any => {}
    }
}

/// The requests that must arrive, each with how often it may.
fn promised(case: &Case) -> Vec<(&Forwarded, bool)> {
    let requests = case.expect.iter().filter_map(|(_, outcome)| match outcome {
        Outcome::Accepted(request) | Outcome::Answered { request, .. } => Some((request, false)),
        // A proxy may try again what got no answer.
        Outcome::Spoilt { request, .. } => Some((request, true)),
        Outcome::Refused { .. } | Outcome::BrokenOff { .. } => None,
    });
    requests.collect()
}

fn back_end(case: &Case, id: &str, seen: &[Seen], wrong: &mut Vec<String>) {
    let partial = |outcome: &Outcome| matches!(outcome, Outcome::BrokenOff { .. });
    let may_break = case.partly || case.expect.iter().any(|(_, outcome)| partial(outcome));
    let mut whole: Vec<&Received> = Vec::new();
    for one in seen {
        match one {
            Seen::Whole(received) if is_probe(received) => {}
            Seen::Whole(received) => whole.push(received),
            Seen::Part(_) if may_break => {}
            Seen::Part(received) => wrong.push(format!("half a request: {}", show(received))),
            Seen::Wrong { why, raw } => {
                let raw = raw.escape_ascii();
                wrong.push(format!("the back end got {why}: {raw}"));
            }
        }
    }
    // Streams of HTTP/2 may arrive in any order.
    for (request, again) in promised(case) {
        let same = |received: &&Received| differences(request, received, id).is_empty();
        let Some(place) = whole.iter().position(same) else {
            match whole.first() {
                Some(received) => wrong.push(differences(request, received, id).join("; ")),
                None => wrong.push(format!("{} {} never arrived", request.method, request.path)),
            }
            whole.drain(..whole.len().min(1));
            continue;
        };
        whole.remove(place);
        if again {
            whole.retain(|received| !same(received));
        }
    }
    if case.loosely {
        // Floods: what came before the limit was in order.
        whole.retain(|received| received.path.ends_with("/smuggled"));
    }
    for received in whole {
        wrong.push(format!("a request that nobody sent: {}", show(received)));
    }
}

fn is_probe(received: &Received) -> bool {
    received.path.ends_with("/after") || received.path.ends_with("/good")
}

/// How a request differs from what it should be.
pub(crate) fn differences(wanted: &Forwarded, received: &Received, id: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let place = |text: &str| String::from_utf8_lossy(&named(text.as_bytes(), id)).into_owned();
    for (what, wanted, received) in [
        ("method", &wanted.method, &received.method),
        ("path", &place(&wanted.path), &received.path),
        ("host", &place(&wanted.host), &received.host),
    ] {
        if wanted != received {
            wrong.push(format!("{what} {received:?} instead of {wanted:?}"));
        }
    }
    fields(&wanted.fields, &received.fields, id, &mut wrong);
    if named(&wanted.body, id) != received.body {
        let (received, wanted) = (clip(&received.body), clip(&wanted.body));
        wrong.push(format!("body {received} instead of {wanted}"));
    }
    if wanted.trailers != received.trailers {
        let (received, wanted) = (&received.trailers, &wanted.trailers);
        wrong.push(format!("trailers {received:?} instead of {wanted:?}"));
    }
    wrong
}

fn fields(
    wanted: &[(String, Vec<Vec<u8>>)],
    received: &[(String, Vec<u8>)],
    id: &str,
    wrong: &mut Vec<String>,
) {
    for (name, wanted) in wanted {
        let received = values(received, name);
        let wanted: Vec<Vec<u8>> = wanted.iter().map(|value| named(value, id)).collect();
        if received != wanted {
            let show = |values: &[Vec<u8>]| {
                let values = values.iter().map(|value| clip(value));
                values.collect::<Vec<_>>().join(", ")
            };
            let (received, wanted) = (show(&received), show(&wanted));
            wrong.push(format!("{name} [{received}] instead of [{wanted}]"));
        }
    }
}

fn answer(
    case: &Case,
    id: &str,
    outcome: &Outcome,
    got: Option<&Answer>,
    stream: u32,
    wrong: &mut Vec<String>,
) {
    let nothing = Answer::default();
    let got = got.unwrap_or(&nothing);
    let (status, whole, reset) = (got.status, got.whole, got.reset);
    let say =
        |what: &str| format!("answer {stream}: {what}: {status:?} whole {whole} reset {reset:?}");
    match outcome {
        Outcome::Accepted(_) => {
            if status != Some(200) || !whole {
                wrong.push(say("not the back end's"));
            }
        }
        Outcome::Refused { statuses, codes } | Outcome::BrokenOff { statuses, codes } => {
            let told = whole && status.is_some_and(|status| statuses.contains(&status));
            let ended = reset.is_some_and(|code| codes.is_empty() || codes.contains(&code));
            let ended = ended && case.wire == Wire::Two && statuses.is_empty();
            // What breaks off in its body may find an answer begun, which then must break off too.
            let broken = matches!(outcome, Outcome::BrokenOff { .. }) && !whole;
            if !told && !ended && !broken {
                wrong.push(say(&format!("not one of {statuses:?} or codes {codes:?}")));
            }
        }
        Outcome::Answered { answer, .. } => told(answer, got, id, &say, wrong),
        Outcome::Spoilt { statuses, .. } => {
            let own = whole && status.is_some_and(|status| statuses.contains(&status));
            if whole && !own {
                wrong.push(say("a broken answer looks whole"));
            }
        }
    }
}

fn told(
    wanted: &Told,
    got: &Answer,
    id: &str,
    say: &dyn Fn(&str) -> String,
    wrong: &mut Vec<String>,
) {
    if got.status != Some(wanted.status) || !got.whole {
        wrong.push(say(&format!("not the back end's {}", wanted.status)));
    }
    if got.body != named(&wanted.body, id) {
        wrong.push(say(&format!(
            "body {} not {}",
            clip(&got.body),
            clip(&wanted.body)
        )));
    }
    fields(&wanted.fields, &got.fields, id, wrong);
    if wanted.trailers != got.trailers {
        wrong.push(say(&format!(
            "trailers {:?} not {:?}",
            got.trailers, wanted.trailers
        )));
    }
}

fn show(received: &Received) -> String {
    let Received {
        method,
        path,
        host,
        body,
        ..
    } = received;
    format!("{method} {path} host {host} body {}", clip(body))
}

/// Bytes as a person can read them, not more than a line of them.
pub(crate) fn clip(bytes: &[u8]) -> String {
    let shown = bytes
        .get(..bytes.len().min(300))
        .unwrap_or(bytes)
        .escape_ascii();
    let rest = bytes.len().saturating_sub(300);
    if rest > 0 {
        format!("{shown} and {rest} bytes")
    } else {
        shown.to_string()
    }
}
