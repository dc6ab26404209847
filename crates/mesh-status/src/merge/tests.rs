use super::*;

const OWN: &str = "\
# HELP istio_requests_total Requests \"ended\"
# TYPE istio_requests_total counter
istio_requests_total{code=\"200\"} 3
# HELP took Milliseconds
# TYPE took histogram
took_bucket{path=\"/\",le=\"0.5\"} 1
took_bucket{path=\"/\",le=\"10\"} 2
took_bucket{path=\"/\",le=\"+Inf\"} 2
took_sum{path=\"/\"} 5
took_count{path=\"/\"} 2
# TYPE odd counter
odd 1
";

fn merged(format: Format, applications: &str) -> String {
    let pages = merge(OWN.to_owned(), format, applications.into());
    String::from_utf8(pages.concat()).unwrap()
}

#[test]
fn text_is_put_behind_ours_as_it_is() {
    assert_eq!(merged(Format::Text, "up 1"), format!("{OWN}up 1\n"));
    assert_eq!(merged(Format::Text, ""), OWN);
}

#[test]
fn open_metrics_has_its_names_its_bounds_and_one_end() {
    let wanted = "\
# HELP istio_requests Requests \\\"ended\\\"
# TYPE istio_requests counter
istio_requests_total{code=\"200\"} 3
# HELP took Milliseconds
# TYPE took histogram
took_bucket{path=\"/\",le=\"0.5\"} 1
took_bucket{path=\"/\",le=\"10.0\"} 2
took_bucket{path=\"/\",le=\"+Inf\"} 2
took_sum{path=\"/\"} 5
took_count{path=\"/\"} 2
# TYPE odd unknown
odd 1
# TYPE up gauge
up 1
# EOF
";
    for applications in [
        "# TYPE up gauge\nup 1\n# EOF\n",
        "# TYPE up gauge\nup 1\n# EOF",
        "# TYPE up gauge\nup 1",
    ] {
        assert_eq!(merged(Format::OpenMetrics1, applications), wanted);
    }
}

#[test]
fn an_empty_page_of_open_metrics_ends_once() {
    let merged = merged(Format::OpenMetrics0, "# EOF\n");
    assert!(merged.ends_with("odd 1\n# EOF\n"), "{merged}");
    assert_eq!(merged.matches("# EOF").count(), 1);
}

#[test]
fn the_application_chooses_the_form() {
    let check = |content_type: &'static str, wanted: Option<Format>| {
        let header = HeaderValue::from_static(content_type);
        assert_eq!(Format::of(Some(&header)), wanted, "{content_type}");
    };
    assert_eq!(Format::of(None), Some(Format::Text));
    check("text/plain; version=0.0.4", Some(Format::Text));
    check("text/html", Some(Format::Text));
    check(
        "application/openmetrics-text; charset=utf-8; version=1.0.0",
        Some(Format::OpenMetrics1),
    );
    check("application/openmetrics-text", Some(Format::OpenMetrics0));
    check("application/vnd.google.protobuf; encoding=delimited", None);
    check("application/json", None);
}

#[test]
fn what_is_served_is_read_back_as_the_same_form() {
    for format in [Format::Text, Format::OpenMetrics0, Format::OpenMetrics1] {
        let header = HeaderValue::from_static(format.content_type());
        assert_eq!(Format::of(Some(&header)), Some(format));
    }
}
