//! A network namespace that a descriptor of this process holds, and what threads do in it.

use std::fs::File;
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::error::CommandError;

/// A network namespace.
#[derive(Debug)]
pub(super) struct Space {
    namespace: File,
}

impl Space {
    /// An empty one.
    pub(super) fn new() -> io::Result<Self> {
        let namespace = on_a_thread(|| {
            unshare(UnshareFlags::NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        })?;
        Ok(Self { namespace })
    }

    /// Where other processes of this machine find it, as long as this one lives.
    pub(super) fn path(&self) -> PathBuf {
        let (own, number) = (std::process::id(), self.namespace.as_raw_fd());
        format!("/proc/{own}/fd/{number}").into()
    }

    /// A socket of it, which is not connected.
    pub(super) fn socket(&self) -> io::Result<TcpStream> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = self.inside(|| {
            let made = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
            made.map_err(io::Error::from)
        })?;
        Ok(socket.into())
    }

    /// Changes its links, addresses and routes, in the words of `ip -batch`.
    pub(super) fn links(&self, batch: &str) -> Result<(), CommandError> {
        match self.run(Path::new("ip"), &["-batch", "-"], batch)? {
            Ok(()) => Ok(()),
            Err(errors) => {
                let error = format!("the pods' network cannot be made: ip: {}", errors.trim());
                Err(CommandError::problem(error).hint("the kernel needs veth devices"))
            }
        }
    }

    /// Writes one of its settings.
    pub(super) fn write(&self, path: &str, text: &str) -> Result<(), CommandError> {
        let written = self.inside(|| std::fs::write(path, text));
        written.map_err(|error| crate::error::at_path(Path::new(path), &error))
    }

    /// Runs a program in it to its end; the inner failure is what it said.
    pub(super) fn run(
        &self,
        program: &Path,
        args: &[&str],
        input: &str,
    ) -> Result<Result<(), String>, CommandError> {
        let output = self.inside(|| {
            let mut command = Command::new(program);
            let command = command.args(args).env("PATH", search_path());
            let command = command.stdin(Stdio::piped());
            let streams = command.stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = streams.spawn()?;
            // One that ends before it has read everything says why.
            drop(
                child
                    .stdin
                    .take()
                    .map(|mut to| to.write_all(input.as_bytes())),
            );
            child.wait_with_output()
        });
        let output = output.map_err(|error| {
            let name = program.display();
            let error = CommandError::problem(format!("{name}: {error}"));
            error.hint("--network namespaces needs the programs ip (iproute2) and nft (nftables)")
        })?;
        match output.status.success() {
            true => Ok(Ok(())),
            false => Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned())),
        }
    }

    fn inside<T: Send>(&self, act: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let namespace = self.namespace.as_fd();
        on_a_thread(move || {
            move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?;
            act()
        })
    }
}

/// Programs of administrators are not on the path of ordinary users.
fn search_path() -> String {
    let own = mesh_runtime::settings::environment("PATH").unwrap_or_default();
    format!("{own}:/usr/local/sbin:/usr/sbin:/sbin")
}

/// A thread of its own may go where this one must not.
fn on_a_thread<T: Send>(act: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, act)?;
        let panicked = |_| Err(io::Error::other("a thread in the namespace panicked"));
        thread.join().unwrap_or_else(panicked)
    })
}

/// Leaves the namespaces of these kinds for new ones.
#[expect(
    deprecated,
    reason = "it is deprecated for the flag that unshares descriptors, which nobody here gives"
)]
pub(super) fn unshare(kinds: UnshareFlags) -> io::Result<()> {
    Ok(rustix::thread::unshare(kinds)?)
}
