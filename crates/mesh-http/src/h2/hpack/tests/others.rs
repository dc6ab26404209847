//! The same fields through implementations that are not ours, in both directions.

use super::*;

/// Flags of the other encoder: both strings in the Huffman code, the shortest representation.
const CODED: u8 = 0x1 | 0x2 | 0x10;
const PLAIN: u8 = 0x10;
const WITH_INDEXING: u8 = 0x4;
const NEVER_INDEXED: u8 = 0x8;

fn flags(choice: u8, coded: bool) -> u8 {
    let strings = if coded { CODED } else { PLAIN };
    match indexing(choice) {
        Indexing::Indexed => strings | WITH_INDEXING,
        Indexing::NotIndexed => strings,
        Indexing::Never => strings | NEVER_INDEXED,
    }
}

fn their_block(
    encoder: &mut httlib_hpack::Encoder<'_>,
    fields: &[(Field, u8)],
    coded: bool,
    out: &mut Vec<u8>,
) {
    for ((name, value), choice) in fields {
        let field = (name.clone(), value.clone(), flags(*choice, coded));
        encoder.encode(field, out).unwrap();
    }
}

proptest! {
    #[test]
    fn what_others_encode_is_decoded(steps in steps(), coded in any::<bool>()) {
        let mut theirs = httlib_hpack::Encoder::with_dynamic_size(4096);
        let mut decoder = Decoder::new(8192);
        for step in steps {
            let mut block = Vec::new();
            let fields = match step {
                Step::Setting(size) => {
                    theirs.update_max_dynamic_size(size as u32, &mut block).unwrap();
                    Vec::new()
                }
                Step::Block(fields) => fields,
            };
            their_block(&mut theirs, &fields, coded, &mut block);
            prop_assert_eq!(decode(&mut decoder, &block), Ok(only_fields(&fields)));
        }
    }

    #[test]
    fn what_is_encoded_others_decode(steps in steps()) {
        let mut encoder = Encoder::new();
        let mut theirs = httlib_hpack::Decoder::with_dynamic_size(4096);
        for step in steps {
            match step {
                Step::Setting(size) => encoder.set_peer_table_size(size),
                Step::Block(fields) => {
                    let mut block = encode(&mut encoder, &fields);
                    let mut decoded = Vec::new();
                    theirs.decode(&mut block, &mut decoded).unwrap();
                    let decoded: Vec<Field> = decoded.into_iter().map(|(n, v, _)| (n, v)).collect();
                    prop_assert_eq!(decoded, only_fields(&fields));
                }
            }
        }
    }
}
