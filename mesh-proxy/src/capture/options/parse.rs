//! Text of flags to values, or the flag that is wrong and the way out.

use std::net::IpAddr;
use std::num::NonZeroU16;

use ipnet::IpNet;

use crate::capture::options::{BadOption, Interface, Port, Ports, Ranges};

/// istio: constants.DefaultProxyUID of istio-iptables.
const DEFAULT_USER: u32 = 1337;
/// The kernel's bound, IFNAMSIZ without the closing zero.
const LONGEST_INTERFACE: usize = 15;
/// What means everything.
const ALL: &str = "*";

pub(super) fn mode(flag: &'static str, text: &str) -> Result<(), BadOption> {
    let (why, way_out) = match text {
        // istio: whatever is not TPROXY is REDIRECT; an empty mode is the default.
        "REDIRECT" | "" => return Ok(()),
        "TPROXY" => (
            "this proxy takes no connections by TPROXY, which would need NET_RAW beside the application",
            "use REDIRECT; where the client's address matters, X-Forwarded-For and the access log have it",
        ),
        "NONE" => (
            "NONE means that nothing is captured",
            "leave the init container out of such pods",
        ),
        _ => ("there is no such mode", "use REDIRECT"),
    };
    Err(bad(flag, text, why.to_owned(), way_out))
}

pub(super) fn port(flag: &'static str, text: &str) -> Result<Port, BadOption> {
    let number = text.trim().parse::<NonZeroU16>();
    number.map(Port).map_err(|_| {
        let way_out = "a port is a number from 1 to 65535";
        bad(flag, text, format!("{text:?} is no port"), way_out)
    })
}

pub(super) fn ports(flag: &'static str, text: &str) -> Result<Vec<Port>, BadOption> {
    let way_out = "ports are numbers from 1 to 65535, separated by commas";
    list(flag, text, "port", way_out, |word| {
        word.parse::<NonZeroU16>().ok().map(Port)
    })
}

pub(super) fn ports_or_all(flag: &'static str, text: &str) -> Result<Ports, BadOption> {
    if text.trim() == ALL {
        return Ok(Ports::All);
    }
    let way_out = "ports are numbers from 1 to 65535, separated by commas; * alone means all";
    let ports = list(flag, text, "port", way_out, |word| {
        word.parse::<NonZeroU16>().ok().map(Port)
    });
    ports.map(Ports::Only)
}

/// Users, of which there is always one.
pub(super) fn users(flag: &'static str, text: &str) -> Result<Vec<u32>, BadOption> {
    let users = ids(flag, text)?;
    Ok(if users.is_empty() {
        vec![DEFAULT_USER]
    } else {
        users
    })
}

pub(super) fn ids(flag: &'static str, text: &str) -> Result<Vec<u32>, BadOption> {
    let way_out =
        "users and groups are given by number, separated by commas; 1337 is the injected proxy's";
    list(flag, text, "number", way_out, |word| {
        // The last number is the kernel's "nobody at all", (uid_t) -1.
        word.parse::<u32>().ok().filter(|id| *id != u32::MAX)
    })
}

pub(super) fn ranges(flag: &'static str, text: &str) -> Result<Vec<IpNet>, BadOption> {
    if text.trim() == ALL {
        let why = "* can be captured, not excluded".to_owned();
        let way_out = "to capture no outbound connection give -i '' and leave -x out";
        return Err(bad(flag, text, why, way_out));
    }
    let way_out = "give CIDRs such as 10.0.0.0/8 or fd00::/8, separated by commas";
    list(flag, text, "CIDR", way_out, range)
}

pub(super) fn ranges_or_all(flag: &'static str, text: &str) -> Result<Ranges, BadOption> {
    if text.trim() == ALL {
        return Ok(Ranges::All);
    }
    let way_out =
        "give CIDRs such as 10.0.0.0/8 or fd00::/8, separated by commas; * alone means all";
    list(flag, text, "CIDR", way_out, range).map(Ranges::Only)
}

pub(super) fn interfaces(flag: &'static str, text: &str) -> Result<Vec<Interface>, BadOption> {
    let way_out = "give names as `ip link` shows them, separated by commas; eth+ means every name that begins with eth";
    list(flag, text, "name of an interface", way_out, interface)
}

/// A network, its bits beyond the prefix cleared as iptables does; a bare address is one of itself.
fn range(word: &str) -> Option<IpNet> {
    let net = word.parse::<IpNet>().map(|net| net.trunc());
    net.or_else(|_| word.parse::<IpAddr>().map(IpNet::from))
        .ok()
}

fn interface(word: &str) -> Option<Interface> {
    let plain = word.strip_suffix('+').unwrap_or(word);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let good = plain.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && plain.chars().all(allowed)
        && word.len() <= LONGEST_INTERFACE;
    good.then(|| Interface(word.to_owned()))
}

/// The items between commas, each once; what is empty does not count.
fn list<T: PartialEq>(
    flag: &'static str,
    text: &str,
    what: &str,
    way_out: &str,
    item: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, BadOption> {
    let words = text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    let mut items = Vec::new();
    for word in words {
        let Some(item) = item(word) else {
            let why = format!("{word:?} is no {what}");
            return Err(bad(flag, text, why, way_out));
        };
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Ok(items)
}

fn bad(flag: &'static str, value: &str, why: String, way_out: &str) -> BadOption {
    BadOption {
        flag,
        value: value.to_owned(),
        why,
        way_out: way_out.to_owned(),
    }
}
