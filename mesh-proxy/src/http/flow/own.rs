//! Requests of the proxy's own, begun beside the request that they are for.

use std::time::Instant;

use super::Flow;
use crate::http::own::OwnRequest;
use crate::http::serve::Exchange;
use crate::worker::engine::ConnKey;
use crate::worker::spares::Spares;

/// A request of our own beside another one, without a client.
pub(super) fn flow_beside(
    spares: &mut Spares,
    flow: &Flow,
    own: OwnRequest,
    now: Instant,
) -> Box<Flow> {
    let of = &flow.exchange;
    let (config, served) = (of.config.clone(), of.served.clone());
    let connection = of.connection.clone();
    let nobody = ConnKey::default();
    let mut flow = match spares.flows.take() {
        Some(mut spare) => {
            spare.exchange.restart(config, connection, served, now);
            spare.restart(nobody, 0);
            spare
        }
        None => Box::new(Flow::new(nobody, 0, Exchange::new(config, connection, now))),
    };
    flow.exchange.lend_outgoing(|| spares.heads.take());
    flow.exchange.become_own(own);
    flow
}
