//! The load generator's loop: one thread, all connections.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use mesh_model::time::Clock;
use mesh_runtime::SystemClock;

use super::pace::{self, Pace};
use super::request::Request;
use super::tally::{Answer, Tally, nanoseconds};
use super::{Plan, Protocol, Report, one, two};
use crate::wire::{self, Flow, Outbox, Poller, Ready, SCRATCH};

/// The timer's token.
const TIMER: usize = usize::MAX;
/// Addresses that new connections come from by turns, so that no port is used again too soon.
const SOURCES: u8 = 200;

struct Link {
    socket: TcpStream,
    out: Outbox,
    talk: Talk,
}

enum Talk {
    One(one::Talk),
    Two(two::Talk),
}

/// Everything that runs.
pub(super) struct Engine<'a> {
    plan: &'a Plan,
    request: Request,
    poller: Poller,
    start: Instant,
    links: Vec<Link>,
    tally: Tally,
    /// At a fixed rate: the schedule, and the links with a free place, once for each.
    pace: Option<Pace>,
    timer: OwnedFd,
    free: VecDeque<usize>,
    opened: u8,
    scratch: Vec<u8>,
}

impl<'a> Engine<'a> {
    pub(super) fn start(plan: &'a Plan) -> io::Result<Self> {
        let poller = Poller::new()?;
        let pace = plan.rate.map(Pace::new);
        let timer = pace::timer(pace.as_ref())?;
        poller.watch(&timer, TIMER)?;
        let seconds = Duration::from_secs;
        let mut engine = Self {
            plan,
            request: Request::new(plan),
            poller,
            start: SystemClock.now(),
            links: Vec::with_capacity(plan.connections),
            tally: Tally::new(seconds(plan.warmup), seconds(plan.seconds)),
            pace,
            timer,
            free: VecDeque::new(),
            opened: 0,
            scratch: vec![0; SCRATCH],
        };
        for index in 0..plan.connections {
            let link = engine.open(index)?;
            engine.links.push(link);
            engine.begin(index);
        }
        Ok(engine)
    }

    pub(super) fn run(mut self) -> io::Result<Report> {
        let mut ready = Vec::new();
        let mut answers = Vec::new();
        loop {
            self.poller.wait(&mut ready)?;
            for event in ready.drain(..) {
                match event.token {
                    TIMER => pace::go_on(&self.timer),
                    _ => self.on(event, &mut answers)?,
                }
            }
            self.send_due();
            let now = self.now();
            if self.tally.over(now) {
                return Ok(self.tally.report(now));
            }
        }
    }

    fn now(&self) -> u64 {
        nanoseconds(SystemClock.now().duration_since(self.start))
    }

    fn open(&mut self, index: usize) -> io::Result<Link> {
        let from = self.plan.reconnect.then(|| {
            self.opened = self.opened % SOURCES + 1;
            SocketAddr::from((Ipv4Addr::new(127, 0, 1, self.opened), 0))
        });
        let socket = wire::connect(self.plan.to, from)?;
        self.poller.watch(&socket, index)?;
        let mut out = Outbox::default();
        let talk = match self.plan.protocol {
            Protocol::Http1 => Talk::One(one::Talk::default()),
            Protocol::Grpc => Talk::Two(two::Talk::start(&mut out.bytes)),
        };
        Ok(Link { socket, out, talk })
    }

    /// Fills a new link with requests, or offers its places to the schedule.
    fn begin(&mut self, index: usize) {
        let now = self.now();
        for _ in 0..self.plan.streams {
            self.place_is_free(index, now);
        }
    }

    fn place_is_free(&mut self, index: usize, now: u64) {
        if self.pace.is_some() {
            self.free.push_back(index);
        } else if let Some(link) = self.links.get_mut(index) {
            link.send(now, &self.request);
        }
    }

    fn send_due(&mut self) {
        let now = self.now();
        let Some(pace) = &mut self.pace else {
            return;
        };
        while let Some(due) = pace.due(now) {
            let Some(index) = self.free.pop_front() else {
                return;
            };
            pace.sent();
            if let Some(link) = self.links.get_mut(index) {
                link.send(due, &self.request);
                // What breaks here is seen by the next event of the socket.
                let _whole = link.out.flush(&link.socket);
            }
        }
    }

    fn on(&mut self, event: Ready, answers: &mut Vec<Answer>) -> io::Result<()> {
        let index = event.token;
        let Some(link) = self.links.get_mut(index) else {
            return Ok(());
        };
        let (request, scratch) = (&self.request, &mut self.scratch);
        let mut read = 0;
        let heard = if event.readable {
            link.hear(event, request, scratch, answers, &mut read)
        } else {
            Ok(Flow::Open)
        };
        let now = self.now();
        self.tally.read(now, read);
        let answered = answers.len();
        for answer in answers.drain(..) {
            self.tally.answered(now, answer);
        }
        let broken = match heard {
            Err(error) => Some(error.to_string()),
            Ok(Flow::Ended) => Some("the connection was closed".to_owned()),
            Ok(Flow::Open) if event.broken => Some("the connection broke".to_owned()),
            Ok(Flow::Open) => None,
        };
        if broken.is_some() || (self.plan.reconnect && answered > 0) {
            return self.reopen(index, &broken.unwrap_or_default());
        }
        for _ in 0..answered {
            self.place_is_free(index, now);
        }
        self.flush(index)
    }

    fn flush(&mut self, index: usize) -> io::Result<()> {
        let Some(link) = self.links.get_mut(index) else {
            return Ok(());
        };
        match link.out.flush(&link.socket) {
            Ok(_) => Ok(()),
            Err(error) => self.reopen(index, &error.to_string()),
        }
    }

    /// Replaces a link; what it had not answered is lost.
    fn reopen(&mut self, index: usize, why: &str) -> io::Result<()> {
        let open = self.links.get(index).map_or(0, Link::open);
        for _ in 0..open {
            self.tally.failed(why.to_owned());
        }
        let new = self.open(index)?;
        if let Some(link) = self.links.get_mut(index) {
            *link = new;
        }
        self.free.retain(|free| *free != index);
        self.begin(index);
        Ok(())
    }
}

impl Link {
    fn open(&self) -> usize {
        match &self.talk {
            Talk::One(talk) => talk.open(),
            Talk::Two(talk) => talk.open(),
        }
    }

    fn send(&mut self, due: u64, request: &Request) {
        match &mut self.talk {
            Talk::One(talk) => talk.send(due, request, &mut self.out.bytes),
            Talk::Two(talk) => talk.send(due, request, &mut self.out.bytes),
        }
    }

    fn hear(
        &mut self,
        event: Ready,
        request: &Request,
        scratch: &mut [u8],
        answers: &mut Vec<Answer>,
        read: &mut usize,
    ) -> io::Result<Flow> {
        let (talk, out) = (&mut self.talk, &mut self.out.bytes);
        wire::drain(&self.socket, event.ended, scratch, |bytes| {
            *read += bytes.len();
            match talk {
                Talk::One(talk) => talk.hear(bytes, request, answers),
                Talk::Two(talk) => talk.hear(bytes, request, out, answers),
            }
        })
    }
}
