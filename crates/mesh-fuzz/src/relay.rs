//! A proxy of nothing but codecs: what one reads the other writes, both ways, with no stage between.
//!
//! It keeps account of what it passed on, so that readers of both outputs can be asked whether that
//! is what they see.

use mesh_http::{BodyLength, ErrorCode, Fields, RequestHead, ResponseHead, StreamId};

use crate::feed::{Ask, Feed, Seen, Serve, status as with_status, written};

/// Connections to back ends, at most.
const MOST_LINKS: usize = 12;

/// A proxy between one client's connection and its back ends.
pub(crate) struct Relay<'d, S, C> {
    server: S,
    feed: Feed<'d, RequestHead>,
    answering: &'d [u8],
    step: usize,
    /// Drop the fields of one connection, as a proxy does; the codecs must be safe without.
    strips: bool,
    pub(crate) links: Vec<Link<'d, C>>,
    pub(crate) flows: Vec<Flow>,
    over: bool,
}

/// A connection to a back end.
pub(crate) struct Link<'d, C> {
    client: C,
    feed: Feed<'d, ResponseHead>,
    over: bool,
    pub(crate) output: Vec<u8>,
}

/// One request, and what was said of it on both sides.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub(crate) down: StreamId,
    pub(crate) asked: RequestHead,
    /// The connection and the stream it went to, if it did.
    pub(crate) up: Option<(usize, StreamId)>,
    pub(crate) request: Passed,
    /// The status that was sent, if one was.
    pub(crate) status: Option<u16>,
    pub(crate) interims: usize,
    pub(crate) answer: Passed,
}

/// A body on its way.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// What was sent of it.
    pub(crate) body: Vec<u8>,
    /// Its end was sent.
    pub(crate) whole: bool,
    /// It was given up.
    pub(crate) broken: bool,
    /// It is none, but another protocol's bytes.
    pub(crate) tunnel: bool,
    waiting: Vec<u8>,
    ends: bool,
    trailers: Option<Fields>,
}

impl Passed {
    /// Sends what waits.
    fn push(
        &mut self,
        mut data: impl FnMut(&[u8], bool) -> Option<usize>,
        trailers: impl FnOnce(&Fields) -> bool,
    ) {
        if self.whole || self.broken || (self.waiting.is_empty() && !self.ends) {
            return;
        }
        let end = self.ends && self.trailers.is_none();
        let Some(taken) = data(&self.waiting, end) else {
            self.broken = true;
            return;
        };
        assert!(
            taken <= self.waiting.len(),
            "more is taken than was offered"
        );
        let all = taken == self.waiting.len();
        self.body.extend(self.waiting.drain(..taken));
        self.whole = all && end;
        if all && let Some(fields) = self.trailers.take() {
            self.whole = trailers(&fields);
            self.broken = !self.whole;
        }
    }

    fn take<H>(&mut self, seen: Seen<H>, fields: impl FnOnce(&H) -> Fields) {
        match seen {
            Seen::Data(_, bytes, end) => {
                self.waiting.extend_from_slice(&bytes);
                self.ends |= end;
            }
            Seen::Trailers(_, head) => {
                self.trailers = Some(fields(&head));
                self.ends = true;
            }
            _ => {}
        }
    }
}

impl<'d, S: Serve, C: Ask> Relay<'d, S, C> {
    pub(crate) fn new(asking: &'d [u8], answering: &'d [u8], step: usize, strips: bool) -> Self {
        Self {
            server: S::new(),
            feed: Feed::new(asking, step),
            answering,
            step,
            strips,
            links: Vec::new(),
            flows: Vec::new(),
            over: false,
        }
    }

