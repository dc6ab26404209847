use super::*;

#[test]
fn a_message_comes_out_as_it_went_in() {
    assert_eq!(message(&framed(b"abc")), Some(&b"abc"[..]));
    assert_eq!(message(&framed(b"")), Some(&b""[..]));
}

#[test]
fn what_is_not_one_plain_message_is_none() {
    for body in [
        &b""[..],
        &[0, 0, 0, 0],
        &[1, 0, 0, 0, 0],
        &[0, 0, 0, 0, 1],
        &[0, 0, 0, 0, 0, 0],
        &[0, 255, 255, 255, 255, 1],
    ] {
        assert_eq!(message(body), None, "{body:?}");
    }
}
