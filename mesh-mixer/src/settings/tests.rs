use super::*;

fn parse(arguments: &[&str]) -> Result<Settings, String> {
    let needed = ["--ca-address=h:1", "--ca-root=r", "--token-file=t"];
    let all = ["mesh-mixer"].iter().chain(&needed).chain(arguments);
    let flags = Flags::try_parse_from(all).map_err(|error| error.to_string())?;
    Settings::try_from(flags).map_err(|error| error.to_string())
}

#[test]
fn the_contracts_flags_are_understood() {
    let settings = parse(&[
        "--address=127.7.0.12:9091",
        "--http=127.7.0.12:42422",
        "--admin=127.7.0.12:15014",
        "--trust-domain=example.com",
        "--log-level=debug",
        "--log-format=json",
    ]);
    let settings = settings.unwrap();
    assert_eq!(settings.http, "127.7.0.12:42422".parse().unwrap());
    let expected = "spiffe://example.com/ns/istio-system/sa/istio-mixer-service-account";
    assert_eq!(settings.identity.identity().to_string(), expected);
}

#[test]
fn what_is_wrong_is_named() {
    let check = |argument: &str, expected: &str| {
        let error = parse(&[argument]).unwrap_err();
        assert!(error.contains(expected), "{argument}: {error}");
    };
    check("--address=nowhere", "--address");
    check("--trust-domain=a/b", "trust domain");
    check("--namespace=A_B", "A_B");
    check("--verbose", "--verbose");
}

#[test]
fn flags_are_sound() {
    use clap::CommandFactory;
    Flags::command().debug_assert();
}
