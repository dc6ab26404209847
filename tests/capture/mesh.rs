//! Two captured pods with sidecars, and a node with a control plane: a namespace each.
//!
//!     client 10.98.1.2 ── node 10.98.0.1 ── server 10.98.2.2
//!
//! The node is also what lies outside of the mesh: 198.51.100.7 and 2001:db8::7.

use std::fs::Permissions;
use std::io::{Write, stderr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mesh_test::eventually::eventually;
use mesh_tests::mesh::binary;
use tempfile::TempDir;

use crate::application::Application;
use crate::listener::{Caller, Listener, converse, converse_bytes};
use crate::space::{Space, success};
use crate::world::{Backend, INJECTED, folder_of};

/// Where citadel and pilot listen.
const CITADEL: &str = "10.98.0.1:8060";
const PILOT: &str = "10.98.0.1:15012";
/// And where mixer does, when it is started.
const MIXER: &str = "10.98.0.1:9091";
/// Who the application and its sidecar run as.
const APPLICATION: u32 = 1000;
const PROXY: &str = "1337";

/// What pilot is told of the cluster.
const CLUSTER: &str = include_str!("mesh/cluster.yaml");
/// And by the user.
const CONFIG: &str = include_str!("mesh/config.yaml");

/// Everything that runs. Fields are dropped in their order: processes before their namespaces.
pub(crate) struct Mesh {
    pub(crate) client: Pod,
    pub(crate) server: Pod,
    _outside: (Application, Listener, Listener),
    _pilot: Process,
    _citadel: Process,
    pub(crate) node: Space,
    state: State,
}

/// A pod: its sidecar, its applications, its namespace.
pub(crate) struct Pod {
    pub(crate) sidecar: Process,
    _applications: (Application, Application, Listener),
    pub(crate) space: Space,
}

impl Mesh {
    /// Starts everything and waits until both sidecars are ready.
    #[track_caller]
    pub(crate) fn up(backend: Backend) -> Self {
        let state = State::new();
        let node = Space::new();
        node.shell(
            "echo 1 > /proc/sys/net/ipv4/ip_forward
             echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
             ip addr add 10.98.0.1/32 dev lo
             ip addr add 198.51.100.7/32 dev lo
             ip addr add 2001:db8::7/128 dev lo",
        );
        let citadel = citadel(&node, &state);
        let pilot = pilot(&node, &state);
        let client = Pod::start(&node, &state, backend, "client", 1);
        let server = Pod::start(&node, &state, backend, "server", 2);
        for pod in [&client, &server] {
            pod.sidecar.wait_until_ready(&pod.space, "15000/ready");
        }
        Self {
            client,
            server,
            _outside: (
                Application::start(&node, "outside", 80),
                Listener::start(&node, "outside", "0.0.0.0:3306".parse().unwrap()),
                Listener::start(&node, "outside", "[::]:3306".parse().unwrap()),
            ),
            _pilot: pilot,
            _citadel: citadel,
            node,
            state,
        }
    }

    /// Starts the hub beside the control plane, as a chart does: its pages on every address.
    pub(crate) fn start_mixer(&self) -> Process {
        let mut flags = self
            .state
            .identity("istio-system", "istio-mixer-service-account");
        flags.extend([
            format!("--address={MIXER}"),
            "--admin=0.0.0.0:8081".to_owned(),
            "--http=0.0.0.0:42422".to_owned(),
        ]);
        let (program, node) = (binary("mesh-mixer"), &self.node);
        let program = program.to_str().unwrap();
        let mixer = Process::start(node, &self.state, "mixer", program, &flags);
        mixer.wait_until_ready(node, "8081/readyz");
        mixer
    }

    /// The application of the client asks: `GET http://HOST/`, of the address `to`.
    pub(crate) fn ask(&self, to: &str, host: &str) -> String {
        let say = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        self.say(to, &say)
    }

    /// The application of the client says something, or waits to hear something.
    pub(crate) fn say(&self, to: &str, say: &str) -> String {
        converse(
            &self.client.space,
            user(APPLICATION),
            to.parse().unwrap(),
            say,
        )
    }

    /// Somebody outside of the mesh says something.
    pub(crate) fn outsider(&self, to: &str, say: &str) -> String {
        converse(&self.node, user(0), to.parse().unwrap(), say)
    }

    /// The same where the answer need not be text.
    pub(crate) fn outsider_bytes(&self, to: &str, say: &str) -> Vec<u8> {
        converse_bytes(&self.node, user(0), to.parse().unwrap(), say)
    }
}

impl Pod {
    fn start(node: &Space, state: &State, backend: Backend, name: &'static str, net: u8) -> Self {
        let space = Space::new();
        join(&space, node, name, net);
        let applications = (
            Application::start(&space, name, 8080),
            Application::start(&space, name, 7000),
            Listener::start(&space, name, "0.0.0.0:9000".parse().unwrap()),
        );
        let programs = folder_of(&[backend]);
        let mut capture = space.command(binary("mesh-proxy").to_str().unwrap());
        capture.arg("capture").args(INJECTED).args(backend.flags());
        capture.env("PATH", programs.path());
        success(&capture.output().unwrap());
        Self {
            sidecar: sidecar(&space, state, name, net),
            _applications: applications,
            space,
        }
    }

    /// How many connections the sidecar refused for this reason.
    pub(crate) fn refused(&self, reason: &str) -> u64 {
        let page = admin(&self.space, "15000/stats/prometheus");
        let wanted = format!("mesh_proxy_failures_total{{reason=\"{reason}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&wanted));
        line.map_or(0, |count| count.parse().unwrap())
    }
}

/// Where processes keep what they need; the sidecars' user may read it.
struct State {
    folder: TempDir,
}

impl State {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let state = Self { folder };
        open(state.path());
        for (name, text) in [("cluster", CLUSTER), ("config", CONFIG)] {
            let folder = state.folder_of(name);
            for (index, object) in text.split("---\n").enumerate() {
                std::fs::write(folder.join(format!("{index}.yaml")), object).unwrap();
            }
        }
        state.folder_of("accepted");
        // Where the build folder is not for everybody, the sidecar's user cannot run what is in it.
        std::fs::copy(binary("mesh-proxy"), state.path().join("mesh-proxy")).unwrap();
        state
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn folder_of(&self, name: &str) -> PathBuf {
        let folder = self.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        open(&folder);
        folder
    }

    fn file(&self, name: &str) -> String {
        self.path().join(name).to_str().unwrap().to_owned()
    }

    /// Makes the proof of an account: the flags that name it.
    fn identity(&self, namespace: &str, account: &str) -> Vec<String> {
        let token = format!("token-of-{account}");
        let file = self.path().join(format!("{account}.token"));
        std::fs::write(&file, &token).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        let accepted = format!(
            r#"{{"sha256": "{}", "identity": "spiffe://cluster.local/ns/{namespace}/sa/{account}"}}"#,
            sha256(&file)
        );
        let place = self.path().join(format!("accepted/{account}.json"));
        std::fs::write(place, accepted).unwrap();
        let flags = [
            ("trust-domain", "cluster.local"),
            ("namespace", namespace),
            ("service-account", account),
            ("ca-address", CITADEL),
            ("ca-root", &self.file("root-cert.pem")),
            ("token-file", file.to_str().unwrap()),
        ];
        flags
            .iter()
            .map(|(name, value)| format!("--{name}={value}"))
            .collect()
    }
}

fn open(folder: &Path) {
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
}

fn sha256(file: &Path) -> String {
    let said = Command::new("sha256sum").arg(file).output().unwrap();
    let said = success(&said);
    said.split_whitespace().next().unwrap().to_owned()
}

/// A process that ends with its value, or with the thread that started it.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(space: &Space, state: &State, name: &str, program: &str, flags: &[String]) -> Self {
        Self::spawn(space.command("setpriv"), &[], state, (name, program), flags)
    }

    fn spawn(
        mut command: Command,
        rights: &[&str],
        state: &State,
        (name, program): (&str, &str),
        flags: &[String],
    ) -> Self {
        let log = state.path().join(format!("{name}.log"));
        let output = std::fs::File::create(&log).unwrap();
        command
            .args(rights)
            .args(["--pdeathsig", "KILL", program])
            .args(flags)
            .stdout(Stdio::from(output.try_clone().unwrap()))
            .stderr(output);
        Self {
            child: command.spawn().unwrap(),
            log,
        }
    }

    #[track_caller]
    fn wait_until_ready(&self, space: &Space, page: &str) {
        eventually("ready", || match admin(space, page).contains(" 200 ") {
            true => Ok(()),
            false => Err(std::fs::read_to_string(&self.log).unwrap()),
        });
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _ended = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let _nobody_reads = write!(stderr(), "--- {}\n{log}", self.log.display());
        }
    }
}

