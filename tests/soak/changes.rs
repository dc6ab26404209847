//! One change of the configuration each second, made as a user makes them, and a pod that comes and goes.

use std::sync::Arc;
use std::time::Duration;

use mesh_tests::Mesh;
use tokio::task::spawn_blocking;

use crate::course::{Course, EXTRA_HOST, ROUTE_TIMEOUT_MS, State};
use crate::ledger::{Judged, Reason, Verdict};
use crate::traffic::Traffic;

/// Time between two changes.
pub(crate) const PACE: Duration = Duration::from_secs(1);
/// Time between a pod's going and its coming back.
pub(crate) const POD_PACE: Duration = Duration::from_secs(5);
/// The Deployment that comes and goes; no subset is made of it alone.
pub(crate) const POD: &str = "web-v3";

/// One change.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// Which subsets `web` is split over; none for the whole service.
    Split(&'static [(&'static str, u32)]),
    /// Whether slow requests to `web` are given up.
    Timeout(bool),
    /// Whether version 1 of `web` takes mutual TLS alone.
    Strict(bool),
    /// How endpoints of `web` are chosen.
    Balance(&'static str),
    /// Whether the gateway has one more host.
    Extra(bool),
    /// Whether there is a DestinationRule that a hand puts into the folder and takes out again.
    ByHand(bool),
    /// An object that must be refused.
    Broken,
}

/// What follows on each other, again and again; each undoes what an earlier one did.
const CYCLE: [Change; 20] = [
    Change::Split(&[("v1", 50), ("v2", 50)]),
    Change::Timeout(true),
    Change::Extra(true),
    Change::Split(&[("v1", 100), ("v2", 0)]),
    Change::Balance("ROUND_ROBIN"),
    Change::Strict(true),
    Change::Split(&[("v2", 100)]),
    Change::ByHand(true),
    Change::Split(&[]),
    Change::Timeout(false),
    Change::Broken,
    Change::Split(&[("v1", 90), ("v2", 10)]),
    Change::Strict(false),
    Change::Balance("RANDOM"),
    Change::Split(&[]),
    Change::Timeout(true),
    Change::ByHand(false),
    Change::Extra(false),
    Change::Balance("LEAST_REQUEST"),
    Change::Timeout(false),
];

/// Whoever changes the configuration.
pub(crate) struct Changes {
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) course: Arc<Course>,
    next: usize,
}

impl Changes {
    /// Puts in force what every change builds on.
    pub(crate) fn begin(mesh: Arc<Mesh>, course: Arc<Course>) -> Self {
        mesh.apply(&balance("LEAST_REQUEST"));
        mesh.apply(&routes(&State::FIRST));
        Self {
            mesh,
            course,
            next: 0,
        }
    }
}

impl Traffic for Changes {
    fn way(&self) -> &'static str {
        "meshctl"
    }

    async fn once(&mut self) -> Judged {
        let change = CYCLE.get(self.next % CYCLE.len()).copied();
        let change = change.unwrap_or(Change::Broken);
        self.next += 1;
        let state = wanted(self.course.newest(), change);
        self.course.begin(state.clone());
        let mesh = self.mesh.clone();
        let made = spawn_blocking(move || make(&mesh, change, &state)).await;
        let verdict = made.map_err(|error| format!("{change:?}: {error}"))?;
        let verdict = verdict.map_err(|error| format!("{change:?}: {error}"))?;
        self.course.settle();
        Ok(verdict)
    }
}

fn wanted(mut state: State, change: Change) -> State {
    // A small set of stamps, so that nothing in the mesh has a reason to grow.
    let stamp = (state.stamp + 1) % 8;
    match change {
        Change::Split(split) => {
            state = State {
                split,
                stamp,
                ..state
            }
        }
        Change::Timeout(timeout) => {
            state = State {
                timeout,
                stamp,
                ..state
            }
        }
        Change::Strict(strict) => state.strict = strict,
        Change::Extra(extra) => state.extra = extra,
        Change::Balance(_) | Change::ByHand(_) | Change::Broken => {}
    }
    state
}

