use proptest::prelude::*;

use super::*;
use crate::h2::hpack::huffman_table::Code;

fn encoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(text, &mut out);
    assert_eq!(out.len(), coded_len(text), "of {text:?}");
    out
}

fn decoded(coded: &[u8]) -> Result<Vec<u8>, HpackError> {
    // What stands in the buffer before is another string.
    let mut out = b"before".to_vec();
    decode(coded, &mut out)?;
    Ok(out.strip_prefix(b"before").unwrap().to_vec())
}

#[track_caller]
fn check_round_trip(text: &[u8]) {
    assert_eq!(decoded(&encoded(text)).as_deref(), Ok(text));
}

/// Bits as text, filled up with ones.
fn bits(bits: &str) -> Vec<u8> {
    let mut bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').collect();
    bits.resize(bits.len().next_multiple_of(8), b'1');
    bits.chunks(8)
        .map(|octet| octet.iter().fold(0, |all, bit| all << 1 | (bit - b'0')))
        .collect()
}

#[test]
fn every_octet_and_every_pair_of_octets_is_kept() {
    check_round_trip(b"");
    for first in 0..=u8::MAX {
        check_round_trip(&[first]);
        for second in 0..=u8::MAX {
            check_round_trip(&[first, second]);
        }
    }
}

#[test]
fn every_octet_is_kept_at_every_position_among_short_codes() {
    for octet in 0..=u8::MAX {
        for before in 0..14 {
            let mut text = vec![b'0'; before];
            text.push(octet);
            text.extend([b'X'; 5]);
            check_round_trip(&text);
        }
    }
}

#[test]
fn the_code_is_that_of_appendix_b() {
    for (symbol, code, bits) in [
        (0, 0x1ff8, 13),
        (1, 0x7f_ffd8, 23),
        (10, 0x3fff_fffc, 30),
        (usize::from(b' '), 0x14, 6),
        (usize::from(b'0'), 0x0, 5),
        (usize::from(b'A'), 0x21, 6),
        (usize::from(b'\\'), 0x7_fff0, 19),
        (usize::from(b'a'), 0x3, 5),
        (usize::from(b't'), 0x9, 5),
        (usize::from(b'~'), 0x1ffd, 13),
        (127, 0xfff_fffc, 28),
        (128, 0xf_ffe6, 20),
        (220, 0xfff_fffd, 28),
        (249, 0xfff_fffe, 28),
        (255, 0x3ff_ffee, 26),
        (256, 0x3fff_ffff, 30),
    ] {
        assert_eq!(CODES[symbol], Code { code, bits }, "symbol {symbol}");
    }
}

#[test]
fn no_code_begins_another_and_none_is_missing() {
    let room: u64 = CODES
        .iter()
        .map(|c| 1 << (LONGEST - u32::from(c.bits)))
        .sum();
    assert_eq!(room, 1 << LONGEST);
    let mut starts: Vec<(u32, u8)> = CODES
        .iter()
        .map(|c| (c.code << (LONGEST - u32::from(c.bits)), c.bits))
        .collect();
    starts.sort_unstable();
    for pair in starts.windows(2) {
        assert_eq!(
            pair[0].0 + (1 << (LONGEST - u32::from(pair[0].1))),
            pair[1].0
        );
    }
}

#[test]
fn the_end_symbol_is_refused_wherever_it_stands() {
    let end = "1".repeat(30);
    assert_eq!(decoded(&bits(&end)), Err(HpackError::HuffmanEnd));
    for before in 1..12 {
        let coded = bits(&["00000".repeat(before), end.clone(), "00000".to_owned()].concat());
        assert_eq!(decoded(&coded), Err(HpackError::HuffmanEnd));
    }
    assert_eq!(decoded(&[0xff; 9]), Err(HpackError::HuffmanEnd));
}

#[test]
fn padding_is_at_most_seven_ones() {
    assert_eq!(decoded(&bits("00000 111")).as_deref(), Ok(&b"0"[..]));
    assert_eq!(decoded(&bits("11111000")).as_deref(), Ok(&b"&"[..]));
    for before in 0..9 {
        let text = vec![b'&'; before];
        let mut coded = encoded(&text);
        assert_eq!(decoded(&coded), Ok(text));
        coded.push(0xff);
        assert_eq!(
            decoded(&coded),
            Err(HpackError::HuffmanPadding),
            "{coded:x?}"
        );
    }
    for before in 0..9_usize {
        let ones = 8 + (before * 3) % 8;
        let coded = bits(&["00000".repeat(before), "1".repeat(ones)].concat());
        assert_eq!(
            decoded(&coded),
            Err(HpackError::HuffmanPadding),
            "{ones} ones"
        );
    }
}

#[test]
fn padding_has_no_zeros() {
    for padding in ["000", "001", "010", "011", "100", "101", "110"] {
        let coded = bits(&["00000", padding].concat());
        assert_eq!(
            decoded(&coded),
            Err(HpackError::HuffmanPadding),
            "{padding}"
        );
    }
}

#[test]
fn cut_codes_are_refused() {
    let coded = encoded(&[1, 10, 22, 200]);
    for end in 1..coded.len() {
        let text = decoded(&coded[..end]);
        // Where a code ends by chance with its octet, what is left is a text of its own.
        if let Ok(text) = text {
            assert!([1, 10, 22, 200].starts_with(&text));
        }
    }
    assert_eq!(decoded(&[0xff, 0xff]), Err(HpackError::HuffmanPadding));
}

/// Bit by bit, as appendix B has it.
fn reference(coded: &[u8]) -> Result<Vec<u8>, HpackError> {
    let (mut text, mut code, mut length) = (Vec::new(), 0_u32, 0_u8);
    for at in 0..coded.len() * 8 {
        code = code << 1 | u32::from(coded[at / 8] >> (7 - at % 8) & 1);
        length += 1;
        let found = CODES
            .iter()
            .position(|c| (c.bits, c.code) == (length, code));
        if let Some(symbol) = found {
            text.push(u8::try_from(symbol).map_err(|_| HpackError::HuffmanEnd)?);
            (code, length) = (0, 0);
        }
    }
    if length > 7 || code != (1 << length) - 1 {
        return Err(HpackError::HuffmanPadding);
    }
    Ok(text)
}

proptest! {
    #[test]
    fn texts_are_kept(text in prop::collection::vec(any::<u8>(), 0..300)) {
        check_round_trip(&text);
    }

    #[test]
    fn any_octets_mean_what_they_mean_bit_by_bit(coded in prop::collection::vec(
        prop_oneof![any::<u8>(), Just(0xff), 0xf8_u8..], 0..24,
    )) {
        prop_assert_eq!(decoded(&coded), reference(&coded));
    }
}
