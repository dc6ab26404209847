//! A client's connection until it is known what it speaks: sniff -> handshake -> chain.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mesh_http::Version;
use mesh_model::Str;
use mesh_traffic::listener::{Codec, FilterChain, Inspection, Listener, Network};
use mesh_traffic::template::Tls;

use crate::conn::Refused;
use crate::conn::accept::{Accepted, adopt};
use crate::conn::chain;
use crate::conn::drain::Drain;
use crate::conn::handshake::{self, HandshakeError};
use crate::conn::redirect::Arrived;
use crate::conn::sniff::{SNIFF_TIMEOUT, SniffError, Sniffed, Sniffer};
use crate::conn::wire::scratch::Scratch;
use crate::conn::wire::{Filled, Wire};
use crate::http::connection::{Connection, Peer};
use crate::http::downstream::Downstream;
use crate::worker::engine::{Conn, ConnKey, Due, Engine, Work};
use crate::worker::timers::TimerKey;

/// How long a client that cannot be asking for TLS may wait before it says anything.
const FIRST_BYTES: Duration = Duration::from_secs(3600);

/// A client's connection on its way to whoever serves it.
pub(crate) struct Opening {
    /// Its bytes.
    pub(crate) wire: Wire,
    client: SocketAddr,
    local: SocketAddr,
    listener: Arc<Listener>,
    inspection: Inspection,
    drain: Drain,
    step: Step,
    timer: Option<TimerKey>,
}

enum Step {
    /// The first bytes are looked at.
    Sniff(Sniffer),
    /// TLS is negotiated for the chain of that number.
    Handshake { chain: usize, sni: Option<Str> },
}

/// What is known of a client that will be served.
struct Known {
    chain: usize,
    sni: Option<Str>,
    peer: Option<Peer>,
    tls: bool,
    certificate: Option<Str>,
    agreed: Option<Tls>,
    http2: bool,
}

/// What the next step is.
enum Next {
    /// More bytes.
    Wait,
    /// It is served, beginning with these bytes.
    Serve(Known, Vec<u8>),
}

impl Engine {
    /// Takes a connection from a listening socket.
    pub(crate) fn open(&mut self, accepted: Accepted) {
        let Accepted {
            socket,
            client,
            local,
            listener,
            drain,
            redirected,
            admission,
        } = accepted;
        self.signals.opened();
        let by = Arrived {
            listener: listener.clone(),
            drain,
            local,
        };
        let arrived = match redirected {
            None => Ok(by),
            Some(redirected) => redirected.arrive(by),
        };
        let entered = arrived.and_then(|arrived| {
            let socket = adopt(socket).map_err(Refused::Socket)?;
            self.enter_opening(socket, client, arrived)
        });
        match entered {
            Ok(key) => {
                self.admitted.insert(key, admission);
                self.begin(key);
            }
            Err(why) => {
                self.signals.closed();
                self.refused(client, &listener, &why);
            }
        }
    }

    fn enter_opening(
        &mut self,
        socket: mio::net::TcpStream,
        client: SocketAddr,
        arrived: Arrived,
    ) -> Result<ConnKey, Refused> {
        let Arrived {
            listener,
            drain,
            local,
        } = arrived;
        let inspection = listener.inspection(local, client);
        let bound = first_bytes_bound(&listener, inspection);
        let opening = Opening {
            wire: Wire::new(socket),
            client,
            local,
            listener,
            inspection,
            drain,
            step: Step::Sniff(Sniffer::looking_for(chain::looking_for(inspection))),
            timer: None,
        };
        let entered = self.enter(Conn::Opening(Box::new(opening)));
        let key = entered.map_err(Refused::Socket)?;
        let timer = self.timers.set(self.now + bound, Due::Conn(key));
        if let Some(Conn::Opening(opening)) = self.conns.get_mut(key) {
            opening.timer = Some(timer);
        }
        Ok(key)
    }

