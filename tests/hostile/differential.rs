//! The same bytes to Envoy and HAProxy: where they judge otherwise than we promise, the difference
//! has a name and a reason in docs/hostile-input.md; any other fails, and so does one that is gone.

mod entries;
mod peers;
mod table;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::backend::{Recorder, Seen, serve_one, serve_two};
use crate::case::{Case, End, Entry, Outcome};
use crate::client::{self, Got};
use crate::corpus::{Chapter, chapters};
use crate::judge::differences;
use entries::LEFT_OUT;
use peers::Peer;
use table::{Difference, Found};

/// How many cases are under way at a time.
const AT_ONCE: usize = 32;
/// How long a peer may take that waits for more than it gets.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a verdict that surprises is asked for again: on a busy machine some depend on which of
/// two packets a peer sees first.
const AGAIN: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn envoy_differs_from_us_only_where_the_document_says_so() {
    compare("Envoy", 'e', peers::envoy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_differs_from_us_only_where_the_document_says_so() {
    compare("HAProxy", 'h', peers::haproxy).await;
}

/// What starts a peer before these back ends.
type Start = fn([SocketAddr; 2]) -> Peer;

async fn compare(name: &'static str, letter: char, start: Start) {
    let recorder = Arc::new(Recorder::default());
    let mut tasks = JoinSet::new();
    let (one, one_at) = listener().await;
    let (two, two_at) = listener().await;
    serve_one(one, &recorder, &mut tasks);
    serve_two(two, &recorder, &mut tasks);
    let back = [one_at, two_at];
    let mut bench = Bench {
        start,
        back,
        peer: start(back),
        recorder,
        name,
        letter,
        documented: table::documented(name),
        runs: 0,
    };
    let mut found = Vec::new();
    for chapter in chapters() {
        found.extend(bench.chapter(&chapter).await);
    }
    found.sort();
    // Two cases of one name are one line of the document.
    found.dedup();
    table::check(name, &found);
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// A peer at work.
struct Bench {
    start: Start,
    back: [SocketAddr; 2],
    peer: Peer,
    recorder: Arc<Recorder>,
    name: &'static str,
    letter: char,
    documented: Vec<Found>,
    /// How many runs there were: each has a name of its own.
    runs: usize,
}

impl Bench {
    /// The verdicts on a chapter that are not ours.
    async fn chapter(&mut self, chapter: &Chapter) -> Vec<Found> {
        let is_compared = |case: &&Case| {
            let left_out = LEFT_OUT.iter().any(|(peer, name, cases)| {
                (*peer, *name) == (self.name, chapter.name)
                    && (cases.is_empty() || cases.contains(&case.name.as_str()))
            });
            // What sidecars do is closer to what these do without further settings.
            case.entries.contains(&Entry::Sidecar) && !left_out
        };
        let cases = chapter.cases.iter().filter(is_compared);
        let cases: Vec<&Case> = cases.collect();
        self.peer.wait().await;
        let found = self.together(chapter.name, &cases).await;
        if self.peer.is_alive() {
            return self.settled(chapter.name, &cases, found).await;
        }
        // Something of it kills the peer: each alone says what.
        let mut found = Vec::new();
        for case in cases {
            if !self.peer.is_alive() {
                self.peer = (self.start)(self.back);
                self.peer.wait().await;
            }
            let mut one = self.together(chapter.name, &[case]).await;
            if !self.peer.is_alive() {
                let case = format!("{}: {}", chapter.name, case.name);
                one = vec![Found {
                    case,
                    difference: Difference::Dies,
                }];
            }
            found.extend(one);
        }
        if !self.peer.is_alive() {
            self.peer = (self.start)(self.back);
        }
        found
    }

    /// Verdicts that the document does not expect, asked for again one by one.
    async fn settled(
        &mut self,
        chapter: &'static str,
        cases: &[&Case],
        found: Vec<Found>,
    ) -> Vec<Found> {
        let mut settled = Vec::new();
        for case in cases {
            let name = format!("{chapter}: {}", case.name);
            let of_case = |all: &[Found]| -> Vec<Found> {
                all.iter().filter(|one| one.case == name).cloned().collect()
            };
            let expected = of_case(&self.documented);
            let mut verdict = of_case(&found);
            for _ in 0..AGAIN {
                if verdict == expected || !self.peer.is_alive() {
                    break;
                }
                verdict = self.together(chapter, &[case]).await;
            }
            settled.append(&mut verdict);
        }
        settled
    }

    async fn together(&mut self, chapter: &'static str, cases: &[&Case]) -> Vec<Found> {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let shared = Arc::new(Semaphore::new(1));
        let mut runs = JoinSet::new();
        for case in cases {
            let case = (*case).clone();
            let id = format!("{}{:07}", self.letter, self.runs);
            self.runs += 1;
            self.recorder.play(&id, case.script.clone());
            let to = self.peer.address[usize::from(case.wants_h2_back_end())];
            let places = if case.wants_h2_back_end() {
                &shared
            } else {
                &places
            };
            let places = Arc::clone(places);
            runs.spawn(async move {
                let _place = places.acquire().await;
                let got = client::run(&case, &id, to, PATIENCE).await;
                (case, id, got)
            });
        }
        let mut found = Vec::new();
        // Judged when all are over: what a client has given up may still be on its way.
        for (case, id, got) in runs.join_all().await {
            if let Some(difference) = difference(&case, &id, &got, &self.recorder.of(&id)) {
                let case = format!("{chapter}: {}", case.name);
                found.push(Found { case, difference });
            }
        }
        found
    }
}

/// How a peer's verdict differs from what the case promises of us, if it does.
fn difference(case: &Case, id: &str, got: &Got, seen: &[Seen]) -> Option<Difference> {
    let mut whole: Vec<_> = Vec::new();
    for one in seen {
        match one {
            Seen::Wrong { .. } => return Some(Difference::PassesOnNonsense),
            Seen::Whole(request) if !request.path.ends_with("/after") => {
                if !request.path.ends_with("/good") {
                    whole.push(request);
                }
            }
            Seen::Whole(_) | Seen::Part(_) => {}
        }
    }
    if case.loosely {
        let ended = got.goaway.is_some() || got.closed;
        return (!ended && matches!(case.end, End::GoAway(_))).then_some(Difference::Bears);
    }
    let mut promised = BTreeMap::new();
    for (number, outcome) in &case.expect {
        match outcome {
            Outcome::Accepted(request)
            | Outcome::Answered { request, .. }
            | Outcome::Spoilt { request, .. } => {
                promised.insert(number, request);
            }
            Outcome::Refused { .. } | Outcome::BrokenOff { .. } => {}
        }
    }
    whole.dedup();
    if whole.len() > promised.len() {
        return Some(Difference::Accepts);
    }
    let spoilt = |outcome: &Outcome| matches!(outcome, Outcome::Spoilt { .. });
    if case.expect.iter().any(|(_, outcome)| spoilt(outcome)) {
        return answers(case, got);
    }
    if whole.len() < promised.len() {
        return Some(Difference::Refuses);
    }
    let mut wanted: Vec<_> = promised.into_values().collect();
    for request in whole {
        let same = |wanted: &&crate::case::Forwarded| differences(wanted, request, id).is_empty();
        match wanted.iter().position(same) {
            Some(place) => drop(wanted.remove(place)),
            None => return Some(Difference::PassesOnOtherwise),
        }
    }
    answers(case, got)
}

/// The same for answers of back ends.
fn answers(case: &Case, got: &Got) -> Option<Difference> {
    for (number, outcome) in &case.expect {
        let answer = got.answers.get(number);
        let whole = answer.is_some_and(|answer| answer.whole);
        let status = answer.and_then(|answer| answer.status);
        match outcome {
            Outcome::Spoilt { .. } if whole && status.is_some_and(|status| status < 500) => {
                return Some(Difference::LooksWhole);
            }
            Outcome::Answered { answer: told, .. } => {
                let same = answer.is_some_and(|answer| {
                    answer.status == Some(told.status) && answer.body == told.body
                });
                if !whole || !same {
                    return Some(Difference::SpoilsAnswer);
                }
            }
            _ => {}
        }
    }
    let ends = matches!(case.end, End::GoAway(_));
    (ends && got.goaway.is_none() && !got.closed).then_some(Difference::Bears)
}
