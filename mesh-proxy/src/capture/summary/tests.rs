use clap::Parser;

use super::{applied, cleaned_up};
use crate::capture::family::{Family, Ipv6};
use crate::capture::flags::CaptureFlags;
use crate::capture::options::Options;
use crate::capture::plan::Plan;

#[track_caller]
fn check_said(flags: &[&str], families: &[Family], expected: &str) {
    let words = ["capture"].iter().chain(flags);
    let flags = CaptureFlags::try_parse_from(words).unwrap();
    let options = Options::try_from(&flags).unwrap();
    let plan = Plan::of(&options, families.iter().copied());
    assert_eq!(applied(&options, &plan, "nft", Ipv6::Global), expected);
}

#[test]
fn the_summary_says_what_is_captured_and_what_is_not() {
    check_said(
        &[
            "-i",
            "*",
            "-x",
            "10.0.0.0/8,fd00::/8",
            "-o",
            "25",
            "-b",
            "*",
            "-d",
            "15020",
            "-c",
            "eth1",
        ],
        &Family::BOTH,
        "capture is in place for IPv4 and IPv6 by nft\n  \
           outbound: everything to port 15001, but not 10.0.0.0/8, fd00::/8 and ports 25\n  \
           inbound: every port to port 15006, but not 15020, 15008\n  \
           the proxy: user 1337, group 1337; its own connections are not captured\n  \
           nothing is captured on eth1\n  \
           40 rules\n",
    );
}

#[test]
fn the_summary_warns_of_what_passes_by() {
    check_said(
        &["-u", "0", "-k", "vm0"],
        &[Family::V4],
        "capture is in place for IPv4 by nft\n  \
           outbound: nothing\n  \
           inbound: nothing\n  \
           the proxy: user 0, group 0; its own connections are not captured\n  \
           what comes in counts as outbound on vm0\n  \
           13 rules\n\
         warning: -u 0: what processes of root connect to is not captured\n\
         warning: this namespace has IPv6, and connections over it are not captured\n",
    );
    check_said(
        &["-i", "10.0.0.0/8", "-q", "3306", "-b", "80,443"],
        &[Family::V6],
        "capture is in place for IPv6 by nft\n  \
           outbound: 10.0.0.0/8 and ports 3306 to port 15001\n  \
           inbound: ports 80, 443 to port 15006, but not 15008\n  \
           the proxy: user 1337, group 1337; its own connections are not captured\n  \
           16 rules\n\
         warning: connections over IPv4 are not captured\n",
    );
}

#[test]
fn cleaning_up_says_where_rules_were() {
    assert_eq!(cleaned_up(&[]), "there was nothing to clean up\n");
    let removed = ["nft".to_owned(), "lo (::6)".to_owned()];
    assert_eq!(
        cleaned_up(&removed),
        "the rules are removed from nft, lo (::6)\n"
    );
}
