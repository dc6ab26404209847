//! What a worker does when memory is short, in the order in which it hurts: pools and spare buffers
//! go first, then clients that are idle, then the requests and tunnels that hold the most.

use std::time::Duration;

use mesh_http::Version;

use crate::http::failure::FailureKind;
use crate::http::flow::SPARES;
use crate::worker::buffers::Buffers;
use crate::worker::engine::{Conn, ConnKey, Due, Engine, FlowKey, Work};
use crate::worker::overload::{Action, Level};

/// How soon more is given back while memory stays short.
const AGAIN: Duration = Duration::from_millis(100);
/// Bytes that are taken in beyond what can be passed on before the memory is looked at: the main
/// thread, which looks at fixed times, may be too late for a burst.
const UNSAMPLED: usize = 128 * 1024;
/// Who holds less than this is not worth giving up.
const WORTH: usize = 4 * 1024;
/// How long nothing has moved both ways on a connection that is passed on before it counts as idle:
/// whether somebody waits for an answer there is not for us to see.
const SILENCE: Duration = Duration::from_secs(10);

/// Who holds bytes that others could use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Request(FlowKey),
    Tunnel(ConnKey),
}

impl Engine {
    /// Looks whether the level of overload has changed.
    pub(crate) fn follow_overload(&mut self) {
        let level = self.overload.level();
        let before = std::mem::replace(&mut self.level, level);
        self.follow_level();
        if level > before {
            self.relieve();
        }
        if before == Level::Calm && level > Level::Calm {
            self.timers.set(self.now + AGAIN, Due::Relief);
        }
        if before >= Level::Refuse && level < Level::Refuse {
            self.read_again();
        }
    }

    fn follow_level(&mut self) {
        let budget = self.overload.budget(self.signals.workers);
        self.held.follow(self.level, budget);
    }

    /// Connections with open streams keep empty buffers until they are flushed again; when it gets
    /// tight they give them back. Those who got little room may have more when others have taken
    /// what is theirs.
    pub(crate) fn ease(&mut self) {
        if self.held.has_tightened() {
            let all: Vec<ConnKey> = self.conns.keys().collect();
            all.into_iter().for_each(|key| self.mark(key));
        }
        if self.held.has_eased() {
            self.read_again();
        }
    }

    /// Memory was short when we last looked.
    pub(crate) fn relieve_again(&mut self) {
        if self.level == Level::Calm {
            return;
        }
        self.timers.set(self.now + AGAIN, Due::Relief);
        let before = self.level;
        self.follow_overload();
        if self.level <= before {
            self.relieve();
        }
    }

    fn relieve(&mut self) {
        if self.level >= Level::Shrink {
            self.shrink();
        }
        if self.level >= Level::Shed {
            self.shed();
        }
    }

    fn shrink(&mut self) {
        for _ in 0..self.close_idle_links(Duration::ZERO) {
            self.overload.count(Action::LinkClosed);
        }
        let spares = self.spares_kept();
        self.spares.truncate(spares);
        self.buffers = Buffers::default();
    }

    /// How many requests that are over may be kept for their buffers; one, even when memory is
    /// short: requests that are refused need no other.
    pub(crate) fn spares_kept(&self) -> usize {
        match self.level {
            Level::Calm => SPARES,
            Level::Shrink | Level::Pause | Level::Refuse | Level::Shed => 1,
        }
    }

    /// Notes that bytes were taken in which cannot be passed on yet.
    pub(crate) fn holds_more(&mut self, bytes: usize) {
        self.unsampled += bytes;
        if self.unsampled < UNSAMPLED {
            return;
        }
        self.unsampled = 0;
        if self.overload.sample() {
            let before = self.level;
            // From now on nothing more is taken in; what is to be given up is in use just now.
            self.level = before.max(self.overload.level());
            self.follow_level();
            if before == Level::Calm {
                self.timers.set(self.now, Due::Relief);
            }
        }
    }

    /// Whether new requests are refused; those that are get counted.
    pub(crate) fn refuses(&self) -> bool {
        let refuses = self.level >= Level::Refuse;
        if refuses {
            self.overload.count(Action::RequestRefused);
        }
        refuses
    }

