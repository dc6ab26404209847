use super::*;

type Field = (String, String);

/// Octets from hexadecimal digits.
fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .bytes()
        .filter_map(|digit| char::from(digit).to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// `name: value` by lines.
fn fields(lines: &str) -> Vec<Field> {
    lines
        .lines()
        .map(|line| line.trim().rsplit_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Field>, HpackError> {
    let mut fields = Vec::new();
    decoder.decode(block, &mut |field| {
        fields.push((text(field.name), text(field.value)))
    })?;
    Ok(fields)
}

fn table(decoder: &Decoder) -> Vec<Field> {
    (0..decoder.table.len())
        .map(|age| decoder.table.entry(age).unwrap())
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// That `hex` says `lines`, and leaves a table of `size` with `entries`.
#[track_caller]
fn check(decoder: &mut Decoder, hex: &str, lines: &str, size: usize, entries: &str) {
    assert_eq!(
        decode(decoder, &octets(hex)).as_deref(),
        Ok(&fields(lines)[..])
    );
    assert_eq!(table(decoder), fields(entries));
    assert_eq!(decoder.table.size(), size);
}

#[track_caller]
fn check_error(hex: &str, expected: HpackError) {
    let mut decoder = Decoder::new(4096);
    assert_eq!(decode(&mut decoder, &octets(hex)), Err(expected), "{hex}");
}

/// A decoder whose table the peer has limited.
fn limited_to(size: usize) -> Decoder {
    let mut decoder = Decoder::new(4096);
    let mut block = Vec::new();
    integer::write(&mut block, 0x20, 0x1f, size);
    assert_eq!(decode(&mut decoder, &block), Ok(Vec::new()));
    decoder
}

#[test]
fn representations_of_appendix_c_2() {
    let custom = "custom-key: custom-header";
    check(
        &mut Decoder::new(4096),
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
        custom,
        55,
        custom,
    );
    let sample = "040c 2f73 616d 706c 652f 7061 7468";
    check(
        &mut Decoder::new(4096),
        sample,
        ":path: /sample/path",
        0,
        "",
    );
    let secret = "1008 7061 7373 776f 7264 0673 6563 7265 74";
    check(&mut Decoder::new(4096), secret, "password: secret", 0, "");
    check(&mut Decoder::new(4096), "82", ":method: GET", 0, "");
}

#[track_caller]
fn check_requests(blocks: [&str; 3]) {
    let mut decoder = Decoder::new(4096);
    check(
        &mut decoder,
        blocks[0],
        ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com",
        57,
        ":authority: www.example.com",
    );
    check(
        &mut decoder,
        blocks[1],
        ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n\
         cache-control: no-cache",
        110,
        "cache-control: no-cache\n:authority: www.example.com",
    );
    check(
        &mut decoder,
        blocks[2],
        ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n\
         custom-key: custom-value",
        164,
        "custom-key: custom-value\ncache-control: no-cache\n:authority: www.example.com",
    );
}

#[test]
fn requests_of_appendix_c_3() {
    check_requests([
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ]);
}

#[test]
fn requests_with_huffman_code_of_appendix_c_4() {
    check_requests([
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ]);
}

#[track_caller]
fn check_responses(blocks: [&str; 3]) {
    let mut decoder = limited_to(256);
    let date = "date: Mon, 21 Oct 2013 20:13:21 GMT";
    let location = "location: https://www.example.com";
    check(
        &mut decoder,
        blocks[0],
        &format!(":status: 302\ncache-control: private\n{date}\n{location}"),
        222,
        &format!("{location}\n{date}\ncache-control: private\n:status: 302"),
    );
    check(
        &mut decoder,
        blocks[1],
        &format!(":status: 307\ncache-control: private\n{date}\n{location}"),
        222,
        &format!(":status: 307\n{location}\n{date}\ncache-control: private"),
    );
    let date = "date: Mon, 21 Oct 2013 20:13:22 GMT";
    let cookie = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
    check(
        &mut decoder,
        blocks[2],
        &format!(
            ":status: 200\ncache-control: private\n{date}\n{location}\n\
             content-encoding: gzip\n{cookie}"
        ),
        215,
        &format!("{cookie}\ncontent-encoding: gzip\n{date}"),
    );
}

#[test]
fn responses_with_evictions_of_appendix_c_5() {
    check_responses([
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032
         303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63
         6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0
         5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851
         5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ]);
}

#[test]
fn responses_with_huffman_code_of_appendix_c_6() {
    check_responses([
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b
         ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad
         94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160
         65c0 03ed 4ee5 b106 3d50 07",
    ]);
}

#[test]
fn indexes_beyond_the_tables_are_refused() {
    check_error("80", HpackError::NoEntry);
    check_error("be", HpackError::NoEntry);
    check_error("ff00", HpackError::NoEntry);
    check_error("ffffffff7f", HpackError::NoEntry);
    check_error("7f00 0161", HpackError::NoEntry);
    check_error("0f2f 0161", HpackError::NoEntry);
    check_error("1f2f 0161", HpackError::NoEntry);
    // An entry was there and is not any more.
    check_error("4001 6101 62be 20", HpackError::MisplacedSizeUpdate);
    let mut decoder = Decoder::new(4096);
    assert!(decode(&mut decoder, &octets("4001 6101 62be")).is_ok());
    assert_eq!(
        decode(&mut decoder, &octets("20be")),
        Err(HpackError::NoEntry)
    );
}

#[test]
fn size_updates_open_a_block_and_keep_to_the_setting() {
    check(
        &mut Decoder::new(4096),
        "20 3fe11f 82",
        ":method: GET",
        0,
        "",
    );
    check_error("3fe21f", HpackError::SizeUpdateTooLarge);
    check_error("20 3fe11f 20", HpackError::MisplacedSizeUpdate);
    check_error("82 20", HpackError::MisplacedSizeUpdate);
    check_error("4001 6101 62 3fe11f 82", HpackError::MisplacedSizeUpdate);
    check_error("0001 6101 62 20", HpackError::MisplacedSizeUpdate);
    let mut small = Decoder::new(100);
    assert!(decode(&mut small, &octets("3f45")).is_ok());
    assert_eq!(
        decode(&mut small, &octets("3f46")),
        Err(HpackError::SizeUpdateTooLarge)
    );
}

#[test]
fn a_size_update_evicts_and_a_block_may_have_nothing_else() {
    let mut decoder = Decoder::new(8192);
    check(
        &mut decoder,
        "4001 6101 62 4001 6301 64",
        "a: b\nc: d",
        68,
        "c: d\na: b",
    );
    check(&mut decoder, "3f24", "", 34, "c: d");
    check(&mut decoder, "3fe13f", "", 34, "c: d");
    check(&mut decoder, "", "", 34, "c: d");
}

#[test]
fn cut_blocks_are_refused_wherever_they_are_cut() {
    let block = octets("82 4001 6101 62 0f10 03 616263 1084 25a8 49e9 0378 797a");
    let whole = decode(&mut Decoder::new(4096), &block).unwrap();
    for end in 0..block.len() {
        match decode(&mut Decoder::new(4096), &block[..end]) {
            Ok(some) => assert!(whole.starts_with(&some) && some.len() < whole.len()),
            Err(HpackError::Truncated | HpackError::StringTooLong) => {}
            Err(other) => panic!("cut at {end}: {other:?}"),
        }
    }
    check_error("4003 6162", HpackError::StringTooLong);
    check_error("407f ffff ff0f 61", HpackError::StringTooLong);
    check_error("40ff ffff ffff ff00", HpackError::IntegerTooLarge);
}

#[test]
fn faults_of_the_huffman_code_are_faults_of_the_block() {
    check_error("0084 ffff ffff 0161", HpackError::HuffmanEnd);
    check_error("0082 07ff 0161", HpackError::HuffmanPadding);
    check_error("0001 6181 00", HpackError::HuffmanPadding);
}

#[test]
fn names_and_values_may_both_be_coded_and_the_room_is_given_back() {
    let mut decoder = Decoder::new(4096);
    let name = "a".repeat(5000);
    let mut block = vec![0x00];
    for text in [&name, "value"] {
        integer::write(&mut block, 0x80, 0x7f, huffman::coded_len(text.as_bytes()));
        huffman::encode(text.as_bytes(), &mut block);
    }
    let decoded = decode(&mut decoder, &block);
    assert_eq!(decoded, Ok(vec![(name, "value".to_owned())]));
    assert_eq!(decoder.decoded.capacity(), 0);
}

#[test]
fn an_entry_too_large_for_the_table_is_told_and_empties_it() {
    let mut decoder = limited_to(40);
    check(&mut decoder, "4001 6101 62", "a: b", 34, "a: b");
    check(
        &mut decoder,
        "7e09 3132 3334 3536 3738 39",
        "a: 123456789",
        0,
        "",
    );
}

#[test]
fn the_table_starts_with_its_initial_size_whatever_our_setting_is() {
    // The peer's first block may have been on its way before it knew the setting.
    let mut decoder = Decoder::new(0);
    check(&mut decoder, "4001 6101 62be", "a: b\na: b", 34, "a: b");
    check(&mut decoder, "20", "", 0, "");
    check(&mut decoder, "4001 6101 62", "a: b", 0, "");
}
