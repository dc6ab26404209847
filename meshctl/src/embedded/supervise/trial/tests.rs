use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::*;

const HELP: &str = "\
The data plane of mesh

Usage: mesh-proxy [OPTIONS] --name <POD>

Options:
      --role <ROLE>          What the proxy does [default: sidecar]
      --concurrency <CONCURRENCY>
          Worker threads; see --role
  -h, --help                 Print help
  -V, --version              Print version
";

fn mk_set(text: &str) -> Set {
    let sets = Sets::parse(&[text.to_owned()]).unwrap();
    let (_, mut sets) = sets.by_program().next().unwrap();
    sets.remove(0).clone()
}

fn mk_ended(stderr: &str) -> Output {
    Output {
        status: ExitStatus::from_raw(2 << 8),
        stdout: Vec::new(),
        stderr: stderr.as_bytes().to_vec(),
    }
}

#[test]
fn flags_are_found_in_the_help_text() {
    let found: Vec<&str> = flags(HELP).collect();
    assert_eq!(found, ["role", "concurrency", "help", "version"]);
}

#[test]
fn a_flag_that_a_program_does_not_know_is_named_with_the_nearest_one() {
    let said = "error: unexpected argument '--concurency' found\n\n  tip: a similar argument\n";
    let set = mk_set("proxy.concurency=1");
    let error = refused("mesh-proxy", &set, &mk_ended(said), HELP);
    assert_eq!(error.kind.code(), 2);
    assert_eq!(
        error.error,
        "--set proxy.concurency=1: mesh-proxy has no flag --concurency"
    );
    let hint = "did you mean \"concurrency\"? `mesh-proxy --help` shows its flags";
    assert_eq!(error.hints, [hint]);
}

#[test]
fn a_value_that_a_program_refuses_is_named_with_its_reason() {
    let said = "error: invalid value 'xml' for '--log-format <FORMAT>'\n  \
                [possible values: text, json]\n\nFor more information, try '--help'.\n";
    let set = mk_set("mixer.log-format=xml");
    let error = refused("mesh-mixer", &set, &mk_ended(said), "");
    assert_eq!(error.kind.code(), 2);
    assert_eq!(
        error.error,
        "--set mixer.log-format=xml: mesh-mixer: invalid value 'xml' for '--log-format <FORMAT>' \
         [possible values: text, json]"
    );
}
