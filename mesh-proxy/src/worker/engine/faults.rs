//! What a panic costs: the connection that it happened on, and no other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mesh_http::ErrorCode;

use super::{Conn, ConnKey, Engine, FlowKey};
use crate::conn::wire::scratch::Scratch;
use crate::http::flow::Flow;

impl Engine {
    /// Does something for a connection; should it panic, that connection ends and the others go on.
    pub(crate) fn guard(&mut self, key: ConnKey, work: impl FnOnce(&mut Self)) {
        let done = catch_unwind(AssertUnwindSafe(|| work(self)));
        if done.is_err() {
            tracing::error!("a connection ended by a panic");
            self.observer.connection_refused("panic");
            self.scratch.get_or_insert_with(Scratch::new);
            self.drop_after_panic(key);
        }
    }

    /// Cuts a connection with all that runs on it, whatever state that is in.
    fn drop_after_panic(&mut self, key: ConnKey) {
        let runs_on_it = |flow: &Flow| flow.leg.is_some_and(|leg| leg.link == key);
        let concerned = self.flows.iter();
        let concerned = concerned.filter(|(_, flow)| flow.down == key || runs_on_it(flow));
        let concerned: Vec<FlowKey> = concerned.map(|(flow, _)| flow).collect();
        let mut connections = vec![key];
        for at in concerned {
            let Some(mut flow) = self.flows.remove(at) else {
                continue;
            };
            self.guard(ConnKey::default(), |engine| {
                engine.drop_calls(at, &mut flow)
            });
            self.held.note(&mut flow.holding, 0);
            self.copies = self.copies.saturating_sub(usize::from(flow.is_copy()));
            if let Some(timer) = flow.take_timer() {
                self.timers.cancel(timer);
            }
            match flow.leg {
                // Others have requests there.
                Some(leg) if leg.link != key => self.guard(leg.link, |engine| {
                    engine.leave_link(leg, false, ErrorCode::CANCEL);
                }),
                Some(_) if flow.down != key => connections.push(flow.down),
                Some(_) | None => {}
            }
        }
        for connection in connections {
            if let Some(Conn::Link(link)) = self.remove(connection) {
                self.pool_forget(link.pool, connection);
            }
        }
    }
}
