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
use crate::corpus::chapters;
use crate::judge::differences;
use peers::Peer;
use table::{Difference, Found};

/// How many cases are under way at a time.
const AT_ONCE: usize = 16;
/// How long a peer may take that waits for more than it gets.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bounds of what one client may do are everybody's own.
const OWN_LIMITS: &[&str] = &["floods", "limits"];

#[tokio::test(flavor = "multi_thread")]
async fn envoy_differs_from_us_only_where_the_document_says_so() {
    compare("Envoy", 'e', peers::envoy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_differs_from_us_only_where_the_document_says_so() {
    compare("HAProxy", 'h', peers::haproxy).await;
}

async fn compare(name: &'static str, letter: char, start: fn([SocketAddr; 2]) -> Peer) {
    let recorder = Arc::new(Recorder::default());
    let mut tasks = JoinSet::new();
    let (one, one_at) = listener().await;
    let (two, two_at) = listener().await;
    serve_one(one, &recorder, &mut tasks);
    serve_two(two, &recorder, &mut tasks);
    let peer = start([one_at, two_at]);
    peer.wait().await;
    let found = run(&peer, &recorder, letter).await;
    table::check(name, found);
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// Every case at the peer; the verdicts that are not ours.
async fn run(peer: &Peer, recorder: &Arc<Recorder>, letter: char) -> Vec<Found> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let shared = Arc::new(Semaphore::new(1));
    let mut runs = JoinSet::new();
    let mut number = 0;
    let chapters = chapters().into_iter();
    for chapter in chapters.filter(|chapter| !OWN_LIMITS.contains(&chapter.name)) {
        // What sidecars do is closer to what these do without further settings.
        let cases = chapter.cases.into_iter();
        for case in cases.filter(|case| case.entries.contains(&Entry::Sidecar)) {
            let id = format!("{letter}{number:07}");
            number += 1;
            recorder.play(&id, case.script.clone());
            let to = peer.address[usize::from(case.wants_h2_back_end())];
            let places = if case.wants_h2_back_end() {
                &shared
            } else {
                &places
            };
            let (places, recorder) = (Arc::clone(places), Arc::clone(recorder));
            runs.spawn(async move {
                let _place = places.acquire().await;
                let got = client::run(&case, &id, to, PATIENCE).await;
                let seen = recorder.of(&id);
                let difference = difference(&case, &id, &got, &seen);
                let case = format!("{}: {}", chapter.name, case.name);
                difference.map(|difference| Found { case, difference })
            });
        }
    }
    let mut found = Vec::new();
    while let Some(one) = runs.join_next().await {
        found.extend(one.expect("a client does not panic"));
    }
    found.sort();
    found
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
