use super::*;
use crate::h2::hpack::Decoder;

type Field = (Vec<u8>, Vec<u8>);

fn block(encoder: &mut Encoder, fields: &[(&str, &str)], how: Indexing) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.begin(&mut out);
    for (name, value) in fields {
        encoder.field(&mut out, name.as_bytes(), value.as_bytes(), how);
    }
    out
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    decoder
        .decode(block, &mut |field| {
            fields.push((field.name.to_vec(), field.value.to_vec()))
        })
        .unwrap();
    fields
}

#[test]
fn requests_become_those_of_appendix_c_3_with_new_names_coded_as_in_c_4() {
    let mut encoder = Encoder::new();
    let mut check = |fields: &[(&str, &str)], expected: &[u8]| {
        assert_eq!(block(&mut encoder, fields, Indexing::Indexed), expected);
    };
    let authority = (":authority", "www.example.com");
    let (get, http, path) = ((":method", "GET"), (":scheme", "http"), (":path", "/"));
    check(
        &[get, http, path, authority],
        b"\x82\x86\x84\x41\x0fwww.example.com",
    );
    let cache = ("cache-control", "no-cache");
    check(
        &[get, http, path, authority, cache],
        b"\x82\x86\x84\xbe\x58\x08no-cache",
    );
    let (https, index) = ((":scheme", "https"), (":path", "/index.html"));
    check(
        &[get, https, index, authority, ("custom-key", "custom-value")],
        b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\
          \x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf",
    );
}

#[test]
fn expected_fields_that_were_evicted_or_changed_are_not_taken_for_others() {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096);
    for (size, value) in [
        (4096, "1"),
        (4096, "1"),
        (4096, "2"),
        (0, "2"),
        (40, "2"),
        (70, "1"),
    ] {
        encoder.set_peer_table_size(size);
        let fields = [("a", "b"), ("c", value), ("a", "b"), (":method", "PUT")];
        let out = block(&mut encoder, &fields, Indexing::Indexed);
        let expected = fields.map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()));
        assert_eq!(decode(&mut decoder, &out), expected);
    }
}

