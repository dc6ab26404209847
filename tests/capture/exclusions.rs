//! Options that leave something alone, or capture only something.

use crate::world::{Backend, POD, POD_V6, World};

const OUTBOUND: &str = "outbound";
const INBOUND: &str = "inbound";
const SERVER: &str = "server";
const APPLICATION: &str = "application";

/// Who is reached by the application's calls, for each back end.
#[track_caller]
fn check_outbound(flags: &[&str], calls: &[(&str, &str)]) {
    for backend in Backend::ALL {
        let world = World::captured(backend, flags);
        for (to, who) in calls {
            let heard = world.application(to);
            let from = if to.starts_with('[') { POD_V6 } else { POD };
            assert_eq!(heard, format!("{who} {to} from {from}"), "{flags:?}");
        }
    }
}

/// Who is reached by calls from outside, for each back end.
#[track_caller]
fn check_inbound(flags: &[&str], calls: &[(&str, &str)]) {
    for backend in Backend::ALL {
        let world = World::captured(backend, flags);
        for (to, who) in calls {
            let heard = world.outsider(to);
            assert!(
                heard.starts_with(&format!("{who} {to} ")),
                "{flags:?}: {heard}"
            );
        }
    }
}

#[test]
fn excluded_destinations_are_reached_directly() {
    check_outbound(
        &["-i", "*", "-x", "198.51.100.0/24"],
        &[
            ("198.51.100.7:80", SERVER),
            ("203.0.113.1:80", OUTBOUND),
            ("[2001:db8::7]:80", OUTBOUND),
        ],
    );
    check_outbound(
        &["-i", "*", "-x", "2001:db8::/32"],
        &[("198.51.100.7:80", OUTBOUND), ("[2001:db8::7]:80", SERVER)],
    );
}

#[test]
fn only_named_destinations_are_captured() {
    check_outbound(
        &["-i", "198.51.100.0/24,203.0.113.0/24"],
        &[
            ("198.51.100.7:80", OUTBOUND),
            ("203.0.113.1:80", OUTBOUND),
            ("10.99.0.1:80", SERVER),
            ("[2001:db8::7]:80", SERVER),
        ],
    );
}

#[test]
fn excluded_outbound_ports_are_reached_directly() {
    check_outbound(
        &["-i", "*", "-o", "3306"],
        &[
            ("198.51.100.7:3306", SERVER),
            ("[2001:db8::7]:3306", SERVER),
            ("198.51.100.7:80", OUTBOUND),
        ],
    );
}

#[test]
fn named_outbound_ports_are_captured_where_destinations_are_not() {
    check_outbound(
        &["-i", "", "-q", "3306"],
        &[
            ("198.51.100.7:3306", OUTBOUND),
            ("[2001:db8::7]:3306", OUTBOUND),
            ("198.51.100.7:80", SERVER),
        ],
    );
}

#[test]
fn without_options_nothing_is_captured() {
    check_outbound(
        &[],
        &[("198.51.100.7:80", SERVER), ("[2001:db8::7]:80", SERVER)],
    );
    check_inbound(
        &[],
        &[
            ("10.99.0.2:8080", APPLICATION),
            ("[fd99::2]:8080", APPLICATION),
        ],
    );
}

#[test]
fn excluded_inbound_ports_are_reached_directly() {
    check_inbound(
        &["-b", "*", "-d", "15020,8081"],
        &[
            ("10.99.0.2:15020", "status"),
            ("[fd99::2]:15020", "status"),
            ("10.99.0.2:8081", APPLICATION),
            ("10.99.0.2:8080", INBOUND),
        ],
    );
}

#[test]
fn only_named_inbound_ports_are_captured() {
    check_inbound(
        &["-b", "8080,9090"],
        &[
            ("10.99.0.2:8080", INBOUND),
            ("[fd99::2]:8080", INBOUND),
            ("10.99.0.2:8081", APPLICATION),
        ],
    );
}

#[test]
fn nothing_is_captured_on_an_excluded_interface() {
    let flags = ["-i", "*", "-b", "*", "-c", "eth0"];
    check_outbound(&flags, &[("198.51.100.7:80", SERVER)]);
    check_inbound(&flags, &[("10.99.0.2:8080", APPLICATION)]);
    let flags = ["-i", "*", "-b", "*", "-c", "et+"];
    check_outbound(&flags, &[("[2001:db8::7]:80", SERVER)]);
    check_inbound(&flags, &[("[fd99::2]:8080", APPLICATION)]);
}

#[test]
fn what_comes_from_a_virtual_machine_counts_as_outbound() {
    let flags = ["-i", "10.99.0.0/24,fd99::/64", "-b", "*", "-k", "eth0"];
    check_inbound(
        &flags,
        &[("10.99.0.2:8080", OUTBOUND), ("[fd99::2]:8080", OUTBOUND)],
    );
    let flags = ["-i", "192.0.2.0/24", "-b", "*", "-k", "eth0"];
    check_inbound(&flags, &[("10.99.0.2:8080", APPLICATION)]);
}

#[test]
fn other_users_can_be_the_proxy() {
    for backend in Backend::ALL {
        let world = World::captured(backend, &["-i", "*", "-u", "2000,3000", "-g", "4000"]);
        let to = "198.51.100.7:80";
        for (user, group, who) in [
            (2000, 1, SERVER),
            (3000, 1, SERVER),
            (1, 4000, SERVER),
            (1337, 1337, OUTBOUND),
        ] {
            let heard = world.as_user_and_group(user, group, to);
            assert_eq!(heard, format!("{who} {to} from {POD}"), "{user} {group}");
        }
    }
}

#[test]
fn an_ip_version_can_be_left_out() {
    check_outbound(
        &["-i", "*", "--ip-version", "4"],
        &[("198.51.100.7:80", OUTBOUND), ("[2001:db8::7]:80", SERVER)],
    );
    check_outbound(
        &["-i", "*", "--ip-version", "6"],
        &[("198.51.100.7:80", SERVER), ("[2001:db8::7]:80", OUTBOUND)],
    );
}
