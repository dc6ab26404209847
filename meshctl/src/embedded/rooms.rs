//! The network namespaces of a mesh: one for the control plane and the gateway, one for each workload.
//!
//! ```text
//! application, sidecar (10.44.W.2) ── node (10.44.0.1): control plane, gateway ·· doors on this machine
//! ```
//!
//! Nothing but descriptors of this process and the processes in them hold the namespaces, so they end with
//! the mesh however it ends, and their links with them. This process itself stays where it was: it looks
//! into a namespace by a socket that a thread has opened there.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::{TcpSocket, TcpStream};

use super::addresses::{NODE, SERVICE_CIDR, WorkloadNumber};
use super::plan::{Plan, Room, Workload};
use super::state_dir::StateDir;
use crate::error::CommandError;

pub(crate) mod doors;
pub(crate) mod entry;
mod names;
pub(crate) mod rights;
mod space;

use entry::Entry;
use rights::Rights;
use space::Space;

/// istio: the user and group whose connections are not captured.
const PROXY: u32 = 1337;
/// istio: the sidecar's own ports, which are not captured.
const OWN_PORTS: &str = "15090,15021,15020";

/// The namespaces of a mesh that runs.
#[derive(Debug)]
pub(crate) struct Rooms {
    rights: Rights,
    node: Space,
    pods: Vec<Pod>,
}

#[derive(Debug)]
struct Pod {
    number: WorkloadNumber,
    space: Space,
    hosts: PathBuf,
    resolver: PathBuf,
}

impl Rooms {
    /// Makes the namespaces of a plan, joins them, and has the connections of pods captured by the program
    /// `proxy`.
    ///
    /// # Errors
    /// When this machine does not let us, or lacks a program.
    pub(crate) fn make(
        plan: &Plan,
        dir: &StateDir,
        proxy: &Path,
        rights: Rights,
    ) -> Result<Self, CommandError> {
        let node = Space::new().map_err(|error| refused(&error, rights))?;
        node.links(&format!("link set lo up\naddr add {NODE}/32 dev lo\n"))?;
        node.write("/proc/sys/net/ipv4/ip_forward", "1")?;
        let mut pods = Vec::with_capacity(plan.workloads.len());
        for workload in &plan.workloads {
            let space = Space::new().map_err(|error| refused(&error, rights))?;
            join(&node, &space, workload.number)?;
            capture(&space, proxy, rights, workload)?;
            pods.push(Pod {
                number: workload.number,
                space,
                hosts: write(dir, workload, "hosts", &names::hosts(plan, workload))?,
                resolver: write(dir, workload, "resolv.conf", &names::resolver(workload))?,
            });
        }
        Ok(Self { rights, node, pods })
    }

    /// How a process gets into its room.
    pub(crate) fn entry(&self, room: Room) -> Entry {
        let pod = self.pod(room);
        Entry {
            space: Some(self.space(room).path()),
            hosts: pod.map(|pod| pod.hosts.clone()),
            resolver: pod.map(|pod| pod.resolver.clone()),
            group: match (room, self.rights) {
                (Room::Sidecar(_), Rights::Root) => Some(PROXY),
                (Room::Sidecar(_) | Room::Node | Room::Application(_), _) => None,
            },
        }
    }

    /// Connects to an address of a room.
    ///
    /// # Errors
    /// As connecting does.
    pub(crate) async fn connect(&self, room: Room, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = TcpSocket::from_std_stream(self.space(room).socket()?);
        socket.connect(to).await
    }

    fn space(&self, room: Room) -> &Space {
        self.pod(room).map_or(&self.node, |pod| &pod.space)
    }

    fn pod(&self, room: Room) -> Option<&Pod> {
        let number = match room {
            Room::Node => return None,
            Room::Sidecar(number) | Room::Application(number) => number,
        };
        self.pods.iter().find(|pod| pod.number == number)
    }
}

