//! Request lines and line ends.

use crate::case::{Case, End, HOST, ID, Outcome, Rule, Step, get, plain, rule};

static LINE_END: Rule = rule(
    "RFC 9112 2.2",
    "lines end with CRLF; a bare LF or CR ends nothing",
);
static BLANKS: Rule = rule(
    "RFC 9112 2.2",
    "at most two empty lines before a request are skipped",
);
static PARTS: Rule = rule(
    "RFC 9112 3",
    "a request line is method, one space, target, one space, version, and nothing else",
);
static METHOD: Rule = rule(
    "RFC 9110 9.1",
    "a method is a token, written in capitals; any such is passed on",
);
static VERSION: Rule = rule(
    "RFC 9112 2.3",
    "a version is `HTTP/` and two digits with a dot between",
);
static OTHER_VERSION: Rule =
    rule("RFC 9110 2.5", "HTTP/1 is spoken in version 1.1").told("DPE", "version");
static OLD: Rule = plain("Istio", "HTTP/1.0 is answered with 426").told("-", "http10");
static PIECES: Rule = plain(
    "RFC 9112 2.2",
    "a head means the same in whatever pieces it comes",
);
static CUT_OFF: Rule = plain("RFC 9112 8", "what breaks off is not a request");

fn head(line: &str) -> String {
    format!("{line}\r\nHost: {HOST}\r\n\r\n")
}

fn bad(rule: &'static Rule, name: &str, line: &str, statuses: &'static [u16]) -> Case {
    Case::one(rule, name, head(line)).refused(statuses)
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = line_ends();
    cases.extend(parts());
    cases.extend(methods());
    cases.extend(versions());
    cases.extend(pieces());
    cases
}

fn line_ends() -> Vec<Case> {
    let refused = |name: &str, bytes: String| Case::one(&LINE_END, name, bytes).refused(&[400]);
    let line = format!("GET /{ID}/x HTTP/1.1");
    let mut cases = vec![
        Case::one(&LINE_END, "CRLF", head(&line)).accepted(get("/x")),
        refused(
            "LF after the request line",
            format!("{line}\nHost: {HOST}\r\n\r\n"),
        ),
        refused("LF after a field", format!("{line}\r\nHost: {HOST}\n\r\n")),
        refused(
            "LF for the empty line",
            format!("{line}\r\nHost: {HOST}\r\n\n"),
        ),
        refused("LF everywhere", format!("{line}\nHost: {HOST}\n\n")),
        refused(
            "LF between two fields",
            format!("{line}\r\nA: b\nHost: {HOST}\r\n\r\n"),
        ),
        refused(
            "CR after the request line",
            format!("{line}\rHost: {HOST}\r\n\r\n"),
        ),
        refused(
            "CR CR LF after the request line",
            format!("{line}\r\r\nHost: {HOST}\r\n\r\n"),
        ),
        refused(
            "CR within a field",
            format!("{line}\r\nA: b\rc\r\nHost: {HOST}\r\n\r\n"),
        ),
        refused(
            "CR CR LF after a field",
            format!("{line}\r\nHost: {HOST}\r\r\n\r\n"),
        ),
        refused(
            "CR for the empty line",
            format!("{line}\r\nHost: {HOST}\r\n\rX"),
        ),
        refused(
            "LF CR for a line end",
            format!("{line}\r\nA: b\n\rHost: {HOST}\r\n\r\n"),
        ),
        refused(
            "a field after a bare CR",
            format!("{line}\r\nA: b\rHost: {HOST}\r\n\r\n"),
        ),
    ];
    for (byte, name) in [
        ("\u{b}", "VT"),
        ("\u{c}", "FF"),
        ("\u{85}", "NEL"),
        ("\0", "NUL"),
    ] {
        let bytes = format!("{line}\r\nHost: {HOST}{byte}\r\n\r\n");
        cases.push(refused(&format!("{name} before a line end"), bytes));
    }
    for (count, name) in [(1, "one"), (2, "two")] {
        let bytes = format!("{}{}", "\r\n".repeat(count), head(&line));
        cases.push(Case::one(&BLANKS, format!("{name} before"), bytes).accepted(get("/x")));
    }
    let many = format!("{}{}", "\r\n".repeat(3), head(&line));
    cases.push(Case::one(&BLANKS, "three before", many).refused(&[400]));
    let bare = format!("\n{}", head(&line));
    cases.push(Case::one(&BLANKS, "a bare LF before", bare).refused(&[400]));
    let bare = format!("\r{}", head(&line));
    cases.push(Case::one(&BLANKS, "a bare CR before", bare).refused(&[400]));
    let space = format!(" \r\n{}", head(&line));
    cases.push(Case::one(&BLANKS, "a line of one space before", space).refused(&[400]));
    cases
}