    /// Looks at the first bytes, unless nothing depends on them.
    fn begin(&mut self, key: ConnKey) {
        let waits = match self.conns.get(key) {
            Some(Conn::Opening(opening)) => opening.inspection.waits(),
            _ => return,
        };
        if waits {
            self.work.push_back(Work::Read(key));
        } else {
            self.step(key, |engine, opening| {
                opening.choose(engine, key, &Sniffed::Plain, Vec::new())
            });
        }
    }

    /// Something may have come from a client of which we do not know yet what it speaks.
    pub(crate) fn opening_ready(&mut self, key: ConnKey) {
        self.step(key, |engine, opening| opening.advance(engine, key));
    }

    /// Writes what a handshake has to say.
    pub(crate) fn flush_opening(&mut self, key: ConnKey) {
        if let Some(Conn::Opening(opening)) = self.conns.get_mut(key) {
            // A socket that fails here fails at the next read as well.
            let _broken = opening.wire.flush_handshake();
        }
    }

    /// The client took too long.
    pub(crate) fn opening_due(&mut self, key: ConnKey) {
        self.step(key, |engine, opening| match &mut opening.step {
            // Whoever has said nothing yet waits for the other side to begin.
            Step::Sniff(sniffer) if opening.inspection.may_be_silent => {
                let seen = std::mem::take(sniffer).into_seen();
                opening.choose(engine, key, &Sniffed::Plain, seen)
            }
            // Whoever said nothing at all was only idle.
            Step::Sniff(sniffer) if sniffer.is_empty() && !opening.inspection.ends_tls => {
                Err(Refused::Sniff(SniffError::Closed))
            }
            Step::Sniff(_) | Step::Handshake { .. } => Err(Refused::TooSlow),
        });
    }

    /// Takes a step with a connection; it goes on, is served, or is refused.
    fn step(
        &mut self,
        key: ConnKey,
        step: impl FnOnce(&mut Self, &mut Opening) -> Result<Next, Refused>,
    ) {
        // It is taken out for the time, because a step looks at the worker as well.
        let Some(mut opening) = self.take_opening(key) else {
            return;
        };
        match step(self, &mut opening) {
            Ok(Next::Wait) => self.put(key, Conn::Opening(opening)),
            Ok(Next::Serve(known, ahead)) => self.serve(key, *opening, known, ahead),
            Err(refused) => {
                if let Some(timer) = opening.timer {
                    self.timers.cancel(timer);
                }
                self.refused(opening.client, &opening.listener, &refused);
                self.put(key, Conn::Opening(opening));
                self.hang_up(key, &refused);
            }
        }
    }

    fn take_opening(&mut self, key: ConnKey) -> Option<Box<Opening>> {
        let conn = self.conns.get_mut(key)?;
        match std::mem::replace(conn, Conn::Taken) {
            Conn::Opening(opening) => Some(opening),
            other => {
                *conn = other;
                None
            }
        }
    }

    /// Ends a refused connection; a client of TLS is told by an alert why.
    fn hang_up(&mut self, key: ConnKey, refused: &Refused) {
        self.flush_opening(key);
        match refused {
            Refused::Handshake(_) => self.close(key),
            Refused::Socket(_)
            | Refused::OwnPort { .. }
            | Refused::TooSlow
            | Refused::Sniff(_)
            | Refused::NoChain { .. }
            | Refused::TooMany { .. } => {
                self.remove(key);
            }
        }
    }

    fn refused(&self, client: SocketAddr, listener: &Listener, refused: &Refused) {
        // Whoever connects and leaves again says nothing by it: health checks do.
        if matches!(refused, Refused::Sniff(SniffError::Closed)) {
            return;
        }
        self.observer.connection_refused(refused.label());
        let error = refused.report();
        tracing::debug!(%client, listener = %listener.name, error, "connection refused");
    }