    /// Whether bytes of answers are still taken in that their clients do not take.
    pub(crate) fn holds_back(&self) -> bool {
        self.level >= Level::Refuse
    }

    fn read_again(&mut self) {
        let held_back = self.conns.iter().filter_map(|(key, conn)| match conn {
            Conn::Link(_) | Conn::Downstream(_) => Some(Work::Read(key)),
            _ => None,
        });
        self.work.extend(held_back);
    }

    fn shed(&mut self) {
        let (clients, tunnels) = (self.idle_clients(), self.idle_tunnels());
        for key in &clients {
            self.overload.count(Action::ClientClosed);
            self.leave_client(*key);
        }
        for key in &tunnels {
            self.leave_tunnel(*key);
        }
        if !clients.is_empty() || !tunnels.is_empty() {
            // Perhaps that was enough; if not, we are here again soon.
            return;
        }
        let mut left = self.overload.excess();
        for (held, holder) in self.holders() {
            if left == 0 {
                return;
            }
            left = left.saturating_sub(held as u64);
            match holder {
                Holder::Request(key) => {
                    self.overload.count(Action::RequestReset);
                    self.give_up(key);
                }
                Holder::Tunnel(key) => self.leave_tunnel(key),
            }
        }
    }

    /// Connections that are passed on and on which nothing has moved for a while.
    fn idle_tunnels(&self) -> Vec<ConnKey> {
        let idle = self.conns.iter().filter_map(|(key, conn)| match conn {
            Conn::Forward(forward) if forward.is_silent(self.now, SILENCE) => Some(key),
            _ => None,
        });
        idle.collect()
    }

    fn leave_tunnel(&mut self, key: ConnKey) {
        self.overload.count(Action::TunnelClosed);
        self.cut_forward(key);
    }

    /// Clients that wait for nothing, or do not take what they have asked for.
    fn idle_clients(&self) -> Vec<ConnKey> {
        let idle = self.conns.iter().filter_map(|(key, conn)| match conn {
            Conn::Downstream(down) if down.streams.is_empty() => Some(key),
            _ => None,
        });
        idle.collect()
    }

    /// Closes the connection of a client that waits for nothing; HTTP/2 is told if it can be told
    /// at once.
    fn leave_client(&mut self, key: ConnKey) {
        if let Some(Conn::Downstream(down)) = self.conns.get_mut(key) {
            down.codec.drain();
            let _broken = down.wire.flush(down.codec.output(), &mut self.sealing);
            if !down.codec.output().is_empty() {
                down.wire.cut();
            }
        }
        self.hang_up_downstream(key);
    }

    /// Requests and passed-on connections by what they hold, the most first.
    fn holders(&mut self) -> Vec<(usize, Holder)> {
        let mut holders: Vec<(usize, Holder)> = Vec::new();
        for (key, flow) in &self.flows {
            let waiting = match self.conns.get_mut(flow.down) {
                Some(Conn::Downstream(down)) => down.codec.output().len(),
                _ => 0,
            };
            holders.push((flow.held() + waiting, Holder::Request(key)));
        }
        for (key, conn) in &self.conns {
            if let Conn::Forward(forward) = conn {
                holders.push((forward.held(), Holder::Tunnel(key)));
            }
        }
        holders.retain(|(held, _)| *held >= WORTH);
        holders.sort_unstable_by(|one, other| other.cmp(one));
        holders
    }

    /// Gives a request up, with its connection where that holds what was sent already.
    fn give_up(&mut self, key: FlowKey) {
        let Some(down_key) = self.flows.get(key).map(|flow| flow.down) else {
            return;
        };
        let stuck = self.downstream(down_key).is_some_and(|down| {
            down.codec.version() != Version::Http2 || down.codec.output().len() >= WORTH
        });
        if !stuck {
            return self.abandon(key, FailureKind::Overloaded);
        }
        self.abandon_all(down_key, FailureKind::Overloaded);
        if let Some(down) = self.downstream(down_key) {
            down.wire.cut();
        }
        self.hang_up_downstream(down_key);
    }
}
