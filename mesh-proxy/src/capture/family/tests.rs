use super::{Family, Ipv6, Wanted, wanted};
use crate::capture::flags::IpVersion;

const LOOPBACK: &str = "00000000000000000000000000000001 01 80 10 80       lo\n";
/// What a run before this one added.
const OURS: &str = "00000000000000000000000000000006 01 80 00 82       lo\n";
const LINK: &str = "fe8000000000000000a0c9fffe000001 02 40 20 80     eth0\n";
const ROUTED: &str = "fd990000000000000000000000000002 02 40 00 82     eth0\n";

#[track_caller]
fn check_read(addresses: &[&str], ipv6: Ipv6) {
    assert_eq!(Ipv6::read(&addresses.concat()), ipv6, "{addresses:?}");
}

#[test]
fn the_kernels_list_says_what_there_is_of_ipv6() {
    check_read(&[], Ipv6::Absent);
    check_read(&[LOOPBACK], Ipv6::Local);
    check_read(&[OURS, LOOPBACK], Ipv6::Local);
    check_read(&[LOOPBACK, LINK], Ipv6::Local);
    check_read(&[LOOPBACK, LINK, ROUTED], Ipv6::Global);
    check_read(&["no such line\n"], Ipv6::Local);
}

#[test]
fn ipv6_gets_rules_wherever_there_is_any() {
    let of = |family, required| Wanted { family, required };
    let four = of(Family::V4, true);
    let cases = [
        (IpVersion::Auto, Ipv6::Absent, vec![four]),
        (
            IpVersion::Auto,
            Ipv6::Local,
            vec![four, of(Family::V6, false)],
        ),
        (
            IpVersion::Auto,
            Ipv6::Global,
            vec![four, of(Family::V6, true)],
        ),
        (IpVersion::Four, Ipv6::Global, vec![four]),
        (IpVersion::Six, Ipv6::Absent, vec![of(Family::V6, true)]),
        (
            IpVersion::Dual,
            Ipv6::Absent,
            vec![four, of(Family::V6, true)],
        ),
    ];
    for (asked, ipv6, expected) in cases {
        assert_eq!(wanted(asked, ipv6), expected, "{asked:?} {ipv6:?}");
    }
}
