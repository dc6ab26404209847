//! What a case is: bytes that a client sends, and what must come of them.

use crate::wire::h2::Frame;

/// Stands for the name of the case in every byte string of the corpus. Each run of a case puts its
/// own name of the same length in its place, so that no length changes.
pub(crate) const ID: &str = "CASEID00";

/// The host of requests that are not about hosts.
pub(crate) const HOST: &str = "strict.test";
/// The host whose back end speaks HTTP/2.
pub(crate) const H2_HOST: &str = "h2.test";

/// A rule of a specification, or a decision where it leaves one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Where it stands.
    pub(crate) rfc: &'static str,
    /// What it asks for.
    pub(crate) says: &'static str,
    /// The response flag of a refusal by it; empty where there is none.
    pub(crate) flag: &'static str,
    /// The `reason` of `mesh_proxy_failures_total` that counts it; empty where nothing counts.
    pub(crate) reason: &'static str,
}

/// A rule whose refusals are downstream protocol errors.
pub(crate) const fn rule(rfc: &'static str, says: &'static str) -> Rule {
    Rule {
        rfc,
        says,
        flag: "DPE",
        reason: "bad_request",
    }
}

/// A rule that accepts, or whose breach ends a stream or connection without an answer.
pub(crate) const fn plain(rfc: &'static str, says: &'static str) -> Rule {
    Rule {
        rfc,
        says,
        flag: "",
        reason: "",
    }
}

impl Rule {
    /// Sets flag and reason.
    pub(crate) const fn told(self, flag: &'static str, reason: &'static str) -> Self {
        Self {
            rfc: self.rfc,
            says: self.says,
            flag,
            reason,
        }
    }
}

/// Where a case enters the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    /// The ingress gateway.
    Gateway,
    /// The plaintext side of a sidecar's inbound listener.
    Sidecar,
}

/// What the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// HTTP/1.
    One,
    /// HTTP/2 with prior knowledge.
    Two,
}

/// What a client does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Writes these bytes at once.
    Send(Vec<u8>),
    /// Writes them one by one.
    Drip(Vec<u8>),
    /// Writes frames of HTTP/2 again and again, until it has or nobody takes them.
    Flood(Flood),
    /// Waits until so many final answers are there.
    Answers(usize),
    /// Waits until an informational answer is there.
    Interim,
    /// Closes its sending side.
    HalfClose,
}

/// Frames that come so many times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flood {
    pub(crate) turn: Vec<u8>,
    pub(crate) count: u32,
    /// Each turn is on the stream after the one of the last turn.
    pub(crate) opens: bool,
}

/// A request as the back end must see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forwarded {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    /// All values of each of these fields; none at all: the field must be absent.
    pub(crate) fields: Vec<(String, Vec<Vec<u8>>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
}

/// What must come of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The back end sees just this, and the client gets the back end's answer.
    Accepted(Forwarded),
    /// Nothing reaches the back end; the client gets one of these statuses, or on HTTP/2 a reset
    /// with one of these codes.
    Refused {
        statuses: &'static [u16],
        codes: &'static [u32],
    },
    /// The head was in order and the rest was not: the back end may have seen a beginning, never a
    /// complete request, and the client no success.
    BrokenOff {
        statuses: &'static [u16],
        codes: &'static [u32],
    },
    /// The back end's scripted answer is in order: the client gets just it.
    Answered { request: Forwarded, answer: Told },
    /// The back end's scripted answer is not in order: the client gets an error of the proxy with
    /// one of these statuses, or a message that visibly breaks off.
    Spoilt {
        request: Forwarded,
        statuses: &'static [u16],
    },
}

/// An answer as the client must see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// As [`Forwarded::fields`].
    pub(crate) fields: Vec<(String, Vec<Vec<u8>>)>,
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
}

/// What becomes of the client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It takes another request, whose answer is the next message on it.
    Open,
    /// The proxy closes it.
    Closed,
    /// HTTP/2: GOAWAY with one of these codes, then it is closed.
    GoAway(&'static [u32]),
    /// The one or the other.
    Any,
}

/// What the back end does when a request of the case has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Script {
    /// Answers 200.
    Good,
    /// Writes these bytes.
    Raw(Vec<u8>, Then),
    /// Writes these frames; stream [`Frame::THIS`] is the request's.
    Frames(Vec<Frame>, Then),
}

/// What the back end does with its connection after a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Keep,
    Close,
    Reset,
}

/// One case of the corpus.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) rule: &'static Rule,
    /// Unique in the corpus once the module's name stands before it.
    pub(crate) name: String,
    pub(crate) entries: &'static [Entry],
    pub(crate) wire: Wire,
    pub(crate) steps: Vec<Step>,
    pub(crate) script: Script,
    /// HTTP/1: in the order of the requests, from 1; HTTP/2: by stream.
    pub(crate) expect: Vec<(u32, Outcome)>,
    pub(crate) end: End,
    /// The back end may see beginnings of requests.
    pub(crate) partly: bool,
    /// The back end may see some of the requests, and the client some of the answers, before the
    /// connection is ended.
    pub(crate) loosely: bool,
}

/// Both entries.
pub(crate) const BOTH: &[Entry] = &[Entry::Gateway, Entry::Sidecar];

/// HTTP/2's codes (RFC 9113 7), as expectations name them.
pub(crate) mod code {
    pub(crate) const PROTOCOL: u32 = 0x1;
    pub(crate) const FLOW_CONTROL: u32 = 0x3;
    pub(crate) const STREAM_CLOSED: u32 = 0x5;
    pub(crate) const FRAME_SIZE: u32 = 0x6;
    pub(crate) const COMPRESSION: u32 = 0x9;
    pub(crate) const CALM: u32 = 0xb;
}

