//! Parts of the mesh go away and come back; requests do not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mesh_test::eventually_async;
use mesh_tests::{Caller, Mesh, Metrics, Setup, Stars, stars};
use rustix::process::{Pid, Signal, kill_process};

const TO_V1: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route:
    - destination: {host: reviews, subset: v1}
";

async fn calls_answer(mesh: &Mesh, calls: u32) {
    let mut caller = Caller::through(
        mesh.status()
            .workload("productpage")
            .outbound
            .as_deref()
            .unwrap(),
    )
    .await;
    for call in 0..calls {
        let (status, body) = caller.answer("http://reviews:9080/reviews/0", &[]).await;
        assert_eq!(status, 200, "call {call}: {body}");
    }
}

/// What `TO_V1` asks for is in force.
async fn all_calls_have_no_stars(mesh: &Mesh) {
    let outbound = mesh
        .status()
        .workload("productpage")
        .outbound
        .clone()
        .unwrap();
    eventually_async("the change is in force", || async {
        let mut caller = Caller::through(&outbound).await;
        for _ in 0..10 {
            let (_, body) = caller.answer("http://reviews:9080/reviews/0", &[]).await;
            if stars(&body) != Stars::None {
                return Err(body);
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn without_pilot_traffic_flows_and_changes_wait_until_it_is_back() {
    let mesh = Setup::bookinfo().up();
    mesh.meshctl_ok(&["stop", "pilot"]);
    calls_answer(&mesh, 50).await;
    let applied = mesh.try_apply(TO_V1, &[]);
    assert!(applied.status.success(), "{applied:?}");
    let warning = String::from_utf8_lossy(&applied.stderr).into_owned();
    assert!(
        warning.contains("pilot"),
        "a user is told why the change waits: {warning}"
    );
    // A sidecar that starts now has nobody to ask and is not ready.
    mesh.meshctl_ok(&["stop", "ratings-v1"]);
    mesh.meshctl_ok(&["start", "ratings-v1", "--no-wait"]);
    assert!(!mesh.status().workload("ratings").ready);
    calls_answer(&mesh, 20).await;

    mesh.meshctl_ok(&["start", "pilot"]);
    mesh.wait_until_ready();
    all_calls_have_no_stars(&mesh).await;
}

#[tokio::test]
async fn without_pilot_a_proxy_that_ends_begins_again_with_what_it_was_told() {
    let mesh = Setup::bookinfo().up();
    calls_answer(&mesh, 1).await;
    mesh.meshctl_ok(&["stop", "pilot"]);
    for name in ["productpage", "reviews"] {
        let victim = mesh.status().workload(name).clone();
        let pid = Pid::from_raw(victim.sidecar_pid.unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        eventually_async("the sidecar is back", || async {
            let now = mesh.status().workload(name).clone();
            match now.ready && now.sidecar_pid != victim.sidecar_pid {
                true => Ok(()),
                false => Err(now),
            }
        })
        .await;
    }
    calls_answer(&mesh, 50).await;

    // What was changed meanwhile it hears of when pilot is back.
    assert!(mesh.try_apply(TO_V1, &[]).status.success());
    mesh.meshctl_ok(&["start", "pilot"]);
    mesh.wait_until_ready();
    all_calls_have_no_stars(&mesh).await;
}

#[tokio::test]
async fn without_citadel_traffic_flows_and_new_sidecars_wait() {
    let mesh = Setup::bookinfo().up();
    mesh.meshctl_ok(&["stop", "citadel"]);
    calls_answer(&mesh, 50).await;
    mesh.meshctl_ok(&["stop", "ratings-v1"]);
    mesh.meshctl_ok(&["start", "ratings-v1", "--no-wait"]);
    assert!(!mesh.status().workload("ratings").ready);
    mesh.meshctl_ok(&["start", "citadel"]);
    mesh.wait_until_ready();
    calls_answer(&mesh, 50).await;
}

#[tokio::test]
async fn without_mixer_traffic_flows_and_nothing_is_counted_twice_when_it_is_back() {
    let mesh = Setup::bookinfo().up();
    calls_answer(&mesh, 25).await;
    mesh.meshctl_ok(&["stop", "mixer"]);
    calls_answer(&mesh, 50).await;
    mesh.meshctl_ok(&["start", "mixer"]);
    calls_answer(&mesh, 30).await;
    let labels = [
        ("reporter", "source"),
        ("destination_service_name", "reviews"),
    ];
    let page = mesh.hub_metrics();
    // The hub was new when it came back: it hears of the 50 calls that waited and of the 30 after,
    // and perhaps of the 25 before if nobody had acknowledged them; of no call twice.
    eventually_async("the hub heard of every call", || async {
        let sum = Metrics::scrape(&page)
            .await
            .sum("istio_requests_total", &labels);
        if (80..=105).contains(&sum) {
            Ok(())
        } else {
            Err(sum)
        }
    })
    .await;
    calls_answer(&mesh, 10).await;
    let settled = Metrics::scrape(&page)
        .await
        .sum("istio_requests_total", &labels);
    assert!(settled <= 115, "{settled} calls counted, 115 were made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_killed_under_load_is_restarted_and_only_its_requests_in_flight_fail() {
    const CALLERS: usize = 4;
    let mesh = Setup::bookinfo().up();
    let status = mesh.status();
    let outbound = status.workload("productpage").outbound.clone().unwrap();
    let victim = status.workload("reviews-v1").clone();
    let done = Arc::new(AtomicBool::new(false));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (outbound, done) = (outbound.clone(), done.clone());
        callers.spawn(async move {
            let mut caller = Caller::through(&outbound).await;
            let mut failed = Vec::new();
            while !done.load(Ordering::SeqCst) {
                let (status, body) = caller.answer("http://reviews:9080/reviews/0", &[]).await;
                if status != 200 {
                    failed.push(format!("{status}: {body}"));
                }
            }
            failed
        });
    }
    calls_answer(&mesh, 200).await;
    kill_process(Pid::from_raw(victim.pid.unwrap()).unwrap(), Signal::KILL).unwrap();
    eventually_async("the application is back", || async {
        let now = mesh.status().workload("reviews-v1").clone();
        if now.ready && now.restarts > victim.restarts && now.pid != victim.pid {
            Ok(())
        } else {
            Err(now)
        }
    })
    .await;
    calls_answer(&mesh, 200).await;
    done.store(true, Ordering::SeqCst);
    let failed: Vec<String> = callers.join_all().await.into_iter().flatten().collect();
    assert!(
        failed.len() <= CALLERS,
        "{} requests failed, {CALLERS} were in flight: {failed:?}",
        failed.len()
    );
}
