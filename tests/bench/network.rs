//! A network of the benchmark's own: nobody's firewall rules, no shaping congestion control.
//!
//! Where the user may make a network namespace, everything runs in one that has loopback alone.
//! Elsewhere the machine's own network is used, and the results say how it controls congestion.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The flag of a run that is in its own network already.
pub(crate) const FLAG: &str = "--own-network";

/// What is set in the own network; what a kernel does not have stays as it is.
const SETTINGS: [(&str, &str); 3] = [
    // bbr, which some machines have as their default, paces packets by timers even on loopback.
    ("ipv4/tcp_congestion_control", "reno"),
    ("ipv4/ip_local_port_range", "10000 65000"),
    ("core/somaxconn", "8192"),
];

/// Becomes this program again in a network of its own; returns where that is not possible.
pub(crate) fn leave_for_own() -> Result<()> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.arg("--net");
        command
    };
    let possible = unshare().args(["ip", "link", "set", "lo", "up"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    let again = std::env::current_exe()?;
    let failed = unshare()
        .arg(again)
        .arg(FLAG)
        .args(std::env::args_os().skip(1))
        .exec();
    Err(failed).context("unshare")
}

/// Makes the own network usable.
pub(crate) fn prepare() -> Result<()> {
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()?;
    ensure!(up.success(), "ip link set lo up: {up}");
    for (name, value) in SETTINGS {
        std::fs::write(format!("/proc/sys/net/{name}"), value).ok();
    }
    Ok(())
}
