use super::*;

/// Puts each byte at each place of a run of harmless ones.
#[track_caller]
fn check(len: fn(&[u8]) -> usize, may: fn(u8) -> bool) {
    for byte in 0..=255_u8 {
        for at in 0..20 {
            let mut bytes = [b'a'; 20];
            bytes[at] = byte;
            let expect = if may(byte) { 20 } else { at };
            assert_eq!(len(&bytes), expect, "byte {byte:#x} at {at}");
            let expect = if may(byte) { at + 1 } else { at };
            assert_eq!(len(&bytes[..=at]), expect, "byte {byte:#x} last of {at}");
        }
    }
    assert_eq!(len(b""), 0);
}

#[test]
fn each_class_ends_at_the_first_byte_that_is_not_in_it() {
    check(value_len, |b| b == b'\t' || (b >= 0x20 && b != 0x7f));
    check(target_len, |b| (0x21..0x7f).contains(&b));
    check(token_len, |b| {
        b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
    });
}

#[test]
fn white_space_goes_from_both_ends_only() {
    assert_eq!(trim(b" \ta b\t "), b"a b");
    assert_eq!(trim(b" \t "), b"");
    assert_eq!(trim(b""), b"");
}

#[test]
fn upper_case_is_found_wherever_it_stands() {
    for byte in 0..128_u8 {
        for at in 0..20 {
            let mut bytes = [b'z'; 20];
            bytes[at] = byte;
            assert_eq!(
                has_upper(&bytes),
                byte.is_ascii_uppercase(),
                "{byte:#x} at {at}"
            );
        }
    }
    assert!(!has_upper(b""));
}

#[test]
fn names_in_lower_case_are_found_wherever_the_wrong_byte_stands() {
    for byte in 0..=255_u8 {
        for length in 1..20 {
            for at in 0..length {
                let mut bytes = vec![b'z'; length];
                bytes[at] = byte;
                let expected = is_token(byte) && !byte.is_ascii_uppercase();
                assert_eq!(
                    is_lower_token(&bytes),
                    expected,
                    "{byte:#x} at {at} of {length}"
                );
            }
        }
    }
}

#[test]
fn values_and_targets_end_at_the_first_wrong_byte() {
    for byte in 0..=255_u8 {
        for length in 1..20 {
            for at in 0..length {
                let mut bytes = vec![b'z'; length];
                bytes[at] = byte;
                let is_value = byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
                let end = |good| if good { length } else { at };
                assert_eq!(
                    value_len(&bytes),
                    end(is_value),
                    "{byte:#x} at {at} of {length}"
                );
                let is_target = (0x21..0x7f).contains(&byte);
                assert_eq!(
                    target_len(&bytes),
                    end(is_target),
                    "{byte:#x} at {at} of {length}"
                );
            }
        }
    }
}

#[test]
fn words_of_names_are_told_from_others() {
    for byte in 0..=255_u8 {
        for at in 0..8 {
            let mut word = *b"a-z.09mq";
            word[at] = byte;
            let expected = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
            assert_eq!(is_name_word(&word), expected, "{byte:#x} at {at}");
        }
    }
}

#[test]
fn a_byte_is_found_where_it_stands_first() {
    for length in 0..20 {
        let mut bytes = vec![b'a'; length];
        assert_eq!(len_before(&bytes, b':'), length);
        for at in (0..length).rev() {
            bytes[at] = b':';
            assert_eq!(len_before(&bytes, b':'), at, "in {length}");
        }
    }
}
