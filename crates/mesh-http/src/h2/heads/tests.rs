//! What comes again from the dynamic table is judged as it was when it came first.

use proptest::prelude::*;

use super::*;
use crate::h2::hpack::{Decoder, Encoder, Field, Indexing, Note};
use crate::{Fields, RequestHead, ResponseHead};

type List = Vec<(String, Vec<u8>)>;

/// Names and values of which most are what they should not be.
fn list() -> impl Strategy<Value = List> {
    let name = prop::sample::select(vec![
        ":method",
        ":scheme",
        ":authority",
        ":path",
        ":status",
        "host",
        "cookie",
        "te",
        "connection",
        "content-length",
        "x-a",
        "X-A",
        "x a",
        "",
    ]);
    let value = prop::sample::select(vec![
        "GET", "http", "https", "a", "a:80", "/x", "*", "200", "trailers", "7", "07", " a ",
        "a\tb", "a\nb", "", "\u{e4}",
    ]);
    let one = (name, value).prop_map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let good = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/x"),
    ]
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    (any::<bool>(), prop::collection::vec(one, 0..6)).prop_map(move |(is_good, others)| {
        let good = good.iter().filter(|_| is_good).cloned();
        good.chain(others).collect()
    })
}

/// Everything that the readers say of a block, and what they took from it; without what was noted
/// of its fields if they are `new`.
fn judged(decoder: &mut Decoder, block: &[u8], new: bool) -> [String; 3] {
    let (mut request, mut response) = (RequestHead::default(), ResponseHead::default());
    let (mut crumbs, mut trailers) = (Vec::new(), Fields::new());
    let mut requests = RequestReader::new(&mut request, &mut crumbs, 100);
    let mut responses = ResponseReader::new(&mut response);
    let mut sections = TrailerReader::new(&mut trailers);
    let decoded = decoder.decode(block, &mut |field| {
        let mut each = |read: &mut dyn FnMut(Field<'_>)| {
            let mut none = Note::default();
            let note = if new { &mut none } else { &mut *field.note };
            read(Field { note, ..field });
        };
        each(&mut |field| requests.field(field));
        each(&mut |field| responses.field(field));
        each(&mut |field| sections.field(field));
    });
    decoded.unwrap();
    let (read, answered, ended) = (requests.finish(), responses.finish(), sections.finish());
    [
        format!("{read:?} {:?}", read.map(|_| &request)),
        format!("{answered:?} {:?}", answered.map(|_| &response)),
        format!("{ended:?} {:?}", ended.map(|()| &trailers)),
    ]
}

fn encoded(encoder: &mut Encoder, list: &List) -> Vec<u8> {
    let mut block = Vec::new();
    encoder.begin(&mut block);
    for (name, value) in list {
        encoder.field(&mut block, name.as_bytes(), value, Indexing::Indexed);
    }
    block
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_field_from_the_table_is_judged_as_one_that_is_new(lists in prop::collection::vec(list(), 1..6)) {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
        for _ in 0..2 {
            for list in &lists {
                let block = encoded(&mut encoder, list);
                let again = judged(&mut decoder, &block, false);
                let fresh = encoded(&mut Encoder::new(), list);
                let first = judged(&mut Decoder::new(4096), &fresh, true);
                prop_assert_eq!(again, first, "{:?}", list);
            }
        }
    }
}
