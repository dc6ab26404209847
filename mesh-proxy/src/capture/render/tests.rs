use clap::Parser;

use super::{iptables, iptables_clean_up, nft, nft_clean_up};
use crate::capture::family::Family;
use crate::capture::flags::CaptureFlags;
use crate::capture::options::Options;
use crate::capture::plan::Plan;
use crate::capture::state::Existing;

fn mk_plan(families: &[Family]) -> Plan {
    let words = ["capture", "-i", "*", "-b", "*", "-c", "eth1"];
    let flags = CaptureFlags::try_parse_from(words).unwrap();
    let options = Options::try_from(&flags).unwrap();
    Plan::of(&options, families.iter().copied())
}

fn mk_existing() -> Existing {
    Existing {
        hooks: vec![
            "PREROUTING -i eth9 -m comment --comment mesh-capture -j RETURN".to_owned(),
            "OUTPUT -j ISTIO_OUTPUT".to_owned(),
        ],
        chains: vec!["ISTIO_INBOUND".to_owned(), "ISTIO_OUTPUT".to_owned()],
    }
}

#[test]
fn what_is_there_is_removed_in_the_transaction_that_adds() {
    let text = iptables(&mk_plan(&[Family::V4]).families[0], &mk_existing());
    let lines: Vec<_> = text.lines().collect();
    let at = |wanted: &str| lines.iter().position(|line| *line == wanted).unwrap();
    let removed = at("-D PREROUTING -i eth9 -m comment --comment mesh-capture -j RETURN");
    assert_eq!(at("-D OUTPUT -j ISTIO_OUTPUT"), removed + 1);
    assert!(at(":ISTIO_OUTPUT - [0:0]") < removed);
    assert!(removed < at("-A OUTPUT -j ISTIO_OUTPUT"));
    assert_eq!(lines.iter().filter(|line| **line == "COMMIT").count(), 1);
}

/// What a run writes, the next run finds.
#[test]
fn our_rules_in_chains_of_the_kernel_are_found_again() {
    let text = iptables(&mk_plan(&[Family::V4]).families[0], &Existing::default());
    let found = Existing::read(&text);
    let hooks = text.lines().filter_map(|line| line.strip_prefix("-A "));
    let hooks: Vec<_> = hooks.filter(|rule| !rule.starts_with("ISTIO_")).collect();
    assert_eq!(found.hooks, hooks);
    assert_eq!(found.chains.len(), 4);
}

#[test]
fn cleaning_up_empties_every_chain_before_it_removes_one() {
    assert_eq!(
        iptables_clean_up(&mk_existing()).unwrap(),
        "*nat\n\
         -D PREROUTING -i eth9 -m comment --comment mesh-capture -j RETURN\n\
         -D OUTPUT -j ISTIO_OUTPUT\n\
         -F ISTIO_INBOUND\n-F ISTIO_OUTPUT\n-X ISTIO_INBOUND\n-X ISTIO_OUTPUT\n\
         COMMIT\n"
    );
    assert_eq!(iptables_clean_up(&Existing::default()), None);
}

#[test]
fn a_table_of_nft_that_is_no_longer_wanted_is_deleted_in_the_same_transaction() {
    let text = nft(&mk_plan(&[Family::V4]), &Family::BOTH);
    let head: Vec<_> = text.lines().take(4).collect();
    assert_eq!(
        head,
        [
            "delete table ip6 mesh_capture",
            "add table ip mesh_capture",
            "delete table ip mesh_capture",
            "table ip mesh_capture {",
        ]
    );
    assert_eq!(
        nft_clean_up(&Family::BOTH).unwrap(),
        "delete table ip mesh_capture\ndelete table ip6 mesh_capture\n"
    );
    assert_eq!(nft_clean_up(&[]), None);
}
