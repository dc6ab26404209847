use super::*;

const DOCS: &str = include_str!("../../../docs/telemetry.md");

#[test]
fn bounds_are_those_that_the_documents_promise() {
    let (_, rest) = DOCS.split_once("Bounds of the buckets: ").unwrap();
    let (listed, _) = rest.split_once(".\n").unwrap();
    let listed: Vec<f64> = listed
        .split(',')
        .map(|bound| bound.trim().parse().unwrap())
        .collect();
    assert_eq!(listed, BOUNDS);
    assert!(BOUNDS.is_sorted_by(|a, b| a < b && b.is_finite()));
}

#[test]
fn every_metric_that_proxies_report_is_taken_as_the_documents_describe_it() {
    let rows = DOCS.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `istio_")?.split('|').map(str::trim);
        Some((
            format!("istio_{}", cells.next()?.trim_matches('`')),
            cells.next()?,
        ))
    });
    // A sidecar serves what Istio's agent counts, and reports nothing of it.
    let rows: Vec<_> = rows
        .filter(|(name, _)| !name.starts_with("istio_agent_"))
        .collect();
    assert!(rows.len() >= 4, "{rows:?}");
    for (name, kind) in rows {
        let word = match known(&name).unwrap().kind {
            Kind::Counter => "counter",
            Kind::Histogram(bounds) => {
                assert_eq!(bounds, BOUNDS);
                "histogram"
            }
        };
        assert_eq!(word, kind, "{name}");
    }
}

#[test]
fn no_name_is_there_twice_or_looks_like_part_of_a_histogram() {
    for metric in &KNOWN {
        assert_eq!(known(metric.name), Some(metric));
        for end in ["_bucket", "_count", "_sum"] {
            assert!(!metric.name.ends_with(end), "{}", metric.name);
        }
    }
    assert_eq!(known("istio_requests"), None);
    assert_eq!(known(""), None);
}
