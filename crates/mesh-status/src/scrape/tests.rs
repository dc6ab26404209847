use super::*;

#[test]
fn annotations_say_what_is_scraped() {
    let parse = |text| Scrape::parse(text, &[15020, 15021, 15090]).unwrap();
    let at = |port, path: &str| {
        let path = path.parse().unwrap();
        Some(Scrape { port, path })
    };
    assert_eq!(
        parse(r#"{"scrape": "true", "port": "9102", "path": "/own?a=b"}"#),
        at(9102, "/own?a=b")
    );
    assert_eq!(parse(r#"{"scrape": "true"}"#), at(80, "/metrics"));
    assert_eq!(parse(r#"{"path": "own"}"#), at(80, "/own"));
    assert_eq!(parse(r#"{"scrape": "false", "port": "x"}"#), None);
}

#[test]
fn annotations_that_lead_nowhere_or_to_us_are_refused() {
    let check = |text, says: &str| {
        let error = Scrape::parse(text, &[15020]).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    };
    check("1", "invalid type");
    check(r#"{"port": "http"}"#, "\"http\" is no port");
    check(r#"{"port": "0"}"#, "\"0\" is no port");
    check(r#"{"port": "15020"}"#, "port 15020 is the sidecar's");
    check(r#"{"path": "/a b"}"#, "\"/a b\" is no path");
}

fn asked(name: &'static str, value: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_static(value));
    headers
}

#[test]
fn only_what_can_be_merged_is_accepted() {
    let check = |accept, wanted: &str| {
        assert_eq!(acceptable(&asked("accept", accept)), wanted);
    };
    check(
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;q=0.6,\
         application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    );
    check("application/json", "text/plain;version=0.0.4");
    assert_eq!(acceptable(&HeaderMap::new()), "text/plain;version=0.0.4");
}

#[test]
fn the_application_has_less_time_than_prometheus() {
    let check = |seconds, wanted: f64| {
        let headers = asked("x-prometheus-scrape-timeout-seconds", seconds);
        assert_eq!(patience(&headers), Duration::from_secs_f64(wanted));
    };
    check("5.0", 4.0);
    check("1e9", 48.0);
    check("-1", 8.0);
    check("soon", 8.0);
    assert_eq!(patience(&HeaderMap::new()), Duration::from_secs(8));
}
