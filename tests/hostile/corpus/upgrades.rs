//! Upgrades, CONNECT and Expect.

use crate::case::{
    Case, End, HOST, ID, Outcome, Rule, Script, Step, Then, Told, get, plain, post, rule,
};

static CONNECT: Rule = rule(
    "RFC 9110 9.3.6",
    "CONNECT is not carried; nothing behind it is read",
)
.told("-", "upgrade_unsupported");
static FOREIGN: Rule = rule(
    "RFC 9110 7.8",
    "upgrades other than to websocket are refused, h2c is ignored",
)
.told("-", "upgrade_unsupported");
static EARLY: Rule = plain(
    "RFC 9110 7.8",
    "behind a request for an upgrade nothing is read before it is answered",
);
static SWITCH: Rule = plain(
    "RFC 9110 15.2.2",
    "only a 101 to a request that asked for it changes the protocol",
)
.told("UPE", "upstream_protocol");
static EXPECT: Rule = plain(
    "RFC 9110 10.1.1",
    "`expect: 100-continue` is passed on, and its answer too",
);

fn websocket(lines: &str, rest: &str) -> String {
    format!(
        "GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{lines}\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n{rest}"
    )
}

const SWITCHED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = connects();
    cases.extend(foreign());
    cases.extend(switched());
    cases.extend(expects());
    cases
}

fn connects() -> Vec<Case> {
    let behind = format!("GET /{ID}/smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let mut cases = Vec::new();
    for (name, target) in [
        ("host and port", "other.test:443"),
        ("an address", "127.0.0.1:80"),
    ] {
        let bytes = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n{behind}");
        cases.push(Case::one(&CONNECT, name, bytes).refused(&[501]));
    }
    for (name, target) in [
        ("without a port", "other.test"),
        ("a path", "/x"),
        ("absolute", "http://other.test:80/"),
        ("an empty host", ":443"),
        ("a bad port", "a:b"),
    ] {
        let bytes = format!("CONNECT {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n{behind}");
        cases.push(Case::one(&CONNECT, format!("{name} is no target"), bytes).refused(&[400]));
    }
    for (name, lines) in [
        ("with a length", "Content-Length: 5\r\n"),
        ("chunked", "Transfer-Encoding: chunked\r\n"),
    ] {
        let bytes = format!("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n{lines}\r\n{behind}");
        cases.push(Case::one(&CONNECT, name, bytes).refused(&[400]));
    }
    cases
}

fn foreign() -> Vec<Case> {
    let mut cases = Vec::new();
    for protocol in ["TLS/1.0", "foo", "IRC/6.9", "h2", "HTTP/2.0"] {
        let bytes = format!(
            "GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n"
        );
        let case = Case::one(&FOREIGN, protocol, bytes);
        cases.push(
            case.then(Outcome::Refused {
                statuses: &[501],
                codes: &[],
            })
            .ends(End::Any),
        );
    }
    let h2c = format!(
        "GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
    );
    let request = get("/x")
        .lacks("upgrade")
        .lacks("http2-settings")
        .lacks("connection");
    cases.push(Case::one(&FOREIGN, "h2c is ignored", h2c).accepted(request));
    let unnamed = format!("GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\n\r\n");
    cases.push(
        Case::one(&FOREIGN, "not named in connection", unnamed)
            .accepted(get("/x").lacks("upgrade")),
    );
    let body = format!(
        "POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello"
    );
    let case = Case::one(&FOREIGN, "websocket with a body", body);
    cases.push(
        case.then(Outcome::Refused {
            statuses: &[501],
            codes: &[],
        })
        .ends(End::Any),
    );
    cases
}

fn switched() -> Vec<Case> {
    let raw = |bytes: &[u8]| Script::Raw(bytes.to_vec(), Then::Keep);
    let asked = || get("/x").has("upgrade", "websocket");
    let took = |body: &[u8]| Outcome::Answered {
        request: asked(),
        answer: Told {
            status: 101,
            body: body.to_vec(),
            ..Told::default()
        },
    };
    let refused = b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno";
    let no = || Outcome::Answered {
        request: asked(),
        answer: Told {
            status: 403,
            body: b"no".to_vec(),
            ..Told::default()
        },
    };
    let early = format!("GET /{ID}/smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    // A path that ends so is answered well, whatever the case's script.
    let next = format!("GET /{ID}/next HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    vec![
        Case::one(&EARLY, "accepted: bytes behind 101 go through", websocket("", ""))
            .answers(raw(SWITCHED))
            .step(Step::Interim)
            .step(Step::Send(b"ping".to_vec()))
            .step(Step::HalfClose)
            .then(took(b"ping"))
            .ends(End::Closed),
        Case::one(&EARLY, "accepted: early bytes are the new protocol's", websocket("", &early))
            .answers(raw(SWITCHED))
            .step(Step::Interim)
        .step(Step::HalfClose)
        .then(took(early.as_bytes()))
            .ends(End::Closed),
        Case::one(
            &EARLY,
            "refused: the connection goes on",
            websocket("", ""),
        )
        .answers(Script::Raw(refused.to_vec(), Then::Keep))
        .then(no())
        .ends(End::Open),
        Case::one(
            &EARLY,
            "refused: what came early is the next request",
            websocket("", &next),
        )
        .answers(Script::Raw(refused.to_vec(), Then::Keep))
        .then(no())
        .then(Outcome::Accepted(get("/next")))
        .ends(End::Open),
        Case::one(&SWITCH, "101 that nobody asked for", format!("GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\n\r\n"))
            .answers(raw(SWITCHED))
            .then(Outcome::Spoilt { request: get("/x"), statuses: &[502, 503] })
            .ends(End::Any),
        Case::one(&SWITCH, "101 to an ignored h2c", format!("GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"))
            .answers(raw(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"))
            .then(Outcome::Spoilt { request: get("/x"), statuses: &[502, 503] })
            .ends(End::Any),
    ]
}

fn expects() -> Vec<Case> {
    let bytes = |expect: &str| {
        format!(
            "POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\nExpect: {expect}\r\n\r\n"
        )
    };
    vec![
        Case::one(&EXPECT, "the body after 100", bytes("100-continue"))
            .step(Step::Interim)
            .step(Step::Send(b"hello".to_vec()))
            .accepted(post("hello")),
        Case::one(
            &EXPECT,
            "the body at once",
            format!("{}hello", bytes("100-continue")),
        )
        .accepted(post("hello")),
        Case::one(
            &EXPECT,
            "in capitals",
            format!("{}hello", bytes("100-Continue")),
        )
        .accepted(post("hello")),
        Case::one(
            &EXPECT,
            "without a body",
            format!("GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\n\r\n"),
        )
        .accepted(get("/x")),
    ]
}