/// Makes a change; what `meshctl` changed is in force when it returns.
fn make(mesh: &Mesh, change: Change, state: &State) -> Judged {
    match change {
        Change::Split(_) | Change::Timeout(_) => apply(mesh, &routes(state)),
        Change::Strict(true) => apply(mesh, STRICT),
        Change::Strict(false) => run(mesh, &["delete", "peerauthentication", "web-v1"]),
        Change::Balance(how) => apply(mesh, &balance(how)),
        Change::Extra(true) => apply(mesh, &extra()),
        Change::Extra(false) => run(mesh, &["delete", "virtualservice", "extra"]),
        Change::ByHand(there) => by_hand(mesh, there).map_err(|error| error.to_string()),
        Change::Broken => {
            let output = mesh.try_apply(BROKEN, &[]);
            let said = String::from_utf8_lossy(&output.stderr);
            if output.status.code() == Some(1) && said.contains("subset") {
                return Ok(Verdict::Expected(Reason::ChangeRefused));
            }
            Err(format!("{}: {said}", output.status))
        }
    }
}

fn apply(mesh: &Mesh, yaml: &str) -> Judged {
    judge(&mesh.try_apply(yaml, &[]))
}

fn run(mesh: &Mesh, arguments: &[&str]) -> Judged {
    judge(&mesh.meshctl(arguments))
}

fn judge(output: &std::process::Output) -> Judged {
    let said = String::from_utf8_lossy(&output.stderr);
    // A change that is saved and not in force in time is a warning, with exit code 1.
    if output.status.success() {
        return Ok(Verdict::Good(1));
    }
    Err(format!("{}: {said}", output.status))
}

/// A file that a hand puts into the folder of the configuration, whole and at once.
fn by_hand(mesh: &Mesh, there: bool) -> std::io::Result<Verdict> {
    let folder = mesh.state().join("config");
    let file = folder.join("destinationrule.default.steady.yaml");
    if there {
        let hidden = folder.join(".steady");
        std::fs::write(&hidden, BY_HAND)?;
        std::fs::rename(hidden, file)?;
    } else {
        std::fs::remove_file(file)?;
    }
    Ok(Verdict::Good(1))
}

/// Whoever stops a pod and starts it again.
pub(crate) struct Pods {
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) up: bool,
}

impl Traffic for Pods {
    fn way(&self) -> &'static str {
        "meshctl"
    }

    async fn once(&mut self) -> Judged {
        let verb = if self.up { "stop" } else { "start" };
        self.up = !self.up;
        let mesh = self.mesh.clone();
        let made = spawn_blocking(move || run(&mesh, &[verb, POD])).await;
        made.map_err(|error| error.to_string())?
            .map_err(|error| format!("{verb}: {error}"))
    }
}

/// The routes of `web`, for the mesh and the gateway.
fn routes(state: &State) -> String {
    let stamp = state.stamp;
    let timeout = if state.timeout {
        format!("    timeout: {ROUTE_TIMEOUT_MS}ms\n")
    } else {
        String::new()
    };
    let mut split = String::new();
    for (subset, weight) in state.split {
        split.push_str(&format!(
            "    - destination: {{host: web, subset: {subset}}}\n      weight: {weight}\n"
        ));
    }
    if split.is_empty() {
        split.push_str("    - destination: {host: web}\n");
    }
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web}}\n\
         spec:\n  hosts: [web, web.soak.test]\n  gateways: [mesh, soak]\n  http:\n\
         \x20 - match:\n    - uri: {{prefix: /after/}}\n{timeout}    route:\n\
         \x20   - destination: {{host: web, subset: v1}}\n\
         \x20 - headers:\n      request:\n        set: {{x-soak-stamp: \"{stamp}\"}}\n\
         \x20     response:\n        set: {{x-soak-stamp: \"{stamp}\"}}\n        remove: [x-server-protocol]\n    route:\n{split}"
    )
}

/// The subsets of `web`, and how endpoints are chosen.
fn balance(how: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web}}\n\
         spec:\n  host: web\n  trafficPolicy: {{loadBalancer: {{simple: {how}}}}}\n  subsets:\n\
         \x20 - {{name: v1, labels: {{version: v1}}}}\n  - {{name: v2, labels: {{version: v2}}}}\n"
    )
}

fn extra() -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: extra}}\n\
         spec:\n  hosts: [{EXTRA_HOST}]\n  gateways: [soak]\n  http:\n\
         \x20 - route:\n    - destination: {{host: steady, port: {{number: 8080}}}}\n"
    )
}

const STRICT: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: web-v1}
spec:
  selector: {matchLabels: {app: web, version: v1}}
  mtls: {mode: STRICT}
";

const BY_HAND: &str = "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: steady, namespace: default}
spec:
  host: steady
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
";

const BROKEN: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: broken}
spec:
  hosts: [steady]
  http:
  - route:
    - destination: {host: web, subset: nobody}
";
