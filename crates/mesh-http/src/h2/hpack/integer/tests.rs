use super::*;

#[track_caller]
fn check(octets: &[u8], mask: u8, expected: Result<usize, HpackError>) {
    let (first, mut rest) = octets.split_first().unwrap();
    assert_eq!(read(*first, mask, &mut rest), expected, "{octets:02x?}");
    if expected.is_ok() {
        assert_eq!(rest, b"", "{octets:02x?}: something was left");
    }
}

#[test]
fn examples_of_appendix_c_1_are_read_and_written() {
    for (value, mask, octets) in [
        (10, 0x1f, &[0x0a][..]),
        (1337, 0x1f, &[0x1f, 0x9a, 0x0a]),
        (42, 0xff, &[0x2a]),
    ] {
        check(octets, mask, Ok(value));
        let mut out = Vec::new();
        write(&mut out, 0, mask, value);
        assert_eq!(out, octets);
    }
}

#[test]
fn every_prefix_keeps_values_around_its_limit_and_the_pattern_before_it() {
    for prefix in 1..=7 {
        let mask = u8::MAX >> (8 - prefix);
        let limit = usize::from(mask);
        let edges = [0, limit - 1, limit, limit + 1, limit + 127, limit + 128];
        for value in edges.into_iter().chain([1 << 20, u32::MAX as usize]) {
            let mut out = Vec::new();
            write(&mut out, !mask, mask, value);
            assert_eq!(out[0] & !mask, !mask);
            check(&out, mask, Ok(value));
        }
    }
}

#[test]
fn zeros_at_the_end_are_read_up_to_the_limit() {
    check(&[0x1f, 0x80, 0x00], 0x1f, Ok(31));
    check(&[0x1f, 0x80, 0x80, 0x80, 0x80, 0x00], 0x1f, Ok(31));
    check(
        &[0x1f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        0x1f,
        Err(HpackError::IntegerTooLarge),
    );
}

#[test]
fn integers_beyond_32_bits_are_refused() {
    let most = u64::from(u32::MAX) - 0x7f;
    let octets = |value: u64| {
        let mut octets = vec![0xff];
        octets.extend((0..4).map(|at| 0x80 | (value >> (7 * at) & 0x7f) as u8));
        octets.push((value >> 28) as u8);
        octets
    };
    check(&octets(most), 0x7f, Ok(u32::MAX as usize));
    check(&octets(most + 1), 0x7f, Err(HpackError::IntegerTooLarge));
    check(&[0xff; 6], 0x7f, Err(HpackError::IntegerTooLarge));
    check(&[0xff; 60], 0x7f, Err(HpackError::IntegerTooLarge));
}

#[test]
fn cut_integers_are_refused() {
    check(&[0xff], 0x7f, Err(HpackError::Truncated));
    check(&[0xff, 0x80], 0x7f, Err(HpackError::Truncated));
}
