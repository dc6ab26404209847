//! Processes of this machine as /proc shows them, also those in containers: what they hold and used.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, clock_gettime};

/// Resident memory of processes.
///
/// # Errors
/// When one of them is gone.
pub fn rss_kib(pids: &[i32]) -> Result<u64> {
    sum_kib(pids, "VmRSS:")
}

/// The most that their resident memory has been, each at its own time.
///
/// # Errors
/// When one of them is gone.
pub fn peak_kib(pids: &[i32]) -> Result<u64> {
    sum_kib(pids, "VmHWM:")
}

fn sum_kib(pids: &[i32], field: &str) -> Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .with_context(|| format!("process {pid} is gone"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let word = line.and_then(|line| line.split_whitespace().next());
        sum += word
            .and_then(|word| word.parse::<u64>().ok())
            .with_context(|| field.to_owned())?;
    }
    Ok(sum)
}

/// Processor time that processes have used, in nanoseconds.
///
/// # Errors
/// When one of them is gone.
pub fn cpu_nanoseconds(pids: &[i32]) -> Result<u64> {
    let mut sum = 0;
    for pid in pids {
        for thread in threads(*pid)? {
            let path = format!("/proc/{pid}/task/{thread}/schedstat");
            // A thread may end while we look.
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let used = text
                .split(' ')
                .next()
                .and_then(|word| word.parse::<u64>().ok());
            sum += used.unwrap_or(0);
        }
    }
    Ok(sum)
}

/// The threads of a process.
///
/// # Errors
/// When it is gone.
pub fn threads(pid: i32) -> Result<Vec<i32>> {
    let threads = numbers(&format!("/proc/{pid}/task"));
    let threads = threads.with_context(|| format!("process {pid} is gone"))?;
    ensure!(!threads.is_empty(), "process {pid} is gone");
    Ok(threads)
}

/// The processes of a container: those whose control group has its ID in the name.
///
/// # Errors
/// When /proc cannot be read.
pub fn of_container(id: &str) -> Result<Vec<i32>> {
    let mut pids = numbers("/proc")?;
    pids.retain(|pid| {
        // A process may end while we look.
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"));
        groups.is_ok_and(|groups| groups.contains(id))
    });
    Ok(pids)
}

/// When a process was started, in time since the start of the machine; exact to a hundredth of a second.
///
/// # Errors
/// When it is gone.
pub fn started(pid: i32) -> Result<Duration> {
    /// Fields behind the name, which may itself have spaces, before that of the start.
    const BEFORE: usize = 19;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    let (_, fields) = stat.rsplit_once(") ").context("/proc/PID/stat")?;
    let ticks = fields.split(' ').nth(BEFORE).context("/proc/PID/stat")?;
    let ticks: u64 = ticks.parse().context("/proc/PID/stat")?;
    let second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_millis(ticks * 1000 / second))
}

/// Time since the start of the machine.
#[must_use]
pub fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Entries of a folder that are numbers.
fn numbers(folder: &str) -> std::io::Result<Vec<i32>> {
    let names = std::fs::read_dir(folder)?.flatten();
    let names = names.map(|entry| entry.file_name());
    Ok(names
        .filter_map(|name| name.to_string_lossy().parse().ok())
        .collect())
}
