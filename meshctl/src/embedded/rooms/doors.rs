//! Doors into the namespaces of a mesh: addresses of this machine behind which connections go on in there.
//! They are where everything is in a mesh without namespaces.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use mesh_runtime::{Tasks, net};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Rooms;
use crate::embedded::addresses::PROXY_ADMIN;
use crate::embedded::plan::{MIXER_HTTP_PORT, Plan, Room};
use crate::error::CommandError;

/// Connections through one door at once; more wait in its queue.
const CONNECTIONS: usize = 1024;

/// One door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Door {
    /// The address on this machine.
    pub(super) at: SocketAddr,
    /// Where it leads.
    pub(super) room: Room,
    /// The address there.
    pub(super) to: SocketAddr,
}

/// The doors of a mesh.
pub(super) fn of(plan: &Plan) -> Vec<Door> {
    let straight = |at: SocketAddr| Door {
        at,
        room: Room::Node,
        to: at,
    };
    let here = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut doors = vec![
        straight(here(plan.ingress_port)),
        straight((plan.network.mixer(), MIXER_HTTP_PORT).into()),
    ];
    doors.extend(plan.components.iter().map(|one| straight(one.admin)));
    for workload in &plan.workloads {
        doors.push(Door {
            at: (workload.door, PROXY_ADMIN).into(),
            room: Room::Sidecar(workload.number),
            to: here(PROXY_ADMIN),
        });
        for port in &workload.ports {
            doors.push(Door {
                at: port.app,
                room: Room::Application(workload.number),
                to: here(port.container_port),
            });
            doors.push(Door {
                at: port.bind,
                room: Room::Node,
                to: (workload.ip, port.container_port).into(),
            });
        }
    }
    doors
}

/// A door that is open.
pub(crate) struct Open {
    door: Door,
    listener: TcpListener,
}

/// Opens the doors of a mesh.
///
/// # Errors
/// When an address is taken.
pub(crate) async fn open(plan: &Plan) -> Result<Vec<Open>, CommandError> {
    let mut open = Vec::new();
    for door in of(plan) {
        let listener = TcpListener::bind(door.at).await;
        let listener =
            listener.map_err(|error| CommandError::problem(format!("{}: {error}", door.at)))?;
        open.push(Open { door, listener });
    }
    Ok(open)
}

impl Open {
    /// Lets connections through until the tasks are asked to stop.
    pub(crate) async fn serve(self, rooms: Arc<Rooms>, tasks: Tasks) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else {
                return;
            };
            let accepted = tasks
                .stopping()
                .run_until_cancelled(net::accept(&self.listener, "door"));
            let Some((stream, _)) = accepted.await else {
                return;
            };
            let (rooms, door, stopping) = (rooms.clone(), self.door, tasks.stopping().clone());
            tasks.spawn("connection through a door", async move {
                stopping
                    .run_until_cancelled(pass(stream, &rooms, door))
                    .await;
                drop(permit);
            });
        }
    }
}

async fn pass(mut outside: TcpStream, rooms: &Rooms, door: Door) {
    let mut inside = match rooms.connect(door.room, door.to).await {
        Ok(inside) => inside,
        Err(error) => return tracing::debug!(at = %door.at, %error, "nobody behind the door"),
    };
    for stream in [&outside, &inside] {
        // Small answers shall not wait for more; where they must, they come all the same.
        drop(stream.set_nodelay(true));
    }
    drop(tokio::io::copy_bidirectional(&mut outside, &mut inside).await);
}
