//! The address ::6 of the loopback interface, from which the proxy connects to its application.
//!
//! IPv4 needs none: 127.0.0.6 is an address of every namespace. The kernel is asked by a message of
//! rtnetlink (RFC 3549), so that the image need not carry iproute2.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

use crate::capture::plan::outbound::INBOUND_SOURCE_V6;

/// Every namespace has its loopback interface first (LOOPBACK_IFINDEX).
const LOOPBACK: u32 = 1;
/// The kernel answers at once.
const DEADLINE: Duration = Duration::from_secs(5);

/// linux/rtnetlink.h.
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
/// linux/netlink.h.
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const HEADER: usize = 16;
/// linux/if_addr.h.
const IFA_LOCAL: u16 = 2;
const IFA_F_NODAD: u8 = 2;
const AF_INET6: u8 = 10;

/// Adds the address; that it is there already is as good.
pub(crate) fn add_inbound_source() -> io::Result<()> {
    match ask(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL) {
        Err(Errno::EXIST) => Ok(()),
        done => Ok(done?),
    }
}

/// Removes the address and says whether it was there.
pub(crate) fn remove_inbound_source() -> io::Result<bool> {
    match ask(RTM_DELADDR, 0) {
        Ok(()) => Ok(true),
        // What the kernel says of an address that is not there, and without IPv6.
        Err(Errno::ADDRNOTAVAIL | Errno::OPNOTSUPP | Errno::AFNOSUPPORT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn ask(kind: u16, flags: u16) -> Result<(), Errno> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // Protocol 0, which is rtnetlink.
        None,
    )?;
    set_socket_timeout(&socket, Timeout::Recv, Some(DEADLINE))?;
    let message = message(kind, NLM_F_REQUEST | NLM_F_ACK | flags);
    send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0; 512];
    let (length, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    match error_of(answer.get(..length).unwrap_or_default()) {
        Some(0) => Ok(()),
        Some(error) => Err(Errno::from_raw_os_error(error.wrapping_neg())),
        None => Err(Errno::BADMSG),
    }
}

/// nlmsghdr, ifaddrmsg, and the address as an attribute, in the byte order of the machine.
fn message(kind: u16, flags: u16) -> Vec<u8> {
    let address = INBOUND_SOURCE_V6.octets();
    let mut body = vec![AF_INET6, 128, IFA_F_NODAD, 0];
    body.extend(LOOPBACK.to_ne_bytes());
    body.extend(20_u16.to_ne_bytes());
    body.extend(IFA_LOCAL.to_ne_bytes());
    body.extend(address);
    let mut message = Vec::new();
    message.extend(44_u32.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    // Number of the message, and of the sender: there is one of each.
    message.extend([0; 8]);
    debug_assert_eq!(message.len(), HEADER);
    message.extend(body);
    debug_assert_eq!(message.len(), 44);
    message
}

/// The number in an answer of the kind NLMSG_ERROR: 0, or a negative errno.
fn error_of(answer: &[u8]) -> Option<i32> {
    let kind = answer.get(4..6)?.try_into().ok()?;
    let error = answer.get(HEADER..HEADER + 4)?.try_into().ok()?;
    (u16::from_ne_bytes(kind) == NLMSG_ERROR).then(|| i32::from_ne_bytes(error))
}
