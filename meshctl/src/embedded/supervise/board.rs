//! What every process is doing, and the news that it changed. No I/O.

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::embedded::addresses::HTTP_PROXY;
use crate::embedded::cluster::PodState;
use crate::embedded::plan::{Plan, Process, Token, Workload};
use crate::embedded::status::{ComponentStatus, Ingress, State, Status, WorkloadStatus};

/// Which process: an index into the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(usize);

/// What one process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doing {
    pub(super) state: State,
    pub(super) pid: Option<u32>,
    pub(super) restarts: u32,
    /// Whether it was ready at least once.
    pub(super) was_ready: bool,
}

impl Doing {
    const NOTHING: Self = Self {
        state: State::Waiting,
        pid: None,
        restarts: 0,
        was_ready: false,
    };
}

/// The processes of a component or a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// The component's or the pod's name.
    pub(super) name: String,
    /// The Deployment's name, or the component's again.
    pub(super) deployment: String,
    /// The namespace; none for components.
    pub(super) namespace: Option<String>,
    /// The component itself, or the sidecar.
    pub(super) first: Slot,
    /// The applications.
    pub(super) apps: Vec<Slot>,
    /// Its proof of identity; citadel has none.
    pub(super) token: Option<Token>,
}

impl Unit {
    /// Its processes, the sidecar first.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        std::iter::once(self.first).chain(self.apps.iter().copied())
    }
}

/// The board on which every process' state is written.
#[derive(Debug)]
pub(super) struct Board {
    doings: Mutex<Vec<Doing>>,
    changed: watch::Sender<u64>,
    /// Components in the plan's order, then workloads in the plan's order.
    pub(super) units: Vec<Unit>,
}

impl Board {
    /// A board for the processes of a plan, which are returned with their slots.
    pub(super) fn of(plan: &Plan) -> (Self, Vec<(Slot, Process)>) {
        let mut processes: Vec<(Slot, Process)> = Vec::new();
        let mut add = |process: &Process| {
            let slot = Slot(processes.len());
            processes.push((slot, process.clone()));
            slot
        };
        let mut units = Vec::new();
        for component in &plan.components {
            units.push(Unit {
                name: component.name.to_owned(),
                deployment: component.name.to_owned(),
                namespace: None,
                first: add(&component.process),
                apps: Vec::new(),
                token: component.token.clone(),
            });
        }
        for workload in &plan.workloads {
            units.push(Unit {
                name: workload.pod.clone(),
                deployment: workload.deployment.clone(),
                namespace: Some(workload.namespace.clone()),
                first: add(&workload.sidecar),
                apps: workload.apps.iter().map(&mut add).collect(),
                token: Some(workload.token.clone()),
            });
        }
        let doings = Mutex::new(vec![Doing::NOTHING; processes.len()]);
        let (changed, _) = watch::channel(0);
        (
            Self {
                doings,
                changed,
                units,
            },
            processes,
        )
    }

    /// Is told of every change.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What a process is doing.
    pub(super) fn doing(&self, slot: Slot) -> Doing {
        self.doings
            .lock()
            .get(slot.0)
            .copied()
            .unwrap_or(Doing::NOTHING)
    }

    /// Writes down what a process is doing now.
    pub(super) fn update(&self, slot: Slot, change: impl FnOnce(&mut Doing)) {
        let mut doings = self.doings.lock();
        let Some(doing) = doings.get_mut(slot.0) else {
            return;
        };
        let before = *doing;
        change(doing);
        doing.was_ready |= doing.state == State::Ready;
        let news = *doing != before;
        drop(doings);
        if news {
            self.changed.send_modify(|version| *version += 1);
        }
    }

    /// Waits until `wanted` holds of the board.
    pub(super) async fn until(&self, wanted: impl Fn(&Self) -> bool) {
        let mut changes = self.watch();
        while !wanted(self) {
            // The sender lives in this board: it cannot be gone.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// What a unit is doing: the state of the process that is farthest from ready.
    pub(super) fn state(&self, unit: &Unit) -> State {
        let order = [
            State::Stopping,
            State::Stopped,
            State::Restarting,
            State::Unready,
            State::Waiting,
            State::Starting,
        ];
        let states: Vec<State> = unit.slots().map(|slot| self.doing(slot).state).collect();
        order
            .into_iter()
            .find(|state| states.contains(state))
            .unwrap_or(State::Ready)
    }

    /// Whether a unit takes requests.
    pub(super) fn pod_state(&self, unit: &Unit) -> PodState {
        match self.state(unit) {
            State::Ready => PodState::Ready,
            State::Stopping => PodState::Draining,
            State::Waiting
            | State::Starting
            | State::Unready
            | State::Restarting
            | State::Stopped => PodState::Unready,
        }
    }

    /// The whole of it for `status`.
    pub(super) fn status(&self, plan: &Plan) -> Status {
        let (components, workloads) = self
            .units
            .split_at(plan.components.len().min(self.units.len()));
        let component = |(unit, planned): (&Unit, &crate::embedded::plan::Component)| {
            let doing = self.doing(unit.first);
            ComponentStatus {
                name: unit.name.clone(),
                pid: doing.pid,
                admin: format!("http://{}", planned.admin),
                ready: doing.state == State::Ready,
                restarts: doing.restarts,
                state: Some(doing.state),
            }
        };
        Status {
            ingress: Ingress {
                http: format!("http://127.0.0.1:{}", plan.ingress_port),
            },
            components: components
                .iter()
                .zip(&plan.components)
                .map(component)
                .collect(),
            workloads: workloads
                .iter()
                .zip(&plan.workloads)
                .map(|(u, w)| self.workload(u, w))
                .collect(),
        }
    }

    fn workload(&self, unit: &Unit, planned: &Workload) -> WorkloadStatus {
        let sidecar = self.doing(unit.first);
        let apps: Vec<Doing> = unit.apps.iter().map(|slot| self.doing(*slot)).collect();
        let restarts = apps.iter().map(|app| app.restarts).sum::<u32>();
        let state = self.state(unit);
        let port = planned.ports.first();
        WorkloadStatus {
            name: planned.pod.clone(),
            namespace: planned.namespace.clone(),
            version: planned.version().to_owned(),
            pid: apps.first().and_then(|app| app.pid),
            sidecar_pid: sidecar.pid,
            app_url: port.map(|port| port.url(port.app)),
            inbound: port.map(|port| port.url(port.bind)),
            outbound: (planned.ip == planned.door)
                .then(|| format!("http://{}:{}", planned.door, HTTP_PROXY)),
            admin: format!(
                "http://{}:{}",
                planned.door,
                crate::embedded::addresses::PROXY_ADMIN
            ),
            ready: state == State::Ready,
            restarts: restarts + sidecar.restarts,
            state: Some(state),
        }
    }
}
