//! Bodies of which a service is to see something before its request goes on: they are kept until there is enough.
//!
//! How much may be kept is the listener's word; where memory is short nothing is begun.

use mesh_traffic::authz::{Body, Buffering};

use super::Step;
use crate::http::failure::{Failure, FailureKind};
use crate::http::serve::{Event, Next};
use crate::worker::engine::{Engine, FlowKey};
use crate::worker::overload::Level;

impl Engine {
    /// Begins to keep the body of a request; what is next if there is enough of it already.
    pub(super) fn gather(&mut self, key: FlowKey, wanted: Buffering) -> Option<Next> {
        let is_short = self.level >= Level::Pause;
        let flow = self.flows.get_mut(key)?;
        flow.step = Step::Pausing;
        if is_short && !flow.upload.has_ended() {
            return self.advance(key, Event::Gathered(Err(FailureKind::Overloaded.into())));
        }
        flow.calls.gathers = Some(wanted);
        flow.upload.want(wanted.most);
        self.invite_body(key);
        self.note_held_upload(key);
        self.gathered(key)
    }

    /// More of the body has come.
    pub(super) fn gather_more(&mut self, key: FlowKey) {
        let flow = self.flows.get(key);
        if flow.is_some_and(|flow| flow.calls.gathers.is_some()) {
            let next = self.gathered(key);
            self.follow(key, next);
        }
    }

    fn gathered(&mut self, key: FlowKey) -> Option<Next> {
        let flow = self.flows.get_mut(key)?;
        let wanted = flow.calls.gathers.filter(|_| flow.step == Step::Pausing)?;
        let (come, ended) = (flow.upload.unsent(), flow.upload.has_ended());
        let is_too_large = come.len() > wanted.most && !wanted.allows_part;
        let is_enough = wanted.allows_part && come.len() >= wanted.most;
        if !ended && !is_enough && !is_too_large {
            return None;
        }
        let body = match is_too_large {
            true => Err(Failure::new(FailureKind::BodyTooLarge)),
            false if flow.upload.is_empty() => Ok(None),
            false => Ok(Some(Body {
                bytes: come.get(..wanted.most).unwrap_or(come).to_vec(),
                whole: ended && come.len() <= wanted.most,
            })),
        };
        flow.calls.gathers = None;
        flow.upload.want(0);
        self.advance(key, Event::Gathered(body))
    }
}
