//! The application of the hostile suite: binds the ports that the supervisor chose, and hands the
//! listening sockets over a Unix socket to the test, which is the strict back end itself.
//!
//! `mesh-hostile-app SOCKET PORT...`: it lives as long as the test holds the other end.

use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use anyhow::Context;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let socket = args.next().context("usage: SOCKET PORT...")?;
    let mut test = UnixStream::connect(&socket).with_context(|| socket.clone())?;
    let mut listeners = Vec::new();
    for port in args {
        let port: u16 = port.parse().with_context(|| port.clone())?;
        listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?);
    }
    let sockets: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    anyhow::ensure!(
        ancillary.push(SendAncillaryMessage::ScmRights(&sockets)),
        "more than eight ports"
    );
    let count = u8::try_from(sockets.len())?;
    sendmsg(
        &test,
        &[IoSlice::new(&[count])],
        &mut ancillary,
        SendFlags::empty(),
    )?;
    test.read_to_end(&mut Vec::new())?;
    Ok(())
}
