use super::{Names, fill_in};

fn names() -> Names {
    let pairs = [("port", "21000"), ("service.reviews.host", "127.7.1.11")];
    Names(
        pairs
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into_iter()
            .collect(),
    )
}

#[track_caller]
fn check(text: &str, expected: Result<&str, &str>) {
    let got = fill_in(text, &names()).map_err(|error| error.to_string());
    assert_eq!(got.as_deref().map_err(String::as_str), expected, "{text}");
}

#[test]
fn names_are_replaced_and_unknown_ones_are_errors() {
    check("--port=${port}!", Ok("--port=21000!"));
    check(
        "http://${service.reviews.host}:${port}",
        Ok("http://127.7.1.11:21000"),
    );
    check("cost: $5 and $${port}", Ok("cost: $5 and ${port}"));
    check(
        "${service.review.host}",
        Err("unknown name ${service.review.host}, did you mean ${service.reviews.host}?"),
    );
    check(
        "${x-y-z-w}",
        Err("unknown name ${x-y-z-w}; there are port, service.reviews.host"),
    );
    check("${port", Err("${ without a closing brace"));
}
