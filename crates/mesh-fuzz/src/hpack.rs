//! Header blocks through a connection: what is taken is what a decoder that is not ours reads.

use httlib_hpack::{Decoder, DecoderError};
use mesh_http::{Fields, ResponseHead, h2};

use crate::feed::{Ask, Codec, Feed, Seen, request};
use crate::frames::{self, put};
use crate::strict::List;

/// A client reads `data` as blocks of answers: each begins with its length in one byte.
pub fn hpack(data: &[u8]) {
    let mut client = <h2::Client as Ask>::new();
    let mut sent = Vec::new();
    put(&mut sent, frames::SETTINGS, 0, 0, &[]);
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let mut rest = data;
    while let Some((length, after)) = rest.split_first() {
        let Ok(stream) = client.request(&request("GET"), true) else {
            break;
        };
        rest = after;
        let length = usize::from(*length).min(rest.len());
        let block = rest.split_off(..length).unwrap_or_default();
        let flags = frames::END_HEADERS | frames::END_STREAM;
        put(&mut sent, frames::HEADERS, flags, stream, block);
        blocks.push(block.to_vec());
    }
    compare(client, &sent, blocks);
}

fn compare(mut client: h2::Client, sent: &[u8], blocks: Vec<Vec<u8>>) {
    let mut feed = Feed::new(sent, usize::MAX);
    let mut theirs = Decoder::with_dynamic_size(4096);
    let mut blocks = blocks.into_iter();
    let mut next = 0;
    while let Some(seen) = feed.next(&mut client) {
        let (stream, head) = match seen {
            Seen::Head(stream, _, head) | Seen::Interim(stream, head) => (stream, Some(head)),
            Seen::Broken(stream, ..) => (stream, None),
            Seen::Over(..) => return,
            _ => continue,
        };
        // Blocks of one stream each, in order.
        while next <= stream / 2 {
            next += 1;
            let mut block = blocks.next().unwrap_or_default();
            let mut fields = Vec::new();
            let decoded = theirs.decode(&mut block, &mut fields);
            // It reads five octets of an integer at most, we superfluous zeros too: RFC 7541 5.1
            // leaves the limit to each.
            if matches!(decoded, Err(DecoderError::IntegerOverflow)) {
                return;
            }
            assert!(decoded.is_ok(), "others cannot decode it: {decoded:?}");
            if let Some(head) = head.as_ref().filter(|_| next > stream / 2) {
                let list = fields.into_iter().map(|(n, v, _)| (n, v)).collect();
                same(head, &list);
            }
        }
    }
}

/// What is read is what was sent: status and fields, in order, and nothing else.
fn same(head: &ResponseHead, list: &List) {
    let status = crate::strict::only(list, b":status");
    assert_eq!(status, Ok(Some(head.status.to_string().as_bytes())));
    let fields: &Fields = h2::Client::fields(head);
    let of_length = |name: &str| name == "content-length";
    let ours = fields.iter().filter(|(name, _)| !of_length(name));
    let ours: Vec<(Vec<u8>, Vec<u8>)> = ours
        .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
        .collect();
    let theirs = list
        .iter()
        .filter(|(name, _)| !name.starts_with(b":") && name != b"content-length");
    let trimmed = |value: &[u8]| {
        let text = value.iter().position(|b| !b" \t".contains(b));
        let end = value.iter().rposition(|b| !b" \t".contains(b));
        match (text, end) {
            (Some(start), Some(end)) => value.get(start..=end).unwrap_or_default().to_vec(),
            _ => Vec::new(),
        }
    };
    let theirs: Vec<(Vec<u8>, Vec<u8>)> = theirs
        .map(|(name, value)| (name.clone(), trimmed(value)))
        .collect();
    assert_eq!(ours, theirs, "other fields than were sent");
}
