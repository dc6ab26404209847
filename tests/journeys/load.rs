//! Configuration changes under load: nothing is lost, nothing is answered by the wrong version.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use mesh_test::eventually_async;
use mesh_tests::{Caller, Mesh, Metrics, Setup, Stars, stars};

const CHANGES: usize = 300;
const REQUESTS: u64 = 20_000;
const CALLERS: usize = 4;

/// The version that change number `index` sends everything to.
fn version(index: usize) -> (&'static str, Stars) {
    [
        ("v1", Stars::None),
        ("v2", Stars::Black),
        ("v3", Stars::Red),
    ][index % 3]
}

fn route_to(subset: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: reviews}}\n\
         spec:\n  hosts: [reviews]\n  http:\n  - route:\n    - destination: {{host: reviews, subset: {subset}}}\n"
    )
}

/// What the callers and the one who changes the configuration know of each other.
#[derive(Default)]
struct Course {
    /// The newest change that is in force in every sidecar.
    in_force: AtomicUsize,
    /// The newest change that was begun.
    begun: AtomicUsize,
    /// Requests that were answered.
    answered: AtomicU64,
    /// Whether all changes are made.
    done: AtomicBool,
}

async fn call_until_done(outbound: String, course: Arc<Course>) -> Vec<String> {
    let mut caller = Caller::through(&outbound).await;
    let mut wrong = Vec::new();
    while !course.done.load(Ordering::SeqCst) || course.answered.load(Ordering::SeqCst) < REQUESTS {
        let oldest = course.in_force.load(Ordering::SeqCst);
        let answer = caller.get("http://reviews:9080/reviews/0", &[]).await;
        let newest = course.begun.load(Ordering::SeqCst);
        course.answered.fetch_add(1, Ordering::SeqCst);
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                wrong.push(format!("no answer: {error}"));
                caller = Caller::through(&outbound).await;
                continue;
            }
        };
        let body = String::from_utf8_lossy(response.body());
        if response.status() != 200 {
            wrong.push(format!("{}: {body}", response.status()));
        } else if !(oldest..=newest).any(|index| version(index).1 == stars(&body)) {
            wrong.push(format!(
                "{:?} while changes {oldest} to {newest} were allowed",
                stars(&body)
            ));
        }
    }
    wrong
}

/// Requests to reviews that a sidecar has counted.
async fn counted(admin: &str, reporter: &str) -> u64 {
    let metrics = Metrics::scrape(&format!("{admin}/stats/prometheus")).await;
    let labels = [
        ("reporter", reporter),
        ("destination_service_name", "reviews"),
    ];
    metrics.sum("istio_requests_total", &labels)
}

async fn counted_by_servers(mesh: &Mesh) -> u64 {
    let mut sum = 0;
    for workload in mesh
        .status()
        .workloads
        .iter()
        .filter(|w| w.name.starts_with("reviews-"))
    {
        sum += counted(&workload.admin, "destination").await;
    }
    sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_changes_under_load_lose_and_misroute_nothing() {
    let mesh = Arc::new(Setup::bookinfo().up());
    mesh.apply(&route_to(version(0).0));
    let productpage = mesh.status().workload("productpage").clone();
    let outbound = productpage.outbound.clone().unwrap();
    let before = counted(&productpage.admin, "source").await;
    let before_servers = counted_by_servers(&mesh).await;

    let course = Arc::new(Course::default());
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| call_until_done(outbound.clone(), course.clone()))
        .collect();
    let changing = tokio::task::spawn_blocking({
        let (mesh, course) = (mesh.clone(), course.clone());
        move || {
            for index in 1..=CHANGES {
                course.begun.store(index, Ordering::SeqCst);
                mesh.apply(&route_to(version(index).0));
                course.in_force.store(index, Ordering::SeqCst);
            }
            course.done.store(true, Ordering::SeqCst);
        }
    });
    let wrong: Vec<String> = futures(callers).await.into_iter().flatten().collect();
    changing.await.unwrap();

    let answered = course.answered.load(Ordering::SeqCst);
    assert!(
        wrong.is_empty(),
        "{} of {answered} requests went wrong, first {:?}",
        wrong.len(),
        wrong.first()
    );
    assert!(answered >= REQUESTS, "{answered} requests");
    eventually_async("the client side counted every request", || async {
        let counted = counted(&productpage.admin, "source").await - before;
        if counted == answered {
            Ok(())
        } else {
            Err((counted, answered))
        }
    })
    .await;
    eventually_async("the server side counted every request", || async {
        let counted = counted_by_servers(&mesh).await - before_servers;
        if counted == answered {
            Ok(())
        } else {
            Err((counted, answered))
        }
    })
    .await;
}

/// Runs all of them at once.
async fn futures<T: Send + 'static>(all: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let mut running = tokio::task::JoinSet::new();
    for one in all {
        running.spawn(one);
    }
    running.join_all().await
}
