//! Pipes through which bytes pass from one socket to another without leaving the kernel.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with};

/// Bytes that a pipe is asked to hold. More than this does not make bulk faster.
const SIZE: usize = 256 * 1024;
/// Empty pipes that a worker keeps.
const KEPT: usize = 16;

/// The empty pipes of one worker.
#[derive(Default)]
pub(super) struct Pipes {
    empty: Vec<Pipe>,
}

impl Pipes {
    /// An empty pipe; none when the process has no descriptor left.
    pub(crate) fn take(&mut self) -> Option<Pipe> {
        self.empty.pop().or_else(|| Pipe::new().ok())
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.empty.len()
    }

    /// Keeps a pipe for the next one who needs it.
    pub(crate) fn give_back(&mut self, pipe: Pipe) {
        if pipe.is_empty() && self.empty.len() < KEPT {
            self.empty.push(pipe);
        }
    }
}

/// A pipe, and how many bytes are in it.
pub(crate) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    size: usize,
    held: usize,
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        // The kernel bounds what the pipes of a user may hold together; then it stays small.
        let size = fcntl_setpipe_size(&write, SIZE).or_else(|_| fcntl_getpipe_size(&write))?;
        Ok(Self {
            read,
            write,
            size,
            held: 0,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held == 0
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Takes what the socket has; zero bytes at its end.
    pub(crate) fn fill(&mut self, from: impl AsFd) -> io::Result<usize> {
        let room = self.size.saturating_sub(self.held);
        let moved = rustix::pipe::splice(from, None, &self.write, None, room, FLAGS)?;
        self.held += moved;
        Ok(moved)
    }

    /// Gives the socket what it takes.
    pub(crate) fn empty(&mut self, to: impl AsFd) -> io::Result<()> {
        let moved = rustix::pipe::splice(&self.read, None, to, None, self.held, FLAGS)?;
        self.held = self.held.saturating_sub(moved);
        if moved == 0 {
            // It holds bytes and its other end is open: this cannot be, and must not loop.
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }
}

const FLAGS: SpliceFlags = SpliceFlags::NONBLOCK.union(SpliceFlags::MOVE);