impl Case {
    /// A case on HTTP/1.
    pub(crate) fn one(
        rule: &'static Rule,
        name: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            rule,
            name: name.into(),
            entries: BOTH,
            wire: Wire::One,
            steps: vec![Step::Send(bytes.into())],
            script: Script::Good,
            expect: Vec::new(),
            end: End::Any,
            partly: false,
            loosely: false,
        }
    }

    /// A case on HTTP/2.
    pub(crate) fn two(
        rule: &'static Rule,
        name: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            wire: Wire::Two,
            ..Self::one(rule, name, bytes)
        }
    }

    fn next(&self) -> u32 {
        let last = self.expect.last().map(|(stream, _)| *stream);
        match (self.wire, last) {
            (_, None) => 1,
            (Wire::One, Some(last)) => last + 1,
            (Wire::Two, Some(last)) => last + 2,
        }
    }

    /// The next request has this outcome.
    pub(crate) fn then(mut self, outcome: Outcome) -> Self {
        let next = self.next();
        self.expect.push((next, outcome));
        self
    }

    /// HTTP/2: the request on this stream has this outcome.
    pub(crate) fn then_on(mut self, stream: u32, outcome: Outcome) -> Self {
        self.expect.push((stream, outcome));
        self
    }

    /// The next request reaches the back end like this, and the connection stays open.
    pub(crate) fn accepted(self, request: Forwarded) -> Self {
        self.then(Outcome::Accepted(request)).ends(End::Open)
    }

    /// The next request is refused, and an HTTP/1 connection closed.
    pub(crate) fn refused(self, statuses: &'static [u16]) -> Self {
        self.then(Outcome::Refused {
            statuses,
            codes: &[],
        })
        .ends(End::Closed)
    }

    /// The next request breaks off after its head.
    pub(crate) fn broken_off(self, statuses: &'static [u16]) -> Self {
        self.then(Outcome::BrokenOff {
            statuses,
            codes: &[],
        })
        .ends(End::Closed)
    }

    /// HTTP/2: the connection is ended with one of these codes.
    pub(crate) fn goaway(self, codes: &'static [u32]) -> Self {
        self.ends(End::GoAway(codes))
    }

    pub(crate) fn ends(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// The last request is refused with one of these instead.
    pub(crate) fn with_status(mut self, statuses: &'static [u16]) -> Self {
        if let Some((_, outcome)) = self.expect.last_mut() {
            *outcome = Outcome::Refused {
                statuses,
                codes: &[],
            };
        }
        self
    }

    pub(crate) fn partly(mut self) -> Self {
        self.partly = true;
        self
    }

    pub(crate) fn loosely(mut self) -> Self {
        self.loosely = true;
        self
    }

    pub(crate) fn at(mut self, entries: &'static [Entry]) -> Self {
        self.entries = entries;
        self
    }

    pub(crate) fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub(crate) fn answers(mut self, script: Script) -> Self {
        self.script = script;
        self
    }

    /// Whether the script is played by the back end that speaks HTTP/2.
    pub(crate) fn wants_h2_back_end(&self) -> bool {
        matches!(self.script, Script::Frames(..))
    }

    /// Whether any of its requests comes to the back end that speaks HTTP/2.
    pub(crate) fn reaches_h2_back_end(&self) -> bool {
        let forwarded = |outcome: &Outcome| match outcome {
            Outcome::Accepted(request)
            | Outcome::Answered { request, .. }
            | Outcome::Spoilt { request, .. } => request.host == H2_HOST,
            Outcome::Refused { .. } | Outcome::BrokenOff { .. } => false,
        };
        let mut expected = self.expect.iter();
        self.wants_h2_back_end() || expected.any(|(_, outcome)| forwarded(outcome))
    }

    /// All bytes that the client sends, with `id` in place.
    pub(crate) fn bytes(&self, id: &str) -> Vec<u8> {
        let mut all = Vec::new();
        for step in &self.steps {
            if let Step::Send(bytes) | Step::Drip(bytes) = step {
                all.extend(bytes);
            }
        }
        named(&all, id)
    }
}

/// GET without a body for a path below the case's own.
pub(crate) fn get(path: &str) -> Forwarded {
    Forwarded {
        method: "GET".to_owned(),
        path: format!("/{ID}{path}"),
        host: HOST.to_owned(),
        fields: Vec::new(),
        body: Vec::new(),
        trailers: Vec::new(),
    }
}

/// POST with a body to `/CASE/p`.
pub(crate) fn post(body: impl Into<Vec<u8>>) -> Forwarded {
    Forwarded {
        body: body.into(),
        ..get("/p").method("POST")
    }
}

impl Forwarded {
    pub(crate) fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// The whole path, instead of one below the case's own.
    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    pub(crate) fn has(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields
            .push((name.to_owned(), vec![value.as_ref().to_vec()]));
        self
    }

    pub(crate) fn has_all(mut self, name: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| value.as_bytes().to_vec());
        self.fields.push((name.to_owned(), values.collect()));
        self
    }

    pub(crate) fn lacks(mut self, name: &str) -> Self {
        self.fields.push((name.to_owned(), Vec::new()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers
            .push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }
}

/// Puts a run's name in the place of [`ID`].
pub(crate) fn named(bytes: &[u8], id: &str) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = 0;
    while let Some(window) = out.get_mut(at..at + ID.len()) {
        if window == ID.as_bytes() {
            window.copy_from_slice(id.as_bytes());
            at += ID.len();
        } else {
            at += 1;
        }
    }
    out
}