fn parts() -> Vec<Case> {
    let path = format!("/{ID}/x");
    let lines = [
        (
            "two spaces after the method",
            format!("GET  {path} HTTP/1.1"),
        ),
        (
            "two spaces before the version",
            format!("GET {path}  HTTP/1.1"),
        ),
        ("a tab after the method", format!("GET\t{path} HTTP/1.1")),
        ("a tab before the version", format!("GET {path}\tHTTP/1.1")),
        ("a space before the method", format!(" GET {path} HTTP/1.1")),
        ("a space after the version", format!("GET {path} HTTP/1.1 ")),
        ("a tab after the version", format!("GET {path} HTTP/1.1\t")),
        ("a fourth part", format!("GET {path} HTTP/1.1 x")),
        ("two targets", format!("GET {path} {path} HTTP/1.1")),
        ("no version", format!("GET {path}")),
        ("no version but a space", format!("GET {path} ")),
        ("no target", "GET HTTP/1.1".to_owned()),
        ("two spaces for a target", "GET  HTTP/1.1".to_owned()),
        ("only a method", "GET".to_owned()),
        ("only a target", path.clone()),
        ("VT for a space", format!("GET\u{b}{path} HTTP/1.1")),
        ("FF for a space", format!("GET\u{c}{path} HTTP/1.1")),
        (
            "a field before the request line",
            format!("X-Case: {ID}\r\nGET {path} HTTP/1.1"),
        ),
        ("a status line", "HTTP/1.1 200 OK".to_owned()),
        ("two versions", format!("GET {path} HTTP/1.1HTTP/1.1")),
    ];
    lines
        .iter()
        .map(|(name, line)| bad(&PARTS, name, line, &[400]))
        .collect()
}

fn methods() -> Vec<Case> {
    let line = |method: &str| format!("{method} /{ID}/x HTTP/1.1");
    let mut cases = Vec::new();
    for method in [
        "GET",
        "DELETE",
        "OPTIONS",
        "TRACE",
        "PROPFIND",
        "M-SEARCH",
        "BREW",
        "X!#$%&'*+.^_`|~9",
    ] {
        let request = get("/x").method(method);
        cases.push(Case::one(&METHOD, method, head(&line(method))).accepted(request));
    }
    for method in ["POST", "PUT", "PATCH"] {
        let bytes = format!(
            "{}\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n",
            line(method)
        );
        let request = get("/x").method(method).has("content-length", "0");
        cases.push(Case::one(&METHOD, method, bytes).accepted(request));
    }
    let request = get("/x").method("HEAD");
    cases.push(Case::one(&METHOD, "HEAD", head(&line("HEAD"))).accepted(request));
    for method in ["get", "Get", "gET", "post", "connect", "PATCh"] {
        cases.push(
            bad(
                &METHOD,
                &format!("{method}, not in capitals"),
                &line(method),
                &[400],
            )
            .ends(End::Open),
        );
    }
    for byte in "\"(),/:;<=>?@[\\]{}\u{7f}\u{1}\u{80}".chars() {
        let method = format!("GE{byte}T");
        cases.push(bad(
            &METHOD,
            &format!("with {}", byte.escape_default()),
            &line(&method),
            &[400],
        ));
    }
    cases.push(bad(&METHOD, "with NUL", &line("GE\0T"), &[400]));
    cases.push(bad(&METHOD, "empty", &format!(" /{ID}/x HTTP/1.1"), &[400]));
    cases.push(bad(
        &METHOD,
        "of 10000 letters",
        &line(&"A".repeat(10_000)),
        &[400],
    ));
    cases
}

