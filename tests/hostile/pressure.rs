//! Clients that want to use up memory or connections. Needs root, for the bound on memory.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mesh_test::eventually::eventually_within;
use mesh_tests::Metrics;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::case::{Entry, HOST, Script, Then};
use crate::client;
use crate::sandbox::Sandbox;

const MIB: usize = 1 << 20;
/// What the sidecar may take in all.
const LIMIT: usize = 64 * MIB;
/// What it is told to stay below (`proxy.memory-limit` of 40Mi).
const GIVEN: usize = 40 * MIB;
/// How soon everything is as before.
const RECOVERY: Duration = Duration::from_secs(5);
/// How soon a new bound of the control group is in force.
const FOUND_OUT: Duration = Duration::from_secs(15);
/// How long a head may take, and a little more.
const HEAD: Duration = Duration::from_secs(15);

/// Readers that ask for 1 MiB and stop reading.
const READERS: usize = 1000;
const IDLE: usize = 9000;
const SLOW: usize = 300;
/// Requests of the good client beside them.
const GOOD: usize = 2000;

/// The name under which the large answer is played.
const LARGE: &str = "s9000000";
/// The name of the good client's requests.
const SMALL: &str = "s9000001";

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_readers_that_stop_cost_64_mib_at_most_and_leave_nothing() {
    let sandbox = sandbox(&[]).await;
    let pid = sidecar(&sandbox);
    let group = Group::around(pid);
    knows_a_limit(&sandbox).await;
    let readers = burst(&sandbox).await;
    let peak = resident(pid, "VmHWM");
    drop(readers);
    recovers(sandbox.sidecar_address()).await;
    lives(&sandbox, pid);
    assert_eq!(group.killed(), 0, "the kernel killed for want of memory");
    assert!(peak <= LIMIT, "{} MiB at its peak", peak / MIB);
}

/// What the readers make the sidecar hold is counted as it comes in: nobody has to be given up for it,
/// and nobody else notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_readers_that_stop_stays_below_the_limit_that_was_given() {
    let sandbox = sandbox(&["proxy.memory-limit=40Mi"]).await;
    let pid = sidecar(&sandbox);
    let readers = burst(&sandbox).await;
    recovers(sandbox.sidecar_address()).await;
    let peak = resident(pid, "VmHWM");
    lives(&sandbox, pid);
    assert!(
        peak <= GIVEN,
        "{} KiB at its peak of {}",
        peak / 1024,
        GIVEN / 1024
    );
    let metrics = Metrics::scrape(&sandbox.metrics(Entry::Sidecar)).await;
    for counter in ["requests_refused", "requests_reset", "clients_closed"] {
        let name = format!("mesh_proxy_overload_{counter}_total");
        assert_eq!(metrics.sum(&name, &[]), 0, "{name}");
    }
    drop(readers);
    recovers(sandbox.sidecar_address()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_and_slow_heads_cost_a_good_client_nothing() {
    let sandbox = sandbox(&[]).await;
    let to = sandbox.sidecar_address();
    let mut idle = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        idle.push(TcpStream::connect(to).await.expect("a connection"));
    }
    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        slow.spawn(slowly(to));
    }
    let mut failures = 0;
    for _ in 0..GOOD {
        failures += usize::from(client::good(to, SMALL).await != Some(200));
    }
    assert_eq!(failures, 0, "of {GOOD} good requests");
    // Nobody keeps a connection by sending a head slowly.
    let ended = async { while slow.join_next().await.is_some() {} };
    let ended = tokio::time::timeout(HEAD, ended).await;
    assert!(ended.is_ok(), "{} slow heads are still taken", slow.len());
    // Those that were merely idle are not taken for slow heads.
    let mut alive = 0;
    for stream in idle.iter_mut().take(100) {
        alive += usize::from(asks(stream).await.is_some());
    }
    assert_eq!(alive, 100, "idle connections that still serve");
}

/// The tests of this file open thousands of connections in one process.
fn allow_many_files() {
    let many = Rlimit {
        current: getrlimit(Resource::Nofile).maximum,
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, many).expect("more files");
}

async fn sandbox(settings: &[&str]) -> Sandbox {
    allow_many_files();
    let settings = [&["proxy.concurrency=1"], settings].concat();
    let sandbox = Sandbox::up(&settings).await;
    let mut large = format!("HTTP/1.1 200 OK\r\nContent-Length: {MIB}\r\n\r\n").into_bytes();
    large.resize(large.len() + MIB, b'z');
    sandbox.recorder.play(LARGE, Script::Raw(large, Then::Keep));
    sandbox
}

/// A bound that is set around a running process is found out by and by.
async fn knows_a_limit(sandbox: &Sandbox) {
    let metrics = sandbox.metrics(Entry::Sidecar);
    eventually_within("the bound to be found out", FOUND_OUT, || async {
        let metrics = Metrics::scrape(&metrics).await;
        let limit = metrics.sum("mesh_proxy_memory_limit_bytes", &[]);
        (limit > 0 && limit <= LIMIT as u64)
            .then_some(())
            .ok_or(limit)
    })
    .await;
}