/// A pair of links between a pod and the node, which is its way to everything.
fn join(node: &Space, pod: &Space, number: WorkloadNumber) -> Result<(), CommandError> {
    let (own, gateway, other) = (number.pod(), number.gateway(), pod.path());
    node.links(&format!(
        "link add pod{number} type veth peer name eth0 netns {}\n\
         addr add {gateway}/24 dev pod{number}\n\
         link set pod{number} up\n",
        other.display()
    ))?;
    pod.links(&format!(
        "link set lo up\n\
         addr add {own}/24 dev eth0\n\
         link set eth0 up\n\
         route add default via {gateway}\n"
    ))
}

fn capture(
    space: &Space,
    proxy: &Path,
    rights: Rights,
    workload: &Workload,
) -> Result<(), CommandError> {
    let user = PROXY.to_string();
    // All processes of an ordinary user are of one user and group, by which a sidecar's calls cannot be
    // told from its application's: but they go to pods, and the application's to services.
    let captured = match rights {
        Rights::Root => "*",
        Rights::OwnUser => SERVICE_CIDR,
    };
    // iptables would refuse a user who does not exist here.
    let mut args = vec![
        "capture",
        "--backend",
        "nft",
        "--ip-version",
        "4",
        "-u",
        &user,
    ];
    args.extend(["-m", "REDIRECT", "-i", captured, "-b", "*", "-d", OWN_PORTS]);
    let failed = |errors: String| {
        let (pod, errors) = (&workload.pod, errors.trim());
        let error = format!("{pod}: connections cannot be captured: {errors}");
        CommandError::problem(error).hint("docs/capture.md names what it takes")
    };
    space.run(proxy, &args, "")?.map_err(failed)?;
    let rules = own_calls(workload);
    space
        .run(Path::new("nft"), &["-f", "-"], &rules)?
        .map_err(failed)
}

/// What a sidecar calls at its own pod must pass the inbound policy. `capture` knows such a call by the
/// sidecar's user, which is that of everybody here. So whatever is sent to the pod's own address passes
/// it, but for what the sidecar hands over to its application.
fn own_calls(workload: &Workload) -> String {
    let own = workload.ip;
    format!(
        "add table ip mesh_own_calls\n\
         add chain ip mesh_own_calls output {{ type nat hook output priority -101; }}\n\
         add rule ip mesh_own_calls output ip daddr {own} ip saddr != 127.0.0.6 \
         tcp dport != {{ {OWN_PORTS} }} redirect to :15006\n"
    )
}

/// A file of `run/` that everybody may read who sees it: only processes of the pod do.
fn write(
    dir: &StateDir,
    workload: &Workload,
    end: &str,
    text: &str,
) -> Result<PathBuf, CommandError> {
    use std::os::unix::fs::PermissionsExt;
    let name = format!("run/{}.{end}", workload.token.name);
    dir.write(&name, text.as_bytes())?;
    let path = dir.path(name);
    let mode = std::fs::Permissions::from_mode(0o644);
    let set = std::fs::set_permissions(&path, mode);
    set.map_err(|error| crate::error::at_path(&path, &error))?;
    Ok(path)
}

/// Removes the files of a plan's rooms.
///
/// # Errors
/// When one cannot be removed.
pub(crate) fn leave(plan: &Plan, dir: &StateDir) -> Result<(), CommandError> {
    for workload in &plan.workloads {
        for end in ["hosts", "resolv.conf"] {
            let name = format!("run/{}.{end}", workload.token.name);
            super::state_dir::remove(&dir.path(name))?;
        }
    }
    Ok(())
}

fn refused(error: &io::Error, rights: Rights) -> CommandError {
    let problem = CommandError::problem(format!("no network namespace can be made: {error}"));
    match rights {
        Rights::Root => problem.hint("this root lacks CAP_SYS_ADMIN; run meshctl as an ordinary user, or leave out --network"),
        Rights::OwnUser => problem.hint("/proc/sys/user/max_net_namespaces says how many this user may have"),
    }
}

#[cfg(test)]
mod tests;