    /// Passes on everything that can be; gives what was written to the client, and whether that
    /// connection is closed then.
    pub(crate) fn run(&mut self) -> (Vec<u8>, bool) {
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            while let Some(seen) = (!self.over)
                .then(|| self.feed.next(&mut self.server))
                .flatten()
            {
                self.asked(seen);
                self.push();
                goes_on = true;
                // Every other cutting reads answers as early as can be.
                for index in 0..if self.step.is_multiple_of(2) {
                    self.links.len()
                } else {
                    0
                } {
                    self.drive(index);
                }
            }
            for index in 0..self.links.len() {
                goes_on |= self.drive(index);
            }
        }
        for link in &mut self.links {
            link.output = written(link.client.output());
        }
        (written(self.server.output()), self.server.is_over())
    }

    /// Reads one event of a back end that owes an answer.
    fn drive(&mut self, index: usize) -> bool {
        let owes = |flow: &Flow| {
            let mine = flow.up.is_some_and(|(link, _)| link == index);
            mine && !(flow.answer.whole || flow.answer.broken)
        };
        if !self.flows.iter().any(owes) {
            return false;
        }
        let Some(link) = self.links.get_mut(index) else {
            return false;
        };
        if link.over {
            return false;
        }
        match link.feed.next(&mut link.client) {
            Some(seen) => self.answered(index, seen),
            None => self.link_over(index),
        }
        self.push();
        true
    }

    fn asked(&mut self, seen: Seen<RequestHead>) {
        match seen {
            Seen::Head(stream, body, head) => self.begin(stream, body, head),
            Seen::Data(stream, ref bytes, _) => {
                self.server.release(stream, bytes.len());
                self.take(stream, seen);
            }
            Seen::Trailers(stream, _) => self.take(stream, seen),
            Seen::Reset(stream, ..) | Seen::Broken(stream, ..) => self.give_up(Some(stream)),
            Seen::Over(..) => {
                self.over = true;
                self.give_up(None);
                let flow = Flow {
                    asked: RequestHead::default(),
                    ..Flow::default()
                };
                self.flows.push(flow);
                self.refuse(self.flows.len() - 1, 400);
            }
            Seen::Interim(..) | Seen::Window(_) | Seen::GoingAway => {}
        }
    }

    fn take(&mut self, stream: StreamId, seen: Seen<RequestHead>) {
        let flow = self.flows.iter_mut().find(|flow| flow.down == stream);
        if let Some(flow) = flow {
            flow.request.take(seen, |head| head.fields.clone());
        }
    }

    /// The client has given up one request, or all.
    fn give_up(&mut self, stream: Option<StreamId>) {
        for flow in &mut self.flows {
            if stream.is_some_and(|stream| stream != flow.down) {
                continue;
            }
            flow.answer.broken |= !flow.answer.whole;
            if let Some((link, up)) = flow.up
                && let Some(link) = self.links.get_mut(link)
            {
                link.client.reset(up, ErrorCode::CANCEL);
                flow.request.broken |= !flow.request.whole;
            }
        }
    }

    fn begin(&mut self, stream: StreamId, body: BodyLength, mut head: RequestHead) {
        if self.strips {
            strip(&mut head.fields);
        }
        let mut flow = Flow {
            down: stream,
            ..Flow::default()
        };
        flow.request.tunnel = body == BodyLength::Tunnel;
        flow.request.whole = body == BodyLength::None;
        let link = self.link();
        let begun = link.and_then(|index| {
            let link = self.links.get_mut(index)?;
            let begun = link.client.request(&head, body == BodyLength::None);
            begun.ok().map(|up| (index, up))
        });
        flow.up = begun;
        flow.asked = head;
        self.flows.push(flow);
        if begun.is_none() {
            self.refuse(self.flows.len() - 1, 502);
        }
    }

    /// A connection with room, an old one or a new one.
    fn link(&mut self) -> Option<usize> {
        let with_room = |link: &Link<'_, C>| !link.over && link.client.room() > 0;
        if let Some(index) = self.links.iter().position(with_room) {
            return Some(index);
        }
        let fresh = Link {
            client: C::new(),
            feed: Feed::new(self.answering, self.step),
            over: false,
            output: Vec::new(),
        };
        let fits = self.links.len() < MOST_LINKS;
        fits.then(|| self.links.push(fresh));
        fits.then(|| self.links.len() - 1)
    }

    /// Answers in place of a back end, or breaks off an answer that was begun.
    fn refuse(&mut self, index: usize, status: u16) {
        let Some(flow) = self.flows.get_mut(index) else {
            return;
        };
        if flow.answer.whole || flow.answer.broken {
            return;
        }
        if flow.status.is_none()
            && self
                .server
                .respond(flow.down, &with_status(status), true)
                .is_ok()
        {
            flow.status = Some(status);
            flow.answer.whole = true;
            return;
        }
        flow.answer.broken = true;
        self.server.reset(flow.down, ErrorCode::INTERNAL_ERROR);
    }

    fn answered(&mut self, link: usize, seen: Seen<ResponseHead>) {
        let find = |flows: &[Flow], up| flows.iter().position(|flow| flow.up == Some((link, up)));
        match seen {
            Seen::Head(up, body, head) => {
                if let Some(index) = find(&self.flows, up) {
                    self.answer(index, body, head);
                }
            }
            Seen::Interim(up, head) => {
                let flow = find(&self.flows, up).and_then(|index| self.flows.get_mut(index));
                if let Some(flow) = flow {
                    let sent = self.server.interim(flow.down, &head).is_ok();
                    flow.interims += usize::from(sent);
                }
            }
            Seen::Data(up, ref bytes, _) => {
                if let Some(link) = self.links.get_mut(link) {
                    link.client.release(up, bytes.len());
                }
                self.take_answer(find(&self.flows, up), seen);
            }
            Seen::Trailers(up, _) => self.take_answer(find(&self.flows, up), seen),
            Seen::Reset(up, ..) | Seen::Broken(up, ..) => {
                if let Some(index) = find(&self.flows, up) {
                    if let Some(flow) = self.flows.get_mut(index) {
                        flow.request.broken |= !flow.request.whole;
                    }
                    self.refuse(index, 503);
                }
            }
            Seen::Over(..) => self.link_over(link),
            Seen::Window(_) | Seen::GoingAway => {}
        }
    }

    fn take_answer(&mut self, index: Option<usize>, seen: Seen<ResponseHead>) {
        if let Some(flow) = index.and_then(|index| self.flows.get_mut(index)) {
            flow.answer.take(seen, |head| head.fields.clone());
        }
    }

    fn answer(&mut self, index: usize, body: BodyLength, mut head: ResponseHead) {
        if self.strips {
            strip(&mut head.fields);
        }
        let Some(flow) = self.flows.get_mut(index) else {
            return;
        };
        if flow.answer.broken {
            return;
        }
        let end = body == BodyLength::None;
        if self.server.respond(flow.down, &head, end).is_err() {
            self.refuse(index, 502);
            return;
        }
        flow.status = Some(head.status);
        flow.answer.whole = end;
        flow.answer.tunnel = body == BodyLength::Tunnel;
        if flow.answer.tunnel {
            // What follows the request belongs to the other protocol.
            flow.request.tunnel = true;
            flow.request.whole = false;
        }
    }

    fn link_over(&mut self, index: usize) {
        if let Some(link) = self.links.get_mut(index) {
            link.over = true;
        }
        for flow in 0..self.flows.len() {
            let on_it = self.flows.get_mut(flow).filter(|flow| {
                let link = flow.up.map(|(link, _)| link);
                link == Some(index)
            });
            if let Some(on_it) = on_it {
                on_it.request.broken |= !on_it.request.whole;
                self.refuse(flow, 503);
            }
        }
    }

    fn push(&mut self) {
        let (server, links) = (&mut self.server, &mut self.links);
        for flow in &mut self.flows {
            let down = flow.down;
            if let Some((link, up)) = flow.up
                && let Some(link) = links.get_mut(link)
            {
                let client = std::cell::RefCell::new(&mut link.client);
                flow.request.push(
                    |bytes, end| client.borrow_mut().send_data(up, bytes, end).ok(),
                    |fields| client.borrow_mut().send_trailers(up, fields).is_ok(),
                );
            }
            if flow.status.is_some() {
                let server = std::cell::RefCell::new(&mut *server);
                flow.answer.push(
                    |bytes, end| server.borrow_mut().send_data(down, bytes, end).ok(),
                    |fields| server.borrow_mut().send_trailers(down, fields).is_ok(),
                );
            }
        }
    }
}

/// RFC 9110 7.6.1, as far as it can matter here.
fn strip(fields: &mut Fields) {
    let named: Vec<Vec<u8>> = fields
        .get_all("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .collect();
    fields.remove_if(|name, _| {
        let of_connection = [
            "connection",
            "keep-alive",
            "proxy-connection",
            "te",
            "upgrade",
        ];
        let is_named = named.iter().any(|own| own == name.as_bytes());
        of_connection.contains(&name) || (is_named && name != "content-length")
    });
}
