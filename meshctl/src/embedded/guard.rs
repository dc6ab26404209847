//! The end of everything that a mesh started, also when meshctl itself was killed.
//!
//! Three nets, each for what slips through the one before it:
//! - every process asks the kernel to be killed when the thread that started it ends ([`become_child`]);
//! - every process leads a session of its own, and the supervisor kills the whole process group;
//! - descendants that left their group still carry [`MARK`] in their environment. A guard process
//!   waits for the supervisor's end on a pipe and kills whatever carries the mark ([`sweep`]).

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::process::CommandExt;

use rustix::process::{Pid, Signal};

/// The variable that every process of a mesh carries: which run of which mesh it belongs to.
pub(crate) const MARK: &str = "MESH_RUN";
/// How often the processes are looked through at most; new ones may be born meanwhile.
const ROUNDS: usize = 50;

/// Becomes the program: a session leader that dies with the process `parent`.
///
/// Returns only on failure.
pub(crate) fn become_child(parent: u32, program: &OsStr, args: &[OsString]) -> std::io::Error {
    if let Err(error) = tie_to(parent) {
        return error;
    }
    std::process::Command::new(program).args(args).exec()
}

fn tie_to(parent: u32) -> std::io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that ended before the call above sends no signal any more.
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if now == Some(parent) {
        Ok(())
    } else {
        Err(std::io::Error::other("the supervisor is gone"))
    }
}

/// Waits until the other end of standard input is closed, then kills what carries the mark.
pub(crate) fn watch(run: &str) {
    let mut end = Vec::new();
    // The pipe carries nothing; an error means as much as its end.
    drop(std::io::stdin().lock().read_to_end(&mut end));
    sweep(run);
}

/// Kills every process that carries the mark, except this one, until none is left.
pub(crate) fn sweep(run: &str) {
    for _ in 0..ROUNDS {
        let marked = marked(run);
        if marked.is_empty() {
            return;
        }
        for pid in marked {
            let _gone_already = rustix::process::kill_process(pid, Signal::KILL);
        }
        std::thread::yield_now();
    }
}

/// Processes that carry the mark and have not ended.
fn marked(run: &str) -> Vec<Pid> {
    let own = std::process::id();
    let mark = format!("{MARK}={run}");
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let others = numbers.filter(|pid| pid.unsigned_abs() != own);
    others
        .filter(|pid| carries(*pid, &mark))
        .filter_map(Pid::from_raw)
        .collect()
}

/// Whether the environment of a process has the mark; that of a zombie is empty.
fn carries(pid: i32, mark: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == mark.as_bytes())
    })
}
