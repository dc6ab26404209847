//! Processes of a measurement: started on a core of their own, and gone with us.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use mesh_test::eventually;
use mesh_tests::processes::threads;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// This program, even when a build has replaced its file meanwhile.
const OURSELVES: &str = "/proc/self/exe";

/// The cores of a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    /// Where proxies run, and nothing else of ours.
    pub(crate) proxy: usize,
    /// Where everything else runs.
    pub(crate) load: usize,
    allowed: CpuSet,
}

impl Cores {
    /// Chooses the last two that we may use, and puts this process on the one for load.
    pub(crate) fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU)
            .rev()
            .filter(|core| allowed.is_set(*core));
        let (Some(proxy), Some(load)) = (cores.next(), cores.next()) else {
            bail!("two cores are needed: one for the proxies, one for load and back end");
        };
        pin(None, load)?;
        Ok(Self {
            proxy,
            load,
            allowed,
        })
    }

    /// Does something with all cores for it and for what it starts.
    pub(crate) fn all<T>(self, act: impl FnOnce() -> T) -> Result<T> {
        sched_setaffinity(None, &self.allowed)?;
        let done = act();
        pin(None, self.load)?;
        Ok(done)
    }
}

/// Puts all threads of a process on a core.
pub(crate) fn move_to(pid: i32, core: usize) -> Result<()> {
    for thread in threads(pid)? {
        pin(Pid::from_raw(thread), core)?;
    }
    Ok(())
}

fn pin(thread: Option<Pid>, core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(thread, &set)?)
}

/// Allows as many open files as the system lets us.
pub(crate) fn raise_file_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // What cannot be raised shows as errors of the scenarios that need it.
    let _unchanged = rustix::process::setrlimit(Resource::Nofile, raised);
}

/// Becomes another program that runs on one core and dies with its parent.
pub(crate) fn become_program(core: usize, program: &Path, args: &[String]) -> Result<()> {
    pin(None, core)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let failed = Command::new(program).args(args).exec();
    Err(failed).with_context(|| program.display().to_string())
}

/// A running process; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// What it said on standard error.
    errors: PathBuf,
}

impl Process {
    /// Starts a program on a core, with a pipe to its standard input and from its output.
    pub(crate) fn start(
        core: usize,
        program: &Path,
        args: &[String],
        folder: &Path,
    ) -> Result<Self> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let errors = folder.join(format!("{name}.stderr"));
        let child = Command::new(OURSELVES)
            .args(["become", "--core", &core.to_string(), "--"])
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&errors)?)
            .spawn()?;
        Ok(Self { child, errors })
    }

    /// Starts a part of this program.
    pub(crate) fn start_own(core: usize, args: &[String], folder: &Path) -> Result<Self> {
        Self::start(core, Path::new(OURSELVES), args, folder)
    }

    /// Waits until a connection to `address` is accepted.
    pub(crate) fn accepts(&mut self, address: SocketAddr) -> Result<()> {
        let answer = eventually(&format!("{address} accepts"), || {
            match (self.child.try_wait(), TcpStream::connect(address)) {
                (Ok(None), Ok(_)) => Ok(Ok(())),
                (Ok(None), Err(error)) => Err(error),
                (ended, _) => Ok(Err(format!("{ended:?}"))),
            }
        });
        answer.map_err(|ended| anyhow::anyhow!("it ended: {ended}: {}", self.complaints()))
    }

    /// The child process itself.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(i32::MAX)
    }

    /// The end of what it said on standard error.
    pub(crate) fn complaints(&self) -> String {
        let text = std::fs::read_to_string(&self.errors).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// An address on loopback that nobody listens on.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Time that a core was busy since the start of the machine, in nanoseconds.
pub(crate) fn busy_nanoseconds(core: usize) -> Result<u64> {
    /// Linux counts in hundredths of a second there.
    const TICK: u64 = 10_000_000;
    let stat = std::fs::read_to_string("/proc/stat")?;
    let name = format!("cpu{core} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name));
    let fields: Vec<u64> = line
        .context("the core is in /proc/stat")?
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    // user, nice, system; not idle, iowait; then irq, softirq.
    let [user, nice, system, _, _, irq, softirq, ..] = fields.as_slice() else {
        bail!("/proc/stat has other fields than expected");
    };
    Ok((user + nice + system + irq + softirq) * TICK)
}