    fn serve(&mut self, key: ConnKey, opening: Opening, known: Known, ahead: Vec<u8>) {
        if let Some(timer) = opening.timer {
            self.timers.cancel(timer);
        }
        let listener = opening.listener.clone();
        let own_identity = self.own_identity();
        let connection = Connection {
            chain: known.chain,
            client: opening.client,
            local: opening.local,
            tls: known.tls,
            agreed: known.agreed,
            sni: known.sni,
            peer: known.peer,
            certificate: known.certificate,
            own_identity,
            limits: Default::default(),
            element: Default::default(),
            listener: opening.listener,
        };
        let network = listener.chains.get(known.chain).map(|chain| &chain.network);
        match network {
            Some(Network::Http(manager)) => {
                let version = match (manager.codec, known.http2) {
                    (Codec::Http2, _) | (Codec::Auto, true) => Version::Http2,
                    (Codec::Http1, _) | (Codec::Auto, false) => Version::Http11,
                };
                let down = Downstream::new(
                    opening.wire,
                    Rc::new(connection),
                    version,
                    opening.drain,
                    self.now,
                    &self.held,
                );
                self.put(key, Conn::Downstream(Box::new(down)));
                self.begin_downstream(key, &ahead);
            }
            Some(Network::Tcp(_)) => {
                self.forward(key, opening.wire, connection, ahead);
            }
            None => {
                self.remove(key);
            }
        }
    }
}

impl Opening {
    fn advance(&mut self, engine: &mut Engine, key: ConnKey) -> Result<Next, Refused> {
        match &self.step {
            Step::Sniff(_) => self.sniff(engine, key),
            Step::Handshake { .. } => self.shake(engine),
        }
    }

    fn sniff(&mut self, engine: &mut Engine, key: ConnKey) -> Result<Next, Refused> {
        let mut scratch = engine.lend_scratch();
        let sniffed = self.sniff_into(&mut scratch.bytes);
        engine.return_scratch(scratch);
        match sniffed? {
            None => Ok(Next::Wait),
            Some((sniffed, seen)) => self.choose(engine, key, &sniffed, seen),
        }
    }

    fn sniff_into(&mut self, buffer: &mut [u8]) -> Result<Option<(Sniffed, Vec<u8>)>, Refused> {
        let Step::Sniff(sniffer) = &mut self.step else {
            return Ok(None);
        };
        loop {
            match self.wire.read_plain(buffer) {
                Ok(Filled::Bytes(read)) => sniffer.feed(buffer.get(..read).unwrap_or_default()),
                Ok(Filled::Nothing) => return Ok(None),
                // A client may have nothing to say and still wait to hear something.
                Ok(Filled::End) if self.inspection.may_be_silent => {
                    let seen = std::mem::take(sniffer).into_seen();
                    return Ok(Some((Sniffed::Plain, seen)));
                }
                Ok(Filled::End) => return Err(SniffError::Closed.into()),
                Err(error) => return Err(SniffError::Io(error).into()),
            }
            if let Some(sniffed) = sniffer.judge()? {
                return Ok(Some((sniffed, std::mem::take(sniffer).into_seen())));
            }
        }
    }

    /// The first bytes are known: a chain is chosen, and TLS begins where it has any.
    fn choose(
        &mut self,
        engine: &mut Engine,
        key: ConnKey,
        sniffed: &Sniffed,
        seen: Vec<u8>,
    ) -> Result<Next, Refused> {
        let facts = chain::Facts {
            client: self.client,
            local: self.local,
            listener: &self.listener,
        };
        let no_chain = |got| Refused::NoChain {
            listener: self.listener.name.clone(),
            got,
        };
        let index = chain::chain(&facts, sniffed);
        let found = index.and_then(|index| Some((index, self.listener.chains.get(index)?)));
        let (index, found) = found.ok_or_else(|| {
            no_chain(match sniffed {
                Sniffed::Tls(_) => "TLS",
                Sniffed::Http2 | Sniffed::Http1 | Sniffed::Plain => "plaintext",
            })
        })?;
        // As in Envoy: the first that lets it not pass is the last that is asked.
        let too_many = found
            .limits
            .iter()
            .any(|limit| !limit.lets_pass(engine.now));
        if too_many {
            let listener = self.listener.name.clone();
            return Err(Refused::TooMany { listener });
        }
        match (&found.tls, sniffed) {
            (Some(tls), Sniffed::Tls(hello)) => {
                let known = engine.live.current();
                let session = handshake::begin(&engine.server_tls, tls, &known)
                    .map_err(HandshakeError::from)?;
                self.step = Step::Handshake {
                    chain: index,
                    sni: hello.sni.clone(),
                };
                let timer = self.timer.take();
                self.timer = Some(engine.reset_timer(timer, SNIFF_TIMEOUT, Due::Conn(key)));
                self.wire
                    .begin_tls(session, &seen)
                    .map_err(|error| tls_error(std::io::Error::other(error)))?;
                self.shake(engine)
            }
            (Some(_), _) => Err(no_chain("plaintext")),
            (None, _) => {
                let known = Known {
                    chain: index,
                    sni: match sniffed {
                        Sniffed::Tls(hello) => hello.sni.clone(),
                        Sniffed::Http2 | Sniffed::Http1 | Sniffed::Plain => None,
                    },
                    peer: None,
                    tls: false,
                    certificate: None,
                    agreed: None,
                    http2: *sniffed == Sniffed::Http2,
                };
                Ok(Next::Serve(known, seen))
            }
        }
    }