fn versions() -> Vec<Case> {
    let line = |version: &str| format!("GET /{ID}/x {version}");
    let mut cases = Vec::new();
    for version in [
        "http/1.1",
        "Http/1.1",
        "HTTP/1,1",
        "HTTP/1.",
        "HTTP/.1",
        "HTTP/11",
        "HTTP 1.1",
        "HTTP/1.1.1",
        "HTTP/1.10",
        "HTTP/01.1",
        "HTTP/1.1x",
        "HTTP/+1.1",
        "HTTP/1.-1",
        "HTTP/x.1",
        "HTTPS/1.1",
        "XTTP/1.1",
        "1.1",
        "HTTP/1",
        "HTTP",
        "HTTP/\u{661}.1",
        "HTTP/1.1;",
        "ICE/1.1",
    ] {
        cases.push(bad(&VERSION, version, &line(version), &[400]));
    }
    for version in [
        "HTTP/0.9", "HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9", "HTTP/0.0",
    ] {
        cases.push(bad(&OTHER_VERSION, version, &line(version), &[505]));
    }
    cases.push(bad(&OLD, "HTTP/1.0", &line("HTTP/1.0"), &[426]));
    let keep = format!(
        "{}\r\nHost: {HOST}\r\nConnection: keep-alive\r\n\r\n",
        line("HTTP/1.0")
    );
    cases.push(
        Case::one(&OLD, "keep-alive", keep)
            .then(refusal())
            .ends(End::Any),
    );
    let none = format!("{}\r\n\r\n", line("HTTP/1.0"));
    cases.push(
        Case::one(&OLD, "without host", none).then(Outcome::Refused {
            statuses: &[426],
            codes: &[],
        }),
    );
    cases
}

fn refusal() -> Outcome {
    Outcome::Refused {
        statuses: &[426],
        codes: &[],
    }
}

fn pieces() -> Vec<Case> {
    let whole = head(&format!("GET /{ID}/x HTTP/1.1"));
    let mut cases = Vec::new();
    for at in [
        1,
        4,
        14,
        20,
        24,
        25,
        26,
        30,
        whole.len() - 3,
        whole.len() - 2,
        whole.len() - 1,
    ] {
        let (first, second) = whole.split_at(at);
        let case = Case::one(&PIECES, format!("two, after {at} bytes"), first);
        let case = case.step(Step::Drip(second.as_bytes().to_vec()));
        cases.push(case.accepted(get("/x")));
    }
    let dripped = Case::one(&PIECES, "byte by byte", "").step(Step::Drip(whole.into_bytes()));
    cases.push(dripped.accepted(get("/x")));
    let bad = format!("GET /{ID}/x HTTP/1.1\r\nHost : {HOST}\r\n\r\n");
    let dripped =
        Case::one(&PIECES, "a bad head byte by byte", "").step(Step::Drip(bad.into_bytes()));
    cases.push(dripped.refused(&[400]));
    for (name, text) in [
        ("in the method", "GE".to_owned()),
        ("in the request line", format!("GET /{ID}/x")),
        ("in a field", format!("GET /{ID}/x HTTP/1.1\r\nHos")),
        (
            "before the empty line",
            format!("GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\n"),
        ),
        (
            "within the empty line",
            format!("GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\n\r"),
        ),
    ] {
        let case = Case::one(&CUT_OFF, name, text).step(Step::HalfClose);
        cases.push(
            case.then(Outcome::BrokenOff {
                statuses: &[400],
                codes: &[],
            })
            .ends(End::Closed),
        );
    }
    cases.push(
        Case::one(&CUT_OFF, "before anything", "")
            .step(Step::HalfClose)
            .ends(End::Closed),
    );
    cases
}
