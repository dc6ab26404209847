use std::time::Duration;

use clap::Parser;

use super::{Flags, Settings, Told};

fn mk_flags(more: &[&str]) -> Result<Flags, clap::Error> {
    let least = "mesh-proxy --name reviews-v1-0 --address 127.7.4.1 --workload reviews-v1 \
        --namespace default --service-account bookinfo-reviews --ca-address 127.7.0.10:8060 \
        --ca-root ca/root-cert.pem --token-file tokens/reviews-v1-0.token \
        --xds-address 127.7.0.11:15012 --admin 127.7.4.1:15000";
    Flags::try_parse_from(least.split_whitespace().chain(more.iter().copied()))
}

#[test]
fn the_flags_of_the_local_mesh_make_settings() {
    let flags = mk_flags(&["--label", "app=reviews", "--label", "version=v1"]).unwrap();
    let settings = Settings::try_from(flags).unwrap();
    assert_eq!(settings.concurrency, 2);
    let Told::Mesh(mesh) = &settings.told else {
        panic!("{:?}", settings.told);
    };
    assert_eq!(
        mesh.identity.identity().to_string(),
        "spiffe://cluster.local/ns/default/sa/bookinfo-reviews"
    );
    assert_eq!(
        settings
            .workload
            .labels
            .value("version")
            .map(|v| v.as_str()),
        Some("v1")
    );
}

#[test]
fn a_proxy_stays_at_least_and_at_most_as_long_as_it_is_told() {
    let check = |more: &[&str], minimum: u64, then: Duration| {
        let settings = Settings::try_from(mk_flags(more).unwrap()).unwrap();
        let told = (settings.drain.minimum, settings.drain.then);
        assert_eq!(told, (Duration::from_secs(minimum), then), "{more:?}");
    };
    check(&[], 0, Duration::from_secs(5));
    let stays = ["--minimum-drain-duration", "5s"];
    check(&stays, 5, Duration::ZERO);
    check(
        &["--minimum-drain-duration", "3s"],
        3,
        Duration::from_secs(2),
    );
    check(&["--minimum-drain-duration", "9s"], 9, Duration::ZERO);
    let empties = "--exit-on-zero-active-connections=true";
    check(&[stays[0], stays[1], empties], 5, Duration::MAX);
}

#[test]
fn a_wrong_flag_is_named() {
    let error = mk_flags(&["--label", "app"]).unwrap_err().to_string();
    assert!(error.contains("\"app\" is no KEY=VALUE"), "{error}");
    let flags = mk_flags(&["--trust-domain", "no domain"]).unwrap();
    let error = Settings::try_from(flags).unwrap_err().to_string();
    assert!(error.starts_with("--trust-domain: "), "{error}");
}
