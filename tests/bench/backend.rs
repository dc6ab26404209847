//! The back end of every measurement: HTTP/1.1 and HTTP/2 (prior knowledge, gRPC's shape) on one port.
//!
//! One thread, answers made in advance. Whatever it costs is taken from the load generator's core.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::wire::{self, Flow, Outbox, Poller, SCRATCH, h2};

mod answers;
mod one;
mod two;

use answers::Answers;
pub(crate) use answers::message;
pub(crate) use one::{content_length, split_head};

/// Length of the body of every ordinary answer.
pub(crate) const BODY: usize = 1024;
/// Length of what `/big` answers.
pub(crate) const BIG: usize = 10 << 20;

/// Tokens at and above this one are listeners.
const LISTENERS: usize = usize::MAX / 2;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

struct Connection {
    socket: TcpStream,
    out: Outbox,
    /// Bytes of `/big` that are still to be written after `out`.
    big: usize,
    inbox: Vec<u8>,
    speaks: Speaks,
    /// A request that is answered together with so many others.
    together: Option<usize>,
}

enum Speaks {
    NotYetKnown,
    One(one::Reader),
    Two(two::Reader),
}

/// Serves until the process ends.
pub(crate) fn serve(addresses: &[SocketAddr]) -> io::Result<()> {
    let answers = Answers::new();
    let poller = Poller::new()?;
    let mut listeners = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let listener = TcpListener::bind(address)?;
        rustix::net::listen(&listener, BACKLOG)?;
        listener.set_nonblocking(true)?;
        poller.watch(&listener, LISTENERS + index)?;
        listeners.push(listener);
    }
    let mut connections = Connections::default();
    let mut waiting = Vec::new();
    let mut ready = Vec::new();
    let mut scratch = vec![0; SCRATCH];
    loop {
        poller.wait(&mut ready)?;
        for event in ready.drain(..) {
            if let Some(index) = event.token.checked_sub(LISTENERS) {
                if let Some(listener) = listeners.get(index) {
                    connections.accept(listener, &poller)?;
                }
                continue;
            }
            let Some(connection) = connections.at(event.token) else {
                continue;
            };
            let goes_on = connection.drive(event, &answers, &mut scratch);
            let together = connection.together.take();
            if event.broken || !matches!(goes_on, Ok(Flow::Open)) {
                connections.close(event.token);
            } else if let Some(wanted) = together {
                waiting.push(event.token);
                if waiting.len() >= wanted {
                    connections.answer_all(&mut waiting, &answers);
                }
            }
        }
        connections.reuse_closed();
    }
}

/// Slots of connections; a slot is used again only after the batch of events that closed it.
#[derive(Default)]
struct Connections {
    slots: Vec<Option<Box<Connection>>>,
    free: Vec<usize>,
    closed: Vec<usize>,
}

impl Connections {
    fn at(&mut self, token: usize) -> Option<&mut Connection> {
        self.slots.get_mut(token)?.as_deref_mut()
    }

    fn accept(&mut self, listener: &TcpListener, poller: &Poller) -> io::Result<()> {
        while let Ok((socket, _)) = listener.accept() {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let token = self.free.pop().unwrap_or_else(|| {
                self.slots.push(None);
                self.slots.len() - 1
            });
            poller.watch(&socket, token)?;
            if let Some(slot) = self.slots.get_mut(token) {
                *slot = Some(Box::new(Connection::new(socket)));
            }
        }
        Ok(())
    }

    /// Answers requests that waited for each other.
    fn answer_all(&mut self, waiting: &mut Vec<usize>, answers: &Answers) {
        for token in waiting.drain(..) {
            if let Some(connection) = self.at(token) {
                connection.out.bytes.extend_from_slice(&answers.one);
                // What broke is told by the next event.
                let _flushed = connection.flush(answers);
            }
        }
    }

    fn close(&mut self, token: usize) {
        if let Some(slot) = self.slots.get_mut(token) {
            *slot = None;
            self.closed.push(token);
        }
    }

    fn reuse_closed(&mut self) {
        self.free.append(&mut self.closed);
    }
}

impl Connection {
    fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            out: Outbox::default(),
            big: 0,
            inbox: Vec::new(),
            speaks: Speaks::NotYetKnown,
            together: None,
        }
    }

    fn drive(
        &mut self,
        event: wire::Ready,
        answers: &Answers,
        scratch: &mut [u8],
    ) -> io::Result<Flow> {
        let mut flow = Flow::Open;
        if event.readable {
            let inbox = &mut self.inbox;
            flow = wire::drain(&self.socket, event.ended, scratch, |bytes| {
                inbox.extend_from_slice(bytes);
                Ok(())
            })?;
            self.answer(answers);
        }
        self.flush(answers)?;
        Ok(flow)
    }

    fn answer(&mut self, answers: &Answers) {
        if matches!(self.speaks, Speaks::NotYetKnown) {
            let known = self.inbox.len().min(h2::PREFACE.len());
            if self.inbox.get(..known) != h2::PREFACE.get(..known) {
                self.speaks = Speaks::One(one::Reader::default());
            } else if known == h2::PREFACE.len() {
                self.inbox.drain(..known);
                self.speaks = Speaks::Two(two::Reader::start(&mut self.out.bytes));
            }
        }
        let used = match &mut self.speaks {
            Speaks::NotYetKnown => 0,
            Speaks::One(reader) => {
                let said = reader.read(&self.inbox, answers, &mut self.out.bytes);
                self.big += said.big;
                self.together = said.together;
                said.used
            }
            Speaks::Two(reader) => reader.read(&self.inbox, answers, &mut self.out.bytes),
        };
        if used == self.inbox.len() {
            self.inbox.clear();
        } else {
            self.inbox.drain(..used);
        }
    }

    fn flush(&mut self, answers: &Answers) -> io::Result<()> {
        if !self.out.flush(&self.socket)? {
            return Ok(());
        }
        while self.big > 0 {
            let piece = answers.chunk.get(..self.big).unwrap_or(&answers.chunk);
            match wire::write(&self.socket, piece)? {
                0 => return Ok(()),
                count => self.big -= count,
            }
        }
        Ok(())
    }
}

/// Streams that wait for their answer, in order.
type Waiting = VecDeque<u32>;
