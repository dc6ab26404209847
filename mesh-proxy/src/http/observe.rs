//! Who is told of requests and connections: metrics and logs are made elsewhere.

use std::time::Duration;

use crate::http::failure::FailureKind;
use crate::http::mirror::CopyEnd;
use crate::http::serve::Exchange;
use crate::record::access_log::Passed;

/// How a request ended, as far as the exchange itself does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct End {
    /// Whether the client got all of its answer.
    pub finish: Finish,
    /// Status that was sent; 0 when none was.
    pub status: u16,
    /// Status of the gRPC call, from the head or the trailers.
    pub grpc_status: Option<u32>,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the response's head.
    pub head_sent: u64,
    /// Bytes of the response's body.
    pub sent: u64,
    /// From the arrival of the head to the end of the answer.
    pub duration: Duration,
}

/// Whether a client got all of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Finish {
    /// It did.
    Complete,
    /// It got a failure instead, or the answer broke off.
    Failed(FailureKind),
    /// It went away first.
    #[default]
    Gone,
}

/// Is told of every request once, when it is over, and of connections that came to nothing.
///
/// Called on the worker's thread, between two polls: it must not wait.
pub trait Observer {
    /// A request is over.
    fn request_ended(&self, exchange: &Exchange, end: &End);

    /// A copy of a request is over.
    fn copy_ended(&self, end: CopyEnd);

    /// A connection that is logged and whose bytes were passed on has ended.
    fn connection_passed(&self, _: &Passed) {}

    /// A connection was closed before anything was served on it.
    fn connection_refused(&self, reason: &'static str);

    /// What is no longer used is put away, every few seconds.
    fn sweep(&self) {}
}

/// Is told and forgets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn request_ended(&self, _: &Exchange, _: &End) {}

    fn copy_ended(&self, _: CopyEnd) {}

    fn connection_refused(&self, _: &'static str) {}
}
