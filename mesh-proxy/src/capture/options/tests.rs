use clap::Parser;

use super::{BadOption, Options, Ports, Ranges};
use crate::capture::flags::CaptureFlags;

fn parse(flags: &[&str]) -> Result<Options, BadOption> {
    let words = ["capture"].iter().chain(flags);
    Options::try_from(&CaptureFlags::try_parse_from(words).unwrap())
}

#[track_caller]
fn check_refused(flags: &[&str], error: &str, way_out: &str) {
    let bad = parse(flags).unwrap_err();
    assert_eq!(bad.to_string(), error);
    assert!(bad.way_out.contains(way_out), "{}", bad.way_out);
}

#[test]
fn the_injected_options_are_taken() {
    let options = parse(&[
        "-p",
        "15001",
        "-z",
        "15006",
        "-u",
        "1337",
        "-m",
        "REDIRECT",
        "-i",
        "*",
        "-x",
        "",
        "-b",
        "*",
        "-d",
        "15090,15021,15020",
    ]);
    let options = options.unwrap();
    assert_eq!(options.inbound, Ports::All);
    assert_eq!(options.outbound, Ranges::All);
    assert_eq!(options.outbound_excluded, []);
    assert_eq!((options.users, options.groups), (vec![1337], vec![1337]));
    let excluded = options.inbound_excluded.iter().map(ToString::to_string);
    assert_eq!(excluded.collect::<Vec<_>>(), ["15090", "15021", "15020"]);
}

#[test]
fn lists_are_read_with_spaces_empty_items_and_repetitions() {
    let options = parse(&[
        "-b",
        " 80, 443,,80,",
        "-i",
        "10.1.2.3/8,10.0.0.0/8, ::1,fd00::/8",
    ]);
    let options = options.unwrap();
    let given = parse(&["-b", "80,443", "-i", "10.0.0.0/8,::1/128,fd00::/8"]).unwrap();
    assert_eq!(options, given);
}

#[test]
fn wrong_values_are_named_with_the_way_out() {
    let ports = "numbers from 1 to 65535";
    check_refused(&["-p", "x"], r#"-p "x": "x" is no port"#, "from 1 to 65535");
    check_refused(&["-z", "0"], r#"-z "0": "0" is no port"#, "from 1 to 65535");
    check_refused(
        &["-b", "80,65536"],
        r#"-b "80,65536": "65536" is no port"#,
        ports,
    );
    check_refused(
        &["-b", "80,*"],
        r#"-b "80,*": "*" is no port"#,
        "* alone means all",
    );
    check_refused(&["-d", "*"], r#"-d "*": "*" is no port"#, ports);
    check_refused(&["-d=-1"], r#"-d "-1": "-1" is no port"#, ports);
    let cidr = "10.0.0.0/8";
    check_refused(
        &["-i", "10.0.0.0/33"],
        r#"-i "10.0.0.0/33": "10.0.0.0/33" is no CIDR"#,
        cidr,
    );
    check_refused(
        &["-x", "10.0.0"],
        r#"-x "10.0.0": "10.0.0" is no CIDR"#,
        cidr,
    );
    check_refused(
        &["-x", "*"],
        r#"-x "*": * can be captured, not excluded"#,
        "give -i ''",
    );
    let ids = "by number";
    check_refused(
        &["-u", "istio-proxy"],
        r#"-u "istio-proxy": "istio-proxy" is no number"#,
        ids,
    );
    check_refused(
        &["-g", "4294967295"],
        r#"-g "4294967295": "4294967295" is no number"#,
        ids,
    );
    check_refused(
        &["-m", "NONE"],
        r#"-m "NONE": NONE means that nothing is captured"#,
        "leave",
    );
    check_refused(
        &["-m", "redirect"],
        r#"-m "redirect": there is no such mode"#,
        "REDIRECT",
    );
}

#[test]
fn tproxy_is_refused_with_the_reason() {
    let bad = parse(&["-m", "TPROXY"]).unwrap_err();
    assert!(bad.to_string().contains("takes no connections by TPROXY"));
    assert!(bad.way_out.starts_with("use REDIRECT"));
}

#[test]
fn no_interface_can_write_a_rule() {
    for name in [
        "eth0 -j ACCEPT",
        "eth0\n-A OUTPUT",
        "eth0\"",
        "-x",
        "+",
        ".",
        "eth0;",
        "eth*",
        "eth+0",
        "a23456789012345b",
        "é",
    ] {
        let given = format!("-c={name}");
        let bad = parse(&[&given]).unwrap_err();
        assert!(
            bad.to_string().ends_with("is no name of an interface"),
            "{bad}"
        );
    }
    for name in [
        "eth0",
        "eth+",
        "br-1a2b3c",
        "vlan.10",
        "_x",
        "a23456789012345",
    ] {
        let options = parse(&["-c", name]).unwrap();
        assert_eq!(options.interfaces_excluded[0].as_str(), name);
    }
}

#[test]
fn the_proxy_is_never_sent_to_itself() {
    let same = "the proxy tells inbound from outbound connections by the port they arrive at";
    check_refused(
        &["-p", "9", "-z", "9"],
        &format!(r#"-z "9": {same}"#),
        "different ports",
    );
    let own = "the proxy listens there for captured connections; it would be sent to itself";
    check_refused(
        &["-b", "80,15001"],
        &format!(r#"-b "15001": {own}"#),
        "leave it out",
    );
    check_refused(
        &["-b", "15006"],
        &format!(r#"-b "15006": {own}"#),
        "leave it out",
    );
}
