//! Every case of the corpus through a gateway and through a sidecar; and what is no case of one
//! connection: what is logged of it all, and what it costs others.

mod logs;
mod neighbours;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use mesh_tests::Metrics;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::case::{BOTH, Case, Entry};
use crate::client::{self, Got, PATIENCE};
use crate::corpus::chapters;
use crate::document;
use crate::judge::{clip, judge};
use crate::sandbox::Sandbox;

/// How many cases are under way at a time.
const AT_ONCE: usize = 16;

/// One run of a case at an entry.
struct Run {
    case: Case,
    name: String,
    entry: Entry,
    id: String,
}

fn runs() -> Vec<Run> {
    let mut runs = Vec::new();
    for chapter in chapters() {
        for case in chapter.cases {
            for entry in BOTH
                .iter()
                .copied()
                .filter(|entry| case.entries.contains(entry))
            {
                let letter = if entry == Entry::Gateway { 'g' } else { 's' };
                let id = format!("{letter}{:07}", runs.len());
                let name = format!("{}: {}", chapter.name, case.name);
                runs.push(Run {
                    case: case.clone(),
                    name,
                    entry,
                    id,
                });
            }
        }
    }
    runs
}

#[test]
fn the_corpus_has_at_least_600_cases_with_names_of_their_own() {
    let mut seen = BTreeSet::new();
    for chapter in chapters() {
        for case in &chapter.cases {
            let name = (
                chapter.name,
                case.rule.rfc,
                case.rule.says,
                case.name.clone(),
            );
            assert!(seen.insert(name), "{}: {} twice", chapter.name, case.name);
        }
    }
    assert!(seen.len() >= 600, "{}", seen.len());
}

#[test]
fn the_document_lists_every_rule() {
    document::check("rules", &document::rules());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_comes_to_what_its_rule_says() {
    let sandbox = Arc::new(Sandbox::up(&["proxy.concurrency=1"]).await);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    // What breaks a connection to the back end breaks everything on it, so these go one by one.
    let shared = Arc::new(Semaphore::new(1));
    let mut tasks = JoinSet::new();
    let runs: Vec<Arc<Run>> = runs().into_iter().map(Arc::new).collect();
    for run in &runs {
        sandbox.recorder.play(&run.id, run.case.script.clone());
        let places = if run.case.reaches_h2_back_end() {
            &shared
        } else {
            &places
        };
        let (sandbox, places, run) = (Arc::clone(&sandbox), Arc::clone(places), Arc::clone(run));
        tasks.spawn(async move {
            let _place = places.acquire().await;
            let proxy = sandbox.proxy(&run.case, run.entry);
            let got = client::run(&run.case, &run.id, proxy, PATIENCE).await;
            (run, got)
        });
    }
    let mut ended = Vec::new();
    while let Some(one) = tasks.join_next().await {
        ended.push(one.expect("a client does not panic"));
    }
    // What a proxy still had to pass on has overtaken none of these.
    for run in runs.iter().take(64) {
        let proxy = sandbox.proxy(&run.case, run.entry);
        assert_eq!(client::good(proxy, &run.id).await, Some(200));
    }
    ended.sort_by(|one, other| one.0.id[1..].cmp(&other.0.id[1..]));
    let mut failures = String::new();
    let mut count = 0;
    for (run, got) in &ended {
        let wrong = judge(&run.case, &run.id, got, &sandbox.recorder.of(&run.id));
        if !wrong.is_empty() {
            count += 1;
            tell(&mut failures, run, got, &wrong);
        }
    }
    every_reason_is_counted(&sandbox, &runs).await;
    let strays = sandbox.recorder.strays();
    assert!(strays.is_empty(), "requests of no case: {strays:#?}");
    assert!(
        count == 0,
        "{failures}\n{count} of {} runs failed",
        ended.len()
    );
}

/// Each reason that the document names was counted by a proxy where a case broke its rule.
async fn every_reason_is_counted(sandbox: &Sandbox, runs: &[Arc<Run>]) {
    let broken = runs.iter().filter(|run| document::reacts(&run.case));
    let reasons: BTreeSet<&str> = broken.map(|run| run.case.rule.reason).collect();
    let gateway = Metrics::scrape(&sandbox.metrics(Entry::Gateway)).await;
    let sidecar = Metrics::scrape(&sandbox.metrics(Entry::Sidecar)).await;
    let count = |reason: &str| {
        let proxies = [&gateway, &sidecar].into_iter();
        let labels = [("reason", reason)];
        proxies
            .map(|one| one.sum("mesh_proxy_failures_total", &labels))
            .sum::<u64>()
    };
    let uncounted = reasons
        .into_iter()
        .filter(|reason| !reason.is_empty() && count(reason) == 0);
    let uncounted: Vec<&str> = uncounted.collect();
    assert!(uncounted.is_empty(), "never counted: {uncounted:?}");
}

/// One row of the closing table.
fn tell(table: &mut String, run: &Run, got: &Got, wrong: &[String]) {
    let Run {
        case,
        name,
        entry,
        id,
    } = run;
    let rule = case.rule;
    let _infallible = writeln!(
        table,
        "\n{id} {entry:?} {name}\n  {}: {}",
        rule.rfc, rule.says
    );
    let _infallible = writeln!(table, "  sent {}", clip(&case.bytes(id)));
    for line in wrong {
        let _infallible = writeln!(table, "  {line}");
    }
    for (number, answer) in got.answers.iter().take(3) {
        let (status, body) = (answer.status, clip(&answer.body));
        let _infallible = writeln!(table, "  got {number}: {status:?} {body}");
    }
    if got.late {
        let _infallible = writeln!(table, "  the client's patience was over");
    }
}