    fn shake(&mut self, engine: &mut Engine) -> Result<Next, Refused> {
        let mut scratch = engine.lend_scratch();
        let shaken = self.shake_with(&mut scratch);
        engine.return_scratch(scratch);
        shaken
    }

    fn shake_with(&mut self, scratch: &mut Scratch) -> Result<Next, Refused> {
        let Step::Handshake { chain, sni } = &self.step else {
            return Ok(Next::Wait);
        };
        loop {
            // What the client said last may have been enough, and may ask for an answer.
            let flushed = self.wire.flush_handshake();
            flushed.map_err(tls_error)?;
            if !self.wire.is_shaking() {
                break;
            }
            match self.wire.fill(scratch) {
                Ok(Filled::Nothing) if self.wire.is_shaking() => return Ok(Next::Wait),
                Ok(Filled::Nothing) => {}
                // The end of the handshake and the first request may come together.
                Ok(Filled::Bytes(read)) => {
                    let ahead = scratch.bytes.get(..read).unwrap_or_default().to_vec();
                    let known = self.known(*chain, sni.clone())?;
                    let flushed = self.wire.flush_handshake();
                    flushed.map_err(tls_error)?;
                    return Ok(Next::Serve(known, ahead));
                }
                Ok(Filled::End) => {
                    return Err(tls_error(std::io::ErrorKind::UnexpectedEof.into()));
                }
                Err(error) => return Err(tls_error(error)),
            }
        }
        let known = self.known(*chain, sni.clone())?;
        Ok(Next::Serve(known, Vec::new()))
    }

    fn known(&self, chain: usize, sni: Option<Str>) -> Result<Known, Refused> {
        let filters = self.listener.chains.get(chain);
        let tls = filters.and_then(|filters| filters.tls.as_ref());
        let (Some(wanted), Some(session)) = (tls, self.wire.tls()) else {
            return Err(HandshakeError::Refused.into());
        };
        let shows = filters.is_some_and(FilterChain::shows_certificate);
        let secured = handshake::judge(session, wanted)?;
        Ok(Known {
            chain,
            sni,
            peer: secured.peer.filter(|peer| !peer.text.is_empty()),
            tls: true,
            certificate: shows
                .then(|| handshake::certificate(session, wanted))
                .flatten(),
            agreed: secured.agreed,
            http2: secured.http2,
        })
    }
}

fn tls_error(error: std::io::Error) -> Refused {
    HandshakeError::Handshake(error).into()
}

/// How long the first bytes may take. Clients that may be asking for TLS must say so soon.
fn first_bytes_bound(listener: &Listener, inspection: Inspection) -> Duration {
    match (inspection.may_be_silent, inspection.ends_tls) {
        (true, true) => listener.inspection_timeout.unwrap_or(SNIFF_TIMEOUT),
        (true, false) => listener.inspection_timeout.unwrap_or(FIRST_BYTES),
        // The bound of the listener is for others of its connections, which then go on.
        (false, true) if listener.continue_after_inspection => SNIFF_TIMEOUT,
        (false, true) => listener.inspection_timeout.unwrap_or(SNIFF_TIMEOUT),
        (false, false) => FIRST_BYTES,
    }
}
