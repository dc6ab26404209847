use std::net::Ipv4Addr;

use mesh_model::ident::SpiffeId;
use mesh_model::labels::Labels;

use super::*;
use crate::embedded::addresses::{LowPorts, Network, WorkloadNumber};
use crate::embedded::plan::{Layout, Program, Ready, Token, Workload};
use crate::embedded::state_dir::Held;

fn mk_process() -> Process {
    Process {
        program: Program::Sibling("mesh-proxy"),
        args: Vec::new(),
        env: BTreeMap::new(),
        log: "web.log".to_owned(),
        ready: Ready::Accepts(Vec::new()),
        room: None,
    }
}

fn mk_workload(pod: &str) -> Workload {
    let identity = SpiffeId::parse("spiffe://cluster.local/ns/default/sa/web").unwrap();
    Workload {
        pod: pod.to_owned(),
        namespace: "default".to_owned(),
        deployment: "web".to_owned(),
        account: "web".to_owned(),
        labels: Labels::default(),
        annotations: BTreeMap::new(),
        number: WorkloadNumber::of(0).unwrap(),
        ip: Ipv4Addr::LOCALHOST,
        door: Ipv4Addr::LOCALHOST,
        ports: Vec::new(),
        outbound: Vec::new(),
        containers: Vec::new(),
        sidecar: mk_process(),
        apps: vec![mk_process()],
        token: Token {
            name: pod.to_owned(),
            identity,
        },
    }
}

/// Two pods whose processes are whatever the test says they are; none runs.
struct Fixture {
    crew: Crew,
    held: Held,
    _parent: tempfile::TempDir,
}

fn mk_fixture() -> Fixture {
    let parent = tempfile::tempdir().unwrap();
    let dir = StateDir::locate(Some(&parent.path().join("mesh"))).unwrap();
    let held = dir.hold().unwrap();
    let plan = Plan {
        layout: Layout::Loopback,
        network: Network(7),
        ingress_port: 8080,
        components: Vec::new(),
        workloads: vec![mk_workload("web-0"), mk_workload("web-1")],
        services: Vec::new(),
        declared: Vec::new(),
        low_ports: LowPorts::Allowed,
    };
    let (board, processes) = Board::of(&plan);
    let wanted = processes
        .iter()
        .map(|(slot, _)| (*slot, watch::channel(Wanted::Up).0));
    for workload in &plan.workloads {
        tokens::issue(&held.dir, &workload.token).unwrap();
    }
    let crew = Crew {
        wanted: wanted.collect(),
        board: Arc::new(board),
        dir: held.dir.clone(),
        components: 0,
    };
    Fixture {
        crew,
        held,
        _parent: parent,
    }
}

impl Fixture {
    fn secret(&self, pod: &str) -> Option<String> {
        let accepted = self.held.dir.path(format!("tokens/accepted/{pod}.json"));
        let secret = self.held.dir.path(format!("tokens/{pod}.token"));
        let secret = std::fs::read_to_string(secret).ok();
        assert_eq!(secret.is_some(), accepted.exists(), "{pod}");
        secret
    }

    fn ends(&self, unit: usize) {
        for slot in self.crew.board.units[unit].slots() {
            self.crew
                .board
                .update(slot, |doing| doing.state = State::Stopped);
        }
    }
}

fn mk_target(name: &str) -> Target {
    Target {
        name: name.to_owned(),
        namespace: None,
    }
}

#[tokio::test]
async fn what_is_held_down_has_no_token_and_gets_a_new_one_when_it_comes_back() {
    let f = mk_fixture();
    let (one, two) = (f.secret("web-0").unwrap(), f.secret("web-1").unwrap());
    f.ends(0);
    f.crew.stop(&mk_target("web-0")).await.unwrap();
    assert_eq!(f.secret("web-0"), None);
    f.crew.begin(&mk_target("web")).unwrap();
    let fresh = f.secret("web-0").unwrap();
    assert_ne!(fresh, one);
    // The other replica ran all the time.
    assert_eq!(f.secret("web-1"), Some(two));
    f.crew.begin(&mk_target("web-0")).unwrap();
    assert_eq!(f.secret("web-0"), Some(fresh));
}

#[tokio::test]
async fn a_start_that_overtakes_a_stop_keeps_its_token() {
    let f = mk_fixture();
    let target = mk_target("web-0");
    let mut stopping = std::pin::pin!(f.crew.stop(&target));
    assert!(futures_util::poll!(stopping.as_mut()).is_pending());
    f.crew.begin(&target).unwrap();
    let fresh = f.secret("web-0").unwrap();
    f.ends(0);
    stopping.await.unwrap();
    assert_eq!(f.secret("web-0"), Some(fresh));
    let unit = &f.crew.board.units[0];
    assert!(unit.slots().all(|slot| f.crew.is_wanted(slot)));
}

#[test]
fn a_name_that_is_unknown_is_told_the_nearest_or_its_namespace() {
    let f = mk_fixture();
    let check = |name: &str, namespace: Option<&str>, hint: &str| {
        let target = Target {
            name: name.to_owned(),
            namespace: namespace.map(str::to_owned),
        };
        let error = f.crew.begin(&target).unwrap_err();
        assert_eq!(error.hints, [hint], "{name} {namespace:?}");
    };
    let near = "did you mean \"web-0\"? `meshctl status` shows all names";
    check("wep-0", None, near);
    check("web-0", Some("other"), "it is in namespace default");
    check("web", Some("other"), "it is in namespace default");
    check("zzz", None, "`meshctl status` shows all names");
}
