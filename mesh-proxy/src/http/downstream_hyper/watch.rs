//! The times of a client's connection: how long a head may take, how long it may be idle.
//!
//! hyper's own timer does not tell these apart and would end idle connections.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use mesh_http::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::http::body::Body;
use crate::http::connection::Connection;
use crate::http::with_end::WithEnd;

/// How long a request's head may take from its first byte, where the listener says nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection without requests is kept where the listener sets no bound.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Watches over a connection: its bytes, the watch to be polled beside it, and its activity.
pub(super) fn over<I>(
    io: I,
    connection: &Connection,
    version: Version,
) -> (Heard<I>, Watch, Rc<Activity>) {
    let activity = Rc::new(Activity::default());
    let heard = Arc::new(AtomicBool::new(false));
    let watch = Watch {
        times: Times::of(connection, version),
        activity: activity.clone(),
        heard: heard.clone(),
        timer: None,
    };
    (Heard { io, heard }, watch, activity)
}

/// The times of a connection.
struct Times {
    head: Duration,
    idle: Duration,
}

impl Times {
    fn of(connection: &Connection, version: Version) -> Self {
        let chain = connection.listener.chains.get(connection.chain);
        let (head, idle) = match chain.map(|chain| &chain.network) {
            Some(mesh_traffic::Network::Http(manager)) => {
                (manager.request_headers_timeout, manager.idle_timeout)
            }
            Some(mesh_traffic::Network::Tcp(_)) | None => (None, None),
        };
        let idle = idle.unwrap_or(FOR_EVER);
        // On HTTP/2 what is heard between requests may be a ping.
        let head = if version == Version::Http2 {
            idle
        } else {
            head.unwrap_or(HEAD_TIMEOUT)
        };
        Self { head, idle }
    }
}

/// What happens on a connection, seen by the task that polls it.
#[derive(Default)]
pub(super) struct Activity {
    requests: Cell<u32>,
    /// Changes with every request, so that idleness begins anew.
    served: Cell<u64>,
}

/// A request under way on a connection.
pub(super) struct Busy(Rc<Activity>);

impl Busy {
    pub(super) fn begin(activity: &Rc<Activity>) -> Self {
        activity.requests.set(activity.requests.get() + 1);
        activity.served.set(activity.served.get() + 1);
        Self(activity.clone())
    }

    /// Lasts until the body was sent.
    pub(super) fn until_end_of(self, body: Body) -> Body {
        WithEnd::wrap(body, move |_| drop(self))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.requests.set(self.0.requests.get().saturating_sub(1));
        self.0.served.set(self.0.served.get() + 1);
    }
}

/// Ends a connection whose client is silent for too long: half-way through a head, or between
/// requests.
pub(super) struct Watch {
    times: Times,
    activity: Rc<Activity>,
    heard: Arc<AtomicBool>,
    timer: Option<(State, Pin<Box<Sleep>>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was heard since the request of that number.
    Idle(u64),
    /// Something was heard, and it is no whole head yet.
    InHead(u64),
}

impl Watch {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        if self.activity.requests.get() > 0 {
            self.timer = None;
            self.heard.store(false, Ordering::Relaxed);
            return Poll::Pending;
        }
        let served = self.activity.served.get();
        let in_head = self
            .timer
            .as_ref()
            .is_some_and(|(state, _)| *state == State::InHead(served));
        let state = match in_head || self.heard.swap(false, Ordering::Relaxed) {
            true => State::InHead(served),
            false => State::Idle(served),
        };
        let timer = match &mut self.timer {
            Some((known, timer)) if *known == state => timer,
            other => {
                let time = match state {
                    State::Idle(_) => self.times.idle,
                    State::InHead(_) => self.times.head,
                };
                &mut other.insert((state, Box::pin(tokio::time::sleep(time)))).1
            }
        };
        timer.as_mut().poll(cx).map(|()| match state {
            State::Idle(_) => "idle for too long".to_owned(),
            State::InHead(_) => "the head of a request took too long".to_owned(),
        })
    }
}

/// Notes that the client said something.
pub(super) struct Heard<I> {
    io: I,
    heard: Arc<AtomicBool>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Heard<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, into);
        if into.filled().len() > before {
            self.heard.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Heard<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
