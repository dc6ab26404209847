use clap::{CommandFactory, Parser};

use super::CaptureFlags;
use crate::capture::options::Options;

fn mk_options(arguments: &str) -> Options {
    let words = ["capture"].into_iter().chain(arguments.split(' '));
    // `''` is how a shell is told to pass nothing.
    let words = words.map(|word| if word == "''" { "" } else { word });
    Options::try_from(&CaptureFlags::try_parse_from(words).unwrap()).unwrap()
}

#[test]
fn both_spellings_of_istio_mean_the_same() {
    let short = "-p 1 -z 2 -e 3 -u 4 -g 5 -m REDIRECT -b 6 -d 7 -i 8.0.0.0/8 -x 9.0.0.0/8 -q 10 \
        -o 11 -k v12 -c v13";
    let long = "--envoy-port 1 --inbound-capture-port 2 --inbound-tunnel-port 3 --proxy-uid 4 \
        --proxy-gid 5 --istio-inbound-interception-mode REDIRECT --istio-inbound-ports 6 \
        --istio-local-exclude-ports 7 --istio-service-cidr 8.0.0.0/8 \
        --istio-service-exclude-cidr 9.0.0.0/8 --istio-outbound-ports 10 \
        --istio-local-outbound-ports-exclude 11 --kube-virt-interfaces v12 \
        --istio-exclude-interfaces v13";
    assert_eq!(mk_options(short), mk_options(long));
}

#[test]
fn what_is_left_out_is_as_istio_has_it() {
    let given = "-p 15001 -z 15006 -e 15008 -u 1337 -g 1337 -m REDIRECT -b 80";
    assert_eq!(mk_options("-b 80"), mk_options(given));
}

#[test]
fn an_empty_value_is_as_good_as_none() {
    let given = "-b 80 -x '' -d '' -i '' -q '' -o '' -k '' -c '' -g '' -u '' -m ''";
    assert_eq!(mk_options("-b 80"), mk_options(given));
}

/// docs/capture.md names every flag.
#[test]
fn the_documentation_names_every_flag() {
    let docs = include_str!("../../../../docs/capture.md");
    for flag in CaptureFlags::command().get_arguments() {
        let long = flag.get_long().unwrap();
        let named = match flag.get_short() {
            Some(short) => format!("`-{short}`, `--{long}`"),
            None => format!("`--{long}`"),
        };
        assert!(docs.contains(&named), "docs/capture.md lacks {named}");
    }
}
