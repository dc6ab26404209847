use clap::{CommandFactory, Parser};

use super::*;

#[derive(Debug, Parser)]
#[command(mut_arg("namespace", |flag| flag.required(false).default_value("istio-system")))]
#[command(mut_arg("service_account", |flag| flag.required(false).default_value("of-the-program")))]
struct Program {
    #[command(flatten)]
    identity: IdentityFlags,
}

fn settings(more: &[&str]) -> Result<IdentitySettings, String> {
    let needed = [
        "program",
        "--ca-address=h:1",
        "--ca-root=r",
        "--token-file=t",
    ];
    let flags = Program::try_parse_from(needed.iter().chain(more));
    let flags = flags.map_err(|error| error.to_string())?.identity;
    flags
        .try_into()
        .map_err(|error: BadIdentity| error.to_string())
}

#[test]
fn a_program_gives_its_own_namespace_and_account() {
    let identity = |more: &[&str]| settings(more).unwrap().identity().to_string();
    let expected = "spiffe://cluster.local/ns/istio-system/sa/of-the-program";
    assert_eq!(identity(&[]), expected);
    let more = [
        "--trust-domain=x.org",
        "--namespace=a",
        "--service-account=b",
    ];
    assert_eq!(identity(&more), "spiffe://x.org/ns/a/sa/b");
    Program::command().debug_assert();
}

#[test]
fn citadel_is_looked_for_in_the_namespace_of_the_mesh() {
    let citadel = |more: &[&str]| settings(more).unwrap().citadel().unwrap().to_string();
    let account = "istio-citadel-service-account";
    let of = |namespace: &str| format!("spiffe://cluster.local/ns/{namespace}/sa/{account}");
    assert_eq!(citadel(&[]), of("istio-system"));
    assert_eq!(citadel(&["--mesh-namespace=mesh"]), of("mesh"));
}

#[test]
fn what_no_identity_can_be_made_of_is_named_by_its_flag() {
    let check = |flag: &str, expected: &str| {
        let error = settings(&[flag]).unwrap_err();
        assert!(error.starts_with(expected), "{flag}: {error}");
    };
    check("--trust-domain=a/b", "--trust-domain: \"a/b\" is not");
    check("--namespace=A", "--namespace, --service-account: \"A\" is");
    check("--mesh-namespace=A", "--mesh-namespace: \"A\" is");
}
