use super::{Hello, Looking, SniffError, Sniffed, Sniffer};

fn judge(pieces: &[&[u8]]) -> Result<Option<Sniffed>, SniffError> {
    judge_for(Looking::Version, pieces)
}

fn judge_for(looking: Looking, pieces: &[&[u8]]) -> Result<Option<Sniffed>, SniffError> {
    let mut sniffer = Sniffer::looking_for(looking);
    let mut last = Ok(None);
    for piece in pieces {
        sniffer.seen.extend_from_slice(piece);
        last = sniffer.judge();
        if !matches!(last, Ok(None)) {
            break;
        }
    }
    last
}

fn mk_hello(sni: &str, alpn: &[&[u8]]) -> Vec<u8> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = sni.to_owned().try_into().unwrap();
    let mut client = rustls::ClientConnection::new(config.into(), name).unwrap();
    let mut out = Vec::new();
    client.write_tls(&mut out).unwrap();
    out
}

#[test]
fn plaintext_is_told_by_its_first_bytes() {
    assert_eq!(
        judge(&[b"GET / HTTP/1.1\r\n"]).unwrap(),
        Some(Sniffed::Plain)
    );
    assert_eq!(judge(&[b"P"]).unwrap(), None);
    assert_eq!(
        judge(&[b"P", b"OST / HTTP/1.1"]).unwrap(),
        Some(Sniffed::Plain)
    );
    assert_eq!(judge(&[b"PRI * HTTP/2.0\r\n\r\n"]).unwrap(), None);
    let preface: [&[u8]; 2] = [b"PRI * HTTP/2.0\r\n\r\n", b"SM\r\n\r\n"];
    assert_eq!(judge(&preface).unwrap(), Some(Sniffed::Http2));
}

#[test]
fn hello_is_read_byte_by_byte() {
    let bytes = mk_hello("reviews.default.svc.cluster.local", &[b"istio", b"h2"]);
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    let expect = Hello {
        sni: Some("reviews.default.svc.cluster.local".into()),
        alpn: vec![b"istio".to_vec(), b"h2".to_vec()],
    };
    assert_eq!(judge(&pieces).unwrap(), Some(Sniffed::Tls(expect)));
}

#[test]
fn tls_record_with_rubbish_is_refused() {
    let record = [0x16, 3, 1, 0, 4, 9, 9, 9, 9];
    assert!(matches!(judge(&[&record]), Err(SniffError::BadHello(_))));
}

#[test]
fn endless_hello_is_refused() {
    // A handshake message of 60,000 bytes in records that never complete it.
    let mut bytes = vec![0x16, 3, 1, 0x40, 0, 1, 0, 0xea, 0x60];
    bytes.resize(5 + 0x4000, 0);
    bytes.extend([0x16, 3, 1, 0x40, 0]);
    bytes.resize(bytes.len() + 0x2000, 0);
    assert!(matches!(judge(&[&bytes]), Err(SniffError::BadHello(_))));
}

#[test]
fn http_is_told_from_other_bytes_where_it_matters() {
    let check = |bytes: &[u8], wanted: Option<Sniffed>| {
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        let judged = judge_for(Looking::Protocol, &pieces).unwrap();
        assert_eq!(judged, wanted, "{:?}", String::from_utf8_lossy(bytes));
    };
    let (http1, http2, other) = (
        Some(Sniffed::Http1),
        Some(Sniffed::Http2),
        Some(Sniffed::Plain),
    );
    check(b"GET / HTTP/1.1\r\n", http1.clone());
    check(b"PROPFIND /a b HTTP/1.0\n", http1.clone());
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", http2);
    check(b"PRI * HTTP/2.0\r\n\r\nno", other.clone());
    check(b"GET key\r\n", other.clone());
    check(b"get / HTTP/1.1\r\n", other.clone());
    check(b"GETX", other.clone());
    check(b"PING\r\n", other.clone());
    check(b"\0\0\0\x08\x04\xd2\x16\x2f", other.clone());
    check(b"*1\r\n$4\r\nPING\r\n", other.clone());
    check(b"\x16\x03\x01\x00\x04\x09\x09\x09\x09", other);
    // Half of a request line may still become one, unless it is endless.
    check(b"PO", None);
    check(b"GET / HTTP/1.1", None);
    let long = format!("GET /{}", "a".repeat(8192));
    check(long.as_bytes(), http1);
}

#[test]
fn a_port_for_bytes_is_not_made_to_wait_for_words() {
    for bytes in [&b"P"[..], b"PRI * HTTP/2.0", b"GET", b"\n"] {
        let judged = judge_for(Looking::Tls, &[bytes]).unwrap();
        assert_eq!(judged, Some(Sniffed::Plain));
    }
    assert_eq!(judge_for(Looking::Tls, &[b"\x16"]).unwrap(), None);
}
