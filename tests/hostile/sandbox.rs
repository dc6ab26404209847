//! One mesh for all cases: a gateway and a sidecar before the strict back end, which is this process.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use mesh_tests::mesh::binary;
use mesh_tests::status::address;
use mesh_tests::{Mesh, Setup};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::backend::{Recorder, serve_one, serve_two};
use crate::case::{Case, Entry, H2_HOST};

/// A running mesh with its back end.
pub(crate) struct Sandbox {
    /// Before the folder and the socket: it goes first.
    pub(crate) mesh: Mesh,
    pub(crate) recorder: Arc<Recorder>,
    gateway: SocketAddr,
    /// The sidecar's inbound listeners: towards HTTP/1, towards HTTP/2.
    sidecar: [SocketAddr; 2],
    _tasks: JoinSet<()>,
    _folder: TempDir,
    _app: UnixStream,
}

const PORTS: [u16; 2] = [8080, 8081];

impl Sandbox {
    /// Starts it.
    pub(crate) async fn up(settings: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        write(folder.path());
        let waiting = UnixListener::bind(folder.path().join("app")).expect("a Unix socket");
        let handed = std::thread::spawn(move || {
            let (app, _) = waiting.accept().expect("the application connects");
            let listeners = receive(&app);
            (app, listeners)
        });
        let mut setup = Setup::default().source(folder.path());
        for setting in settings {
            setup = setup.set(setting);
        }
        let up = tokio::task::spawn_blocking(move || setup.up());
        let mesh = up.await.expect("the mesh comes up");
        let (app, listeners) = handed.join().expect("the application hands its ports over");
        let recorder = Arc::new(Recorder::default());
        let mut tasks = JoinSet::new();
        let [one, two] = listeners.map(listener);
        serve_one(one, &recorder, &mut tasks);
        serve_two(two, &recorder, &mut tasks);
        let status = mesh.status();
        let inbound = status.workload("strict").inbound.clone();
        let mut sidecar = address(inbound.as_deref().expect("the sidecar takes requests"));
        let sidecar = PORTS.map(|port| {
            sidecar.set_port(port);
            sidecar
        });
        let gateway = address(&status.ingress.http);
        Self {
            mesh,
            recorder,
            gateway,
            sidecar,
            _tasks: tasks,
            _folder: folder,
            _app: app,
        }
    }

    /// URL of the metrics of the proxy where a case enters.
    pub(crate) fn metrics(&self, entry: Entry) -> String {
        let status = self.mesh.status();
        let admin = match entry {
            Entry::Gateway => &status.component("istio-ingressgateway").admin,
            Entry::Sidecar => &status.workload("strict").admin,
        };
        format!("{admin}/stats/prometheus")
    }

    /// The sidecar's inbound listener towards HTTP/1.
    pub(crate) fn sidecar_address(&self) -> SocketAddr {
        self.sidecar[0]
    }

    /// The listener through which the application calls others, itself among them.
    pub(crate) fn outbound(&self) -> SocketAddr {
        let status = self.mesh.status();
        let outbound = status.workload("strict").outbound.clone();
        address(&outbound.expect("the sidecar takes the application's calls"))
    }

    /// The gateway's listener.
    pub(crate) fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// What a proxy has logged so far, its access log included.
    pub(crate) fn log(&self, entry: Entry) -> Vec<u8> {
        let logs = self.mesh.state().join("logs");
        let prefix = match entry {
            Entry::Gateway => "istio-ingressgateway",
            Entry::Sidecar => "strict",
        };
        let files = std::fs::read_dir(logs)
            .expect("the folder of logs")
            .flatten();
        let own = files.filter(|file| {
            let name = file.file_name();
            let name = name.to_string_lossy().into_owned();
            name.starts_with(prefix) && !name.contains(".app")
        });
        own.flat_map(|file| std::fs::read(file.path()).expect("a log"))
            .collect()
    }

    /// Where a case is sent.
    pub(crate) fn proxy(&self, case: &Case, entry: Entry) -> SocketAddr {
        match entry {
            Entry::Gateway => self.gateway,
            Entry::Sidecar => self.sidecar[usize::from(case.wants_h2_back_end())],
        }
    }
}

fn receive(app: &UnixStream) -> [OwnedFd; 2] {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut count = [0];
    let flags = RecvFlags::empty();
    recvmsg(
        app,
        &mut [IoSliceMut::new(&mut count)],
        &mut ancillary,
        flags,
    )
    .expect("a message");
    let sockets = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    let sockets: Vec<OwnedFd> = sockets.flatten().collect();
    sockets.try_into().expect("two sockets")
}

fn listener(socket: OwnedFd) -> TcpListener {
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true).expect("a socket");
    TcpListener::from_std(listener).expect("a listener")
}

fn write(folder: &Path) {
    let app = binary("mesh-hostile-app");
    let app = app.to_string_lossy();
    let socket = folder.join("app");
    let socket = socket.to_string_lossy();
    let local = format!(
        "apiVersion: mesh/v1\nkind: LocalApplication\nmetadata: {{name: strict}}\nspec:\n  \
         resources: [strict.yaml]\n  images:\n  - match: \"strict:*\"\n    command: [\"{app}\"]\n    \
         args: [\"{socket}\", \"${{port.http}}\", \"${{port.http2}}\"]\n"
    );
    std::fs::write(folder.join("local.yaml"), local).expect("a file");
    let objects = include_str!("strict.yaml").replace("H2_HOST", H2_HOST);
    std::fs::write(folder.join("strict.yaml"), objects).expect("a file");
}
