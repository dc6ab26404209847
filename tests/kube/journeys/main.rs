//! What a user does with mesh on Kubernetes, on a real cluster that this suite starts: our images,
//! charts, kubectl, Helm, kubelet and iptables in pods, nothing mocked.
//!
//! The journeys run one after the other on one cluster, in the order of [`JOURNEYS`], each with a
//! deadline. Arguments are parts of names: `install` and what they name is run then, and all else not.
//! What a journey that failed left behind is in `kube-failures/JOURNEY` of the target folder.
//!
//! With `measures` as its first argument it is another program: what `cargo xtask bench --kube` runs.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "journeys report by panicking"
)]

mod app;
mod by_meshctl;
mod canary;
mod capture;
mod credentials;
mod evidence;
mod failures;
mod ingress;
mod install;
mod kube_inject;
mod measures;
mod polyglot;
mod remote;
mod report;
mod runner;
mod shop;
mod strict;
mod uninstall;
mod upgrade;
mod validation;
mod webhook;
mod world;

use std::process::ExitCode;

use runner::Journey;

/// Every journey, in the order in which a user would come to them.
const JOURNEYS: &[Journey] = &[
    Journey::new("install", 300, install::run),
    Journey::new("webhook", 240, webhook::run),
    Journey::new("kube_inject", 300, kube_inject::run),
    Journey::new("ingress", 240, ingress::run),
    Journey::new("canary", 300, canary::run),
    Journey::new("strict", 240, strict::run),
    Journey::new("validation", 240, validation::run),
    Journey::new("capture", 300, capture::run),
    Journey::new("polyglot", 480, polyglot::run),
    Journey::new("upgrade", 420, upgrade::run),
    Journey::new("failures", 600, failures::run),
    Journey::new("uninstall", 300, uninstall::run),
    Journey::new("by_meshctl", 360, by_meshctl::run),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.split_first() {
        Some((first, parts)) if first == "measures" => measures::run(parts),
        _ => runner::run(JOURNEYS),
    }
}
