//! Encoder and decoder together, and with implementations that are not ours.

use proptest::prelude::*;

use super::*;

mod others;

type Field = (Vec<u8>, Vec<u8>);

/// What happens on a connection.
#[derive(Debug, Clone)]
enum Step {
    Setting(usize),
    Block(Vec<(Field, u8)>),
}

/// Few names and values, so that they come again, and any.
fn string(few: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        5 => prop::sample::select(few).prop_map(|text| text.as_bytes().to_vec()),
        1 => "[ -~]{0,300}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..100),
    ]
}

fn field() -> impl Strategy<Value = Field> {
    const NAMES: &[&str] = &[
        ":method",
        ":path",
        ":status",
        "accept-encoding",
        "cookie",
        "grpc-status",
        "x-a",
        "x-b",
        "x-c",
        "x-d",
        "x-request-id",
        "",
    ];
    const VALUES: &[&str] = &[
        "",
        "GET",
        "POST",
        "/",
        "200",
        "500",
        "gzip, deflate",
        "0",
        "1",
        "application/grpc",
        "b7ad6b71-6a2c-49d7-a1be-33c8d9a5f1e0",
        "one=1; two=2",
    ];
    (string(NAMES), string(VALUES))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec((field(), 0_u8..8), 0..20).prop_map(Step::Block),
        1 => prop_oneof![0_usize..300, 0_usize..8192].prop_map(Step::Setting),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..40)
}

fn indexing(choice: u8) -> Indexing {
    match choice {
        0 => Indexing::Never,
        1 | 2 => Indexing::NotIndexed,
        _ => Indexing::Indexed,
    }
}

fn encode(encoder: &mut Encoder, fields: &[(Field, u8)]) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.begin(&mut out);
    for ((name, value), choice) in fields {
        encoder.field(&mut out, name, value, indexing(*choice));
    }
    out
}

fn only_fields(fields: &[(Field, u8)]) -> Vec<Field> {
    fields.iter().map(|(field, _)| field.clone()).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Field>, HpackError> {
    let mut fields = Vec::new();
    decoder.decode(block, &mut |field| {
        fields.push((field.name.to_vec(), field.value.to_vec()))
    })?;
    Ok(fields)
}

#[test]
fn errors_are_faults_of_the_compression() {
    let fault = Fault::from(HpackError::NoEntry);
    assert_eq!(fault.kind, FaultKind::Compression);
    assert_eq!(fault.why, "RFC 7541 2.3.3: an index beyond the tables");
}

#[test]
fn what_is_in_the_tables_is_not_in_debug_output() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
    let field = (b"cookie".to_vec(), b"zzzzzzzz".to_vec());
    let block = encode(&mut encoder, &[(field, 7)]);
    assert!(decode(&mut decoder, &block).is_ok());
    let text = format!("{encoder:?} {decoder:?}");
    assert!(text.contains("entries: 1"), "{text}");
    assert!(
        !text.contains("zzz") && !text.contains("122, 122"),
        "{text}"
    );
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_whatever_the_settings_become(steps in steps()) {
        let mut encoder = Encoder::new();
        let mut decoder = Decoder::new(8192);
        for step in steps {
            match step {
                Step::Setting(size) => encoder.set_peer_table_size(size),
                Step::Block(fields) => {
                    let block = encode(&mut encoder, &fields);
                    prop_assert_eq!(decode(&mut decoder, &block), Ok(only_fields(&fields)));
                }
            }
        }
    }

    #[test]
    fn any_octets_are_decoded_or_refused(
        blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
    ) {
        let mut decoder = Decoder::new(4096);
        for block in blocks {
            // What is refused ends the connection; going on must be harmless all the same.
            let _fields = decode(&mut decoder, &block);
        }
    }

    #[test]
    fn blocks_with_a_wrong_octet_are_decoded_or_refused(
        fields in prop::collection::vec((field(), 0_u8..8), 1..20),
        at in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let mut block = encode(&mut Encoder::new(), &fields);
        let at = at.index(block.len());
        block[at] = octet;
        let _fields = decode(&mut Decoder::new(4096), &block);
    }
}
