//! A real Kubernetes, started by the suite: kubelet, kube-proxy, containerd, CoreDNS and Helm.
//!
//! Here are the promises of the cluster itself (cluster/cluster.sh), on which whatever runs mesh on
//! Kubernetes stands. One cluster is shared by all tests, each in a namespace of its own; who breaks
//! something has it alone. Needs root, netfilter, and the programs: `cargo xtask kube`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests report by panicking"
)]

mod api;
mod charts;
mod citadel;
mod cluster;
mod images;
mod leftovers;
mod meshctl;
mod pods;
mod revival;
mod services;
mod side_by_side;
mod source;
mod toolbox;
