//! How long a VirtualService takes from kubectl's return until it is in force.

use std::time::Duration;

use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use serde_json::{Value, json};

use super::sheet::Row;
use super::{Bench, HERE, rest, services};
use crate::remote::Remote;

/// Changes that count, after a first one.
const CHANGES: usize = 20;
/// How long the control plane may fall quiet between two.
const PAUSE: Duration = Duration::from_millis(500);
/// Longer than that is no lag.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn empty(bench: &Bench) {
    changes(bench, "");
}

pub(super) fn with_services(bench: &Bench) {
    services::ensure(bench);
    changes(bench, ", 1,000 services");
}

/// A fault that aborts every request comes and goes.
#[track_caller]
fn changes(bench: &Bench, with: &str) {
    let client = bench.world.remote(HERE, "client");
    let mut samples = Vec::new();
    for change in 0..=CHANGES {
        let aborts = change % 2 == 1;
        bench.world.cluster.apply(&rule(aborts));
        let took = in_force(&client, if aborts { 418 } else { 200 });
        if change > 0 {
            samples.push(took.as_secs_f64() * 1000.0);
        }
        rest(PAUSE);
    }
    bench.row(Row::median(
        &format!("VirtualService in force after kubectl{with}"),
        "ms",
        samples,
    ));
}

/// Asks without a pause until the answer is the one that shall be.
#[track_caller]
fn in_force(client: &Remote, expected: u16) -> Duration {
    let start = SystemClock.now();
    loop {
        let answered = client.get("http://server/").unwrap();
        let took = SystemClock.now().duration_since(start);
        if answered.status == expected {
            return took;
        }
        assert!(took < PATIENCE, "not in force after {took:?}: {answered:?}");
    }
}

fn rule(aborts: bool) -> Value {
    let mut http = json!({"route": [{"destination": {"host": "server"}}]});
    if aborts {
        http["fault"] = json!({"abort": {"httpStatus": 418, "percentage": {"value": 100}}});
    }
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "server", "namespace": HERE},
        "spec": {"hosts": ["server"], "http": [http]},
    })
}
