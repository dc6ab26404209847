use std::collections::BTreeSet;

use super::*;

#[test]
fn every_kind_of_failure_has_a_counter_of_its_own() {
    let counters: BTreeSet<_> = FailureKind::ALL
        .iter()
        .map(|kind| answer(*kind).counter)
        .collect();
    assert_eq!(counters.len(), FailureKind::ALL.len());
}

/// docs/telemetry.md has the row `| kind | status | grpc | flags | details |` of every kind.
#[test]
fn every_kind_of_failure_is_documented() {
    let docs = include_str!("../../../../docs/telemetry.md");
    for kind in FailureKind::ALL {
        let row = answer(kind);
        let line = format!(
            "| `{}` | {} | {} | `{}` | `{}` |",
            row.counter, row.status, row.grpc, row.flags, row.details
        );
        assert!(
            docs.contains(&line),
            "docs/telemetry.md lacks the row\n{line}"
        );
    }
}
