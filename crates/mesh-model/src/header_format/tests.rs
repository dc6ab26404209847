use super::*;

#[test]
fn texts_and_operators_are_told_apart() {
    let user = HeaderRef {
        name: "x-user",
        alternative: Some("x-guest"),
        max: Some(8),
    };
    assert_eq!(
        pieces("a %REQ(x-user?x-guest):8%100%%").unwrap(),
        [
            Piece::Text("a "),
            Piece::Operator(Operator::Request(user)),
            Piece::Text("100"),
            Piece::Text("%"),
        ]
    );
    assert_eq!(pieces("").unwrap(), []);
    assert_eq!(
        pieces("%PROTOCOL%").unwrap(),
        [Piece::Operator(Operator::Protocol)]
    );
}

#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(pieces(text).unwrap_err().to_string(), expect);
}

#[test]
fn what_cannot_be_filled_in_is_refused() {
    check("50%", "\"50%\" has a lone %; write %% for a per cent sign");
    check("%NOPE%", "the operator %NOPE% is not supported");
    check("%NOPE(x)%", "the operator %NOPE(x)% is not supported");
    check("%REQ%", "the operator %REQ% must name a header in brackets");
    for wrong in [
        "REQ(a:3", "REQ(a)x", "REQ(a):x", "REQ(?b)", "REQ(a?)", "RESP()",
    ] {
        let expect = format!("the operator %{wrong}% must name a header in brackets");
        check(&format!("%{wrong}%"), &expect);
    }
    check("%PROTOCOL(x)%", "the operator %PROTOCOL% takes no brackets");
}
