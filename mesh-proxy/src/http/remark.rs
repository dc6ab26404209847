//! What stages that let a request pass, or not, have to say to it and to its answer.
//!
//! There is one place for all of them: whoever answers asks here, and need not know which stages there are.

use mesh_http::{RequestHead, ResponseHead};
use mesh_traffic::limit::Verdict;

use crate::http::ask::Heard;
use crate::http::authorize::Authorized;
use crate::http::connection::Connection;
use crate::http::failure::FailureKind;
use crate::http::limit::Counted;

/// What one stage says.
#[derive(Debug)]
pub enum Remark {
    /// A limit of this proxy's own.
    Counted(Counted),
    /// A limit that a service counts.
    Heard(Box<Heard>),
    /// A service that says who passes.
    Authorized(Box<Authorized>),
}

/// What they have said of one request, in their order.
#[derive(Debug, Default)]
pub struct Remarks(Vec<Remark>);

impl Remarks {
    /// Forgets everything and keeps the room it took.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// One more stage has something to say.
    pub fn push(&mut self, remark: Remark) {
        self.0.push(remark);
    }

    /// What a limit of this proxy's own says of a request that is one too many, and passes all the same.
    #[must_use]
    pub fn marked(&self) -> Option<&Counted> {
        self.0.iter().find_map(|remark| match remark {
            Remark::Counted(counted) if counted.verdict == Verdict::Marked => Some(counted),
            Remark::Counted(_) | Remark::Heard(_) | Remark::Authorized(_) => None,
        })
    }

    /// Whether a service has said that the request may pass, or may not.
    #[must_use]
    pub fn is_authorized(&self) -> bool {
        let says = |remark: &Remark| matches!(remark, Remark::Authorized(_));
        self.0.iter().any(says)
    }

    /// The body of the answer to a request that did not pass for that reason; empty where nobody wants another.
    #[must_use]
    pub fn body(&self, kind: FailureKind) -> &[u8] {
        let refuses = |remark: &&Remark| remark.refuses(kind);
        match self.0.iter().find(refuses) {
            Some(Remark::Heard(heard)) => heard.body(),
            Some(Remark::Authorized(authorized)) => authorized.body(),
            Some(Remark::Counted(_)) | None => &[],
        }
    }

    /// Writes into the answer of a request that did not pass for that reason what it shall say.
    pub fn tell(
        &self,
        kind: FailureKind,
        head: &mut ResponseHead,
        request: &RequestHead,
        connection: &Connection,
    ) {
        for remark in self.0.iter().filter(|remark| remark.refuses(kind)) {
            match remark {
                Remark::Counted(counted) => counted.tell(head, request, connection),
                // Nothing is written where nobody knows.
                Remark::Heard(_) if kind != FailureKind::OverLimit => {}
                Remark::Heard(heard) => heard.tell(head, request, connection),
                Remark::Authorized(authorized) => authorized.tell(head, request),
            }
        }
    }

    /// Adds to any answer what shall stand there.
    pub fn show(&self, head: &mut ResponseHead) {
        for remark in &self.0 {
            match remark {
                Remark::Counted(counted) => counted.show(head),
                Remark::Heard(heard) => heard.show(head),
                Remark::Authorized(authorized) => authorized.show(head),
            }
        }
    }
}

impl Remark {
    /// Whether a request that failed so did not pass here.
    fn refuses(&self, kind: FailureKind) -> bool {
        match self {
            Self::Counted(_) => kind == FailureKind::RateLimited,
            Self::Heard(_) => kind == FailureKind::OverLimit || kind == FailureKind::LimitUnknown,
            Self::Authorized(_) => {
                kind == FailureKind::Unauthorized || kind == FailureKind::AuthorizationUnknown
            }
        }
    }
}