/// Asks an admin page, written `15000/ready`; empty while nobody answers.
fn admin(space: &Space, page: &str) -> String {
    let (port, path) = page.split_once('/').unwrap();
    let say = format!("GET /{path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    let to = format!("127.0.0.1:{port}").parse().unwrap();
    converse(space, user(0), to, &say)
}

fn user(id: u32) -> Caller {
    Caller {
        user: id,
        group: id,
        from: None,
    }
}

fn citadel(node: &Space, state: &State) -> Process {
    let flags = [
        format!("--address={CITADEL}"),
        "--admin=0.0.0.0:15014".to_owned(),
        format!("--ca-dir={}", state.file("ca")),
        format!("--accepted-tokens={}", state.file("accepted")),
        "--trust-domain=cluster.local".to_owned(),
    ];
    let program = binary("mesh-citadel");
    let citadel = Process::start(node, state, "citadel", program.to_str().unwrap(), &flags);
    citadel.wait_until_ready(node, "15014/readyz");
    let root = state.path().join("root-cert.pem");
    std::fs::copy(state.path().join("ca/root-cert.pem"), &root).unwrap();
    std::fs::set_permissions(&root, Permissions::from_mode(0o644)).unwrap();
    citadel
}

fn pilot(node: &Space, state: &State) -> Process {
    let mut flags = state.identity("istio-system", "istio-pilot-service-account");
    flags.extend([
        format!("--address={PILOT}"),
        "--admin=0.0.0.0:8080".to_owned(),
        format!("--config-dir={}", state.file("config")),
        format!("--cluster-dir={}", state.file("cluster")),
    ]);
    let program = binary("mesh-pilot");
    let pilot = Process::start(node, state, "pilot", program.to_str().unwrap(), &flags);
    pilot.wait_until_ready(node, "8080/readyz");
    pilot
}

/// As an injected one runs, without any rights.
fn sidecar(space: &Space, state: &State, name: &str, net: u8) -> Process {
    let mut flags = state.identity("default", name);
    flags.extend([
        format!("--name={name}-0"),
        format!("--workload={name}"),
        format!("--address=10.98.{net}.2"),
        format!("--label=app={name}"),
        format!("--xds-address={PILOT}"),
        "--interception-mode=REDIRECT".to_owned(),
        "--admin=127.0.0.1:15000".to_owned(),
        "--drain-time=1s".to_owned(),
        "--log-level=debug".to_owned(),
    ]);
    let rights = [
        "--reuid",
        PROXY,
        "--regid",
        PROXY,
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set=-all",
    ];
    let program = state.file("mesh-proxy");
    Process::spawn(
        space.command("setpriv"),
        &rights,
        state,
        (name, &program),
        &flags,
    )
}

/// A veth pair between a pod and the node, with addresses and routes of both versions of IP.
fn join(pod: &Space, node: &Space, name: &str, net: u8) {
    node.shell(&format!(
        "ip link add {name} type veth peer name eth0 netns {}
         ip addr add 10.98.{net}.1/24 dev {name}
         ip addr add fd98:{net}::1/64 dev {name} nodad
         ip link set {name} up",
        pod.holder()
    ));
    pod.shell(&format!(
        "ip addr add 10.98.{net}.2/24 dev eth0
         ip addr add fd98:{net}::2/64 dev eth0 nodad
         ip link set eth0 up
         ip route add default via 10.98.{net}.1
         ip -6 route add default via fd98:{net}::1"
    ));
}