fn sidecar(sandbox: &Sandbox) -> i32 {
    let status = sandbox.mesh.status();
    let pid = status.workload("strict").sidecar_pid;
    pid.expect("the sidecar runs")
}

#[track_caller]
fn lives(sandbox: &Sandbox, pid: i32) {
    let workload = sandbox.mesh.status().workload("strict").clone();
    let now = (workload.restarts, workload.sidecar_pid);
    assert_eq!(now, (0, Some(pid)), "the sidecar died");
}

/// Readers that have asked for the large answer, all at the same time, and stop.
async fn burst(sandbox: &Sandbox) -> Vec<Option<TcpStream>> {
    let mut readers = Vec::with_capacity(READERS);
    let mut asked = JoinSet::new();
    for _ in 0..READERS {
        asked.spawn(stalled(sandbox.sidecar_address()));
    }
    while let Some(reader) = asked.join_next().await {
        readers.push(reader.expect("the client does not panic"));
    }
    let begun = readers.iter().flatten().count();
    assert_eq!(begun, READERS, "answers that have begun");
    readers
}

async fn recovers(to: SocketAddr) {
    eventually_within("ten in a row get the whole of it", RECOVERY, || async {
        for _ in 0..10 {
            let length = whole(to).await;
            if length != Some(MIB) {
                return Err(length);
            }
        }
        Ok(())
    })
    .await;
}

/// Asks for the large answer with a small window, and reads the first byte alone.
async fn stalled(to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_recv_buffer_size(4096).ok()?;
    let mut stream = socket.connect(to).await.ok()?;
    stream.write_all(&request(LARGE)).await.ok()?;
    let mut first = [0];
    stream.read_exact(&mut first).await.ok()?;
    Some(stream)
}

/// The length of the large answer, if it came whole.
async fn whole(to: SocketAddr) -> Option<usize> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    stream.write_all(&request(LARGE)).await.ok()?;
    let mut reader = crate::wire::h1::Reader::new(stream);
    let mut message = reader.head().await.ok()?;
    let framing = crate::wire::h1::framing(&message).ok()??;
    reader.body(framing, &mut message).await.ok()?;
    Some(message.body.len())
}

fn request(id: &str) -> Vec<u8> {
    format!("GET /{id}/x HTTP/1.1\r\nhost: {HOST}\r\n\r\n").into_bytes()
}

async fn asks(stream: &mut TcpStream) -> Option<()> {
    stream.write_all(&request(SMALL)).await.ok()?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.ok()?;
    (start == *b"HTTP/1.1 200").then_some(())
}

/// Sends a head that never ends, a byte at a time, until it is told to stop.
async fn slowly(to: SocketAddr) {
    let Ok(mut stream) = TcpStream::connect(to).await else {
        return;
    };
    let _begun = stream.write_all(b"GET / HTTP/1.1\r\nx-slow: ").await;
    // This client is slow by its own clock; nobody waits for it.
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let mut answer = [0; 64];
    loop {
        tokio::select! {
            _ = tick.tick() => {
                if stream.write_all(b"z").await.is_err() {
                    return;
                }
            }
            read = stream.read(&mut answer) => {
                if matches!(read, Ok(0) | Err(_)) {
                    return;
                }
            }
        }
    }
}

/// A figure of /proc/PID/status, in bytes.
fn resident(pid: i32, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    figure
        .and_then(|figure| figure.parse::<usize>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// A control group with a bound on memory.
struct Group(PathBuf);

impl Group {
    /// Puts a process into one of its own; what it has already counts too.
    fn around(pid: i32) -> Self {
        let name = format!("mesh-hostile-{pid}");
        let unified = PathBuf::from("/sys/fs/cgroup/cgroup.controllers").is_file();
        let (path, file) = if unified {
            (PathBuf::from("/sys/fs/cgroup").join(name), "memory.max")
        } else {
            (
                PathBuf::from("/sys/fs/cgroup/memory").join(name),
                "memory.limit_in_bytes",
            )
        };
        std::fs::create_dir(&path).expect("a control group; needs root");
        let left = LIMIT.saturating_sub(resident(pid, "VmRSS"));
        std::fs::write(path.join(file), left.to_string()).expect("a bound");
        std::fs::write(path.join("cgroup.procs"), pid.to_string()).expect("the process moves");
        Self(path)
    }

    /// How many processes the kernel has killed in it.
    fn killed(&self) -> usize {
        let events = ["memory.events", "memory.oom_control"].map(|file| self.0.join(file));
        let text = events
            .iter()
            .find_map(|file| std::fs::read_to_string(file).ok());
        let text = text.unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|count| count.trim().parse().ok())
            .unwrap_or(0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Empty once the mesh is down; a leftover of a failed test bounds nobody.
        std::fs::remove_dir(&self.0).ok();
    }
}
