use super::*;

fn parsed(more: &[&str]) -> Result<Settings, String> {
    let local = ["--ca-dir=ca", "--accepted-tokens=tokens/accepted"];
    parsed_in(Surroundings::Machine, &[&local, more].concat())
}

fn parsed_in(surroundings: Surroundings, more: &[&str]) -> Result<Settings, String> {
    let base = [
        "mesh-citadel",
        "--address=127.0.0.1:8060",
        "--admin=127.0.0.1:15014",
    ];
    let flags = Flags::try_parse_from(base.iter().chain(more)).map_err(|e| e.to_string())?;
    Settings::new(flags, surroundings).map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

#[test]
fn the_cluster_is_the_one_named_or_the_one_around_unless_tokens_are_files() {
    use Surroundings::{Machine, Pod};
    let (files, named) = ("--accepted-tokens=tokens", "--kubeconfig=config");
    let config = || Access::Kubeconfig("config".into());
    for (surroundings, flags, want) in [
        (Machine, &[files][..], Access::None),
        (Machine, &[named], config()),
        (Machine, &[files, named], config()),
        (Pod, &[], Access::ThisPod),
        (Pod, &[named], config()),
        (Pod, &[files], Access::None),
        (Pod, &[files, named], config()),
        (Pod, &[files, "--in-cluster"], Access::ThisPod),
    ] {
        let settings = parsed_in(surroundings, &[&["--ca-dir=ca"], flags].concat()).unwrap();
        assert_eq!(settings.cluster, want, "{surroundings:?} {flags:?}");
    }
}

#[test]
fn without_any_way_to_check_a_token_nothing_starts() {
    let error = parsed_in(Surroundings::Machine, &["--accepted-tokens=a"]).unwrap_err();
    assert!(error.starts_with("--ca-dir is missing"), "{error}");
    let error = parsed_in(Surroundings::Machine, &["--ca-dir=ca"]).unwrap_err();
    assert!(error.starts_with("--accepted-tokens is missing"), "{error}");
    let error = parsed(&["--token-audiences=istio-ca,"]).unwrap_err();
    assert_eq!(error, "--token-audiences: an audience is empty");
    assert_eq!(parsed(&[]).unwrap().token_audiences, ["istio-ca"]);
    let error = parsed(&["--namespace=a/b"]).unwrap_err();
    assert!(error.starts_with("--namespace: "), "{error}");
    assert_eq!(parsed(&[]).unwrap().namespace, "istio-system");
    let two = parsed(&["--token-audiences=a,b"]).unwrap();
    assert_eq!(two.token_audiences, ["a", "b"]);
}

#[test]
fn certificates_live_a_day_and_at_most_ninety_by_default() {
    let settings = parsed(&[]).unwrap();
    assert_eq!(settings.trust_domain.as_str(), "cluster.local");
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(settings.lifetimes.of(None), Ok(day));
    assert_eq!(settings.lifetimes.of(Some(90 * day)), Ok(90 * day));
}

#[test]
fn flags_that_make_no_sense_are_refused_by_name() {
    for (flag, want) in [
        (
            "--trust-domain=a/b",
            "--trust-domain: \"a/b\" is not a trust domain",
        ),
        (
            "--workload-cert-ttl=91000h",
            "--workload-cert-ttl, --max-workload-cert-ttl: ",
        ),
        (
            "--workload-cert-ttl=0s",
            "--workload-cert-ttl, --max-workload-cert-ttl: ",
        ),
        ("--workload-cert-ttl=1day", "\"1day\" is no duration"),
    ] {
        let error = parsed(&[flag]).unwrap_err();
        assert!(error.contains(want), "{flag}: {error}");
    }
}

#[test]
fn accounts_have_the_further_names_that_were_given() {
    let pilot = "istio-pilot-service-account.istio-system";
    let flag =
        format!("--custom-dns-names={pilot}:istio-pilot.istio-system.svc,{pilot}:Pilot.test");
    let settings = parsed(&[&flag, "--custom-dns-names=a.b.default:a.b"]).unwrap();
    let names: Vec<_> = settings
        .dns_names
        .iter()
        .map(|(id, names)| (id.to_string(), names.iter().map(DnsName::as_str).collect()))
        .collect::<Vec<(String, Vec<&str>)>>();
    assert_eq!(
        names,
        [
            (
                "spiffe://cluster.local/ns/default/sa/a.b".to_owned(),
                vec!["a.b"]
            ),
            (
                "spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account".to_owned(),
                vec!["istio-pilot.istio-system.svc", "pilot.test"]
            ),
        ]
    );
    for (bad, why) in [
        ("pilot", "expected ACCOUNT.NAMESPACE:NAME"),
        ("pilot:name", "expected ACCOUNT.NAMESPACE:NAME"),
        ("a.b:*.example", "*.example"),
        ("a.b:127.0.0.1", "127.0.0.1"),
    ] {
        let flag = format!("--custom-dns-names={bad}");
        let error = parsed(&[&flag]).unwrap_err();
        assert!(error.contains(bad) && error.contains(why), "{error}");
    }
}
