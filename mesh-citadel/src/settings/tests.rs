use super::*;

fn settings(more: &[&str]) -> Result<Settings, String> {
    let base = [
        "mesh-citadel",
        "--address=127.0.0.1:8060",
        "--admin=127.0.0.1:15014",
        "--ca-dir=ca",
        "--accepted-tokens=tokens/accepted",
    ];
    let flags = Flags::try_parse_from(base.iter().chain(more)).map_err(|e| e.to_string())?;
    Settings::try_from(flags).map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

#[test]
fn certificates_live_a_day_and_at_most_ninety_by_default() {
    let settings = settings(&[]).unwrap();
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
        let error = settings(&[flag]).unwrap_err();
        assert!(error.contains(want), "{flag}: {error}");
    }
}
