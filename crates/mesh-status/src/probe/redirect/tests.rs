use super::*;

fn mk_target(path: &str) -> Target {
    let get = HttpGet {
        https: false,
        port: 8080,
        path: path.to_owned(),
        host: None,
        headers: http::HeaderMap::new(),
    };
    let host = HeaderValue::from_static("10.0.0.1:8080");
    Target::new(&get, &host, "10.0.0.1".parse().unwrap())
}

#[test]
fn a_path_becomes_one_that_can_be_asked_for() {
    let check = |path: &str, wanted: &str| assert_eq!(mk_target(path).path, wanted);
    check("", "/");
    check("live", "/live");
    check("/live?deep=1", "/live?deep=1");
    check("/a b#c", "/a%20b");
    check("/\u{e4}%20", "/%C3%A4%20");
}

/// Where a probe of `/a/b?c` goes on, as `scheme port path Host`.
fn follow(location: &str) -> Option<String> {
    let location = HeaderValue::from_bytes(location.as_bytes()).unwrap();
    match mk_target("/a/b?c").follow(&location) {
        Next::Elsewhere => None,
        Next::Here(target) => Some(format!(
            "{} {} {} {}",
            if target.https { "https" } else { "http" },
            target.port,
            target.path,
            target.host.to_str().unwrap(),
        )),
    }
}

#[test]
fn redirects_within_the_pod_are_followed() {
    let check = |location, wanted: &str| {
        assert_eq!(follow(location).as_deref(), Some(wanted), "{location}");
    };
    check("/", "http 8080 / 10.0.0.1:8080");
    check("d", "http 8080 /a/d 10.0.0.1:8080");
    check("../d?e#f", "http 8080 /d?e 10.0.0.1:8080");
    check("./", "http 8080 /a/ 10.0.0.1:8080");
    check("/../../x/.", "http 8080 /x/ 10.0.0.1:8080");
    check("?e", "http 8080 /a/b?e 10.0.0.1:8080");
    check("", "http 8080 /a/b?c 10.0.0.1:8080");
    check("http://10.0.0.1", "http 80 / 10.0.0.1");
    check(
        "https://10.0.0.1:8443/x y",
        "https 8443 /x%20y 10.0.0.1:8443",
    );
    check("//10.0.0.1:81/x", "http 81 /x 10.0.0.1:81");
    check("/x:y", "http 8080 /x:y 10.0.0.1:8080");
}

#[test]
fn redirects_out_of_the_pod_are_not() {
    for location in [
        "http://example.com/",
        "//example.com/",
        "https://10.0.0.2:8080/",
        "mailto:a@b",
        "http://",
        "ftp://10.0.0.1/",
    ] {
        assert_eq!(follow(location), None, "{location}");
    }
}

#[test]
fn the_host_of_ipv6_is_compared_without_brackets() {
    let get = HttpGet {
        https: true,
        port: 8443,
        path: "/".to_owned(),
        host: None,
        headers: http::HeaderMap::new(),
    };
    let host = HeaderValue::from_static("[fd00::1]:8443");
    let target = Target::new(&get, &host, "fd00::1".parse().unwrap());
    let location = HeaderValue::from_static("https://[fd00::1]/x");
    assert!(matches!(target.follow(&location), Next::Here(next) if next.port == 443));
}
