//! Bookinfo in four languages (samples/bookinfo/polyglot): its programs answer as the sample's own, and
//! a mesh carries what they say to one another.
//!
//! Needs Flask, requests and gunicorn, Node, and a JDK. As images on Kubernetes they are a journey of
//! tests/kube.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests report by panicking"
)]

mod answer;
mod answers;
mod journey;
mod program;