#[test]
fn a_repeated_block_has_one_octet_per_field() {
    let fields = [
        (":method", "POST"),
        (":path", "/grpc.testing.Benchmark/UnaryCall"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("x-empty", ""),
    ];
    let mut encoder = Encoder::new();
    let first = block(&mut encoder, &fields, Indexing::Indexed);
    let again = block(&mut encoder, &fields, Indexing::Indexed);
    assert!(first.len() > 40);
    assert_eq!(again.len(), fields.len());
    let mut decoder = Decoder::new(4096);
    assert_eq!(decode(&mut decoder, &first), decode(&mut decoder, &again));
}

#[test]
fn what_is_not_indexed_leaves_the_table_alone_and_uses_known_names() {
    let mut encoder = Encoder::new();
    let id = [("x-request-id", "1")];
    assert_eq!(
        block(&mut encoder, &id, Indexing::NotIndexed),
        b"\0\x0cx-request-id\x011"
    );
    assert_eq!(
        block(&mut encoder, &id, Indexing::Never),
        b"\x10\x0cx-request-id\x011"
    );
    assert_eq!(encoder.table.len(), 0);
    let date = [("date", "today")];
    assert_eq!(
        block(&mut encoder, &date, Indexing::NotIndexed),
        b"\x0f\x12\x05today"
    );
    assert_eq!(
        block(&mut encoder, &date, Indexing::Never),
        b"\x1f\x12\x05today"
    );
    block(&mut encoder, &id, Indexing::Indexed);
    let other = [("x-request-id", "2")];
    assert_eq!(
        block(&mut encoder, &other, Indexing::NotIndexed),
        b"\x0f\x2f\x012"
    );
    assert_eq!(encoder.table.len(), 1);
}

#[test]
fn a_field_of_the_static_table_is_one_octet_unless_it_is_secret() {
    let mut encoder = Encoder::new();
    let ok = [(":status", "200")];
    assert_eq!(block(&mut encoder, &ok, Indexing::NotIndexed), [0x88]);
    assert_eq!(block(&mut encoder, &ok, Indexing::Indexed), [0x88]);
    assert_eq!(block(&mut encoder, &ok, Indexing::Never), b"\x18\x03200");
}

#[test]
fn large_fields_do_not_evict_the_others() {
    let mut encoder = Encoder::new();
    let large = "v".repeat(3100);
    block(&mut encoder, &[("a", "b")], Indexing::Indexed);
    let fields = [("large", large.as_str()), ("a", "b")];
    let out = block(&mut encoder, &fields, Indexing::Indexed);
    assert_eq!(out.last(), Some(&0xbe));
    assert_eq!(encoder.table.len(), 1);
    assert_eq!(
        decode(&mut Decoder::new(4096), &out[..out.len() - 1]).len(),
        1
    );
}

#[test]
fn the_peers_table_size_opens_the_next_block() {
    let mut encoder = Encoder::new();
    encoder.set_peer_table_size(4096);
    encoder.set_peer_table_size(65_536);
    assert_eq!(block(&mut encoder, &[], Indexing::Indexed), b"");
    encoder.set_peer_table_size(100);
    assert_eq!(
        block(&mut encoder, &[(":method", "GET")], Indexing::Indexed),
        b"\x3f\x45\x82"
    );
    assert_eq!(block(&mut encoder, &[], Indexing::Indexed), b"");
}

#[test]
fn the_smallest_size_meanwhile_is_told_before_the_last() {
    let mut encoder = Encoder::new();
    block(&mut encoder, &[("a", "b")], Indexing::Indexed);
    for size in [1000, 0, 20, 65_536] {
        encoder.set_peer_table_size(size);
    }
    // What was evicted meanwhile is not referred to any more.
    let out = block(&mut encoder, &[("a", "b")], Indexing::Indexed);
    assert_eq!(out, b"\x20\x3f\xe1\x1f\x40\x01a\x01b");
}

#[test]
fn a_peer_without_a_table_gets_literals() {
    let mut encoder = Encoder::new();
    encoder.set_peer_table_size(0);
    let expected: [&[u8]; 2] = [b"\x20\x82\x00\x01a\x01b", b"\x82\x00\x01a\x01b"];
    for expected in expected {
        let fields = [(":method", "GET"), ("a", "b")];
        assert_eq!(block(&mut encoder, &fields, Indexing::Indexed), expected);
    }
}

#[test]
fn entries_are_found_until_they_are_evicted_and_never_mistaken() {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096);
    // More entries than numbers, so that numbers come again.
    for round in 0..70_000_u32 {
        let value = (round % 40 * (round / 1000)).to_string();
        let fields = [("name", value.as_str()), ("other", "value")];
        let out = block(&mut encoder, &fields, Indexing::Indexed);
        let expected = fields.map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()));
        assert_eq!(decode(&mut decoder, &out), expected, "round {round}");
    }
}

#[test]
fn fields_that_share_slots_are_all_encoded() {
    let mut slots = Slots::default();
    let mut table = Table::new(4096);
    for name in [b"a", b"b", b"c", b"d", b"e"] {
        table.insert(name, b"", Note::default());
        slots.inserted();
        slots.put(u64::from(name[0]) << 48);
    }
    let find = |name: u8| slots.find(&table, u64::from(name) << 48, |n, _| n == [name]);
    // Four ways: the oldest made room.
    assert_eq!(
        b"abcde".map(find),
        [None, Some(3), Some(2), Some(1), Some(0)]
    );
    // The same hash for another entry.
    assert_eq!(
        slots.find(&table, u64::from(b'c') << 48, |n, _| n == b"x"),
        None
    );
}
