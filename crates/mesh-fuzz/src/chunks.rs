//! Chunked bodies against a reader of their own: the same bytes are taken for the same body.

use mesh_http::h1;

use crate::feed::{Feed, Seen, Serve, options};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

/// A server reads `data` after its first byte as a chunked body; the first byte cuts it.
pub fn chunks(data: &[u8]) {
    let (options, sent) = options(data);
    let bytes = [HEAD, sent].concat();
    for step in [usize::MAX, 1 + usize::from(options)] {
        let (body, ended, refused) = read(&bytes, step);
        let expected = reference(sent);
        match expected {
            Some(Body::Whole(expected)) if !refused => {
                assert!(ended, "a whole body is not taken for whole");
                assert_eq!(body, expected);
            }
            Some(Body::Part(expected)) => {
                assert!(!ended, "a body that is cut off is taken for whole");
                assert!(refused || body == expected, "other bytes than were sent");
            }
            // Limits, and fields that have no place in trailers, are the codec's affair.
            Some(Body::Whole(expected)) => assert!(!ended && expected.starts_with(&body)),
            None => assert!(!ended && refused, "what is no body is taken for one"),
        }
    }
}

fn read(bytes: &[u8], step: usize) -> (Vec<u8>, bool, bool) {
    let mut server = <h1::Server as Serve>::new();
    let mut feed = Feed::new(bytes, step);
    let (mut body, mut ended, mut refused) = (Vec::new(), false, false);
    while let Some(seen) = feed.next(&mut server) {
        ended |= seen.completes().is_some();
        match seen {
            Seen::Data(_, bytes, _) => body.extend_from_slice(&bytes),
            Seen::Over(kind, _) => {
                refused = kind != mesh_http::FaultKind::CutOff;
                break;
            }
            _ => {}
        }
        if ended {
            break;
        }
    }
    (body, ended, refused)
}

enum Body {
    Whole(Vec<u8>),
    /// As far as it goes nothing is wrong with it.
    Part(Vec<u8>),
}

/// RFC 9112 7.1 with its grammar of extensions taken loosely: anything up to the line's end.
fn reference(mut input: &[u8]) -> Option<Body> {
    let mut body = Vec::new();
    loop {
        let digits = input.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let digits = digits.count();
        let text = std::str::from_utf8(input.get(..digits)?).ok()?;
        let mut rest = input.get(digits..)?;
        let size = match text {
            "" if rest.is_empty() => return Some(Body::Part(body)),
            text => u64::from_str_radix(text, 16).ok()?,
        };
        let blanks = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
        let after = rest.get(blanks..)?;
        if after.first() == Some(&b';') {
            let ends = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f;
            let end = after.iter().position(ends).unwrap_or(after.len());
            rest = after.get(end..)?;
        } else if blanks > 0 {
            return after.is_empty().then_some(Body::Part(body));
        }
        match rest {
            [] | [b'\r'] => return Some(Body::Part(body)),
            [b'\r', b'\n', after @ ..] => input = after,
            _ => return None,
        }
        if size == 0 {
            return trailers(input).map(|whole| match whole {
                true => Body::Whole(body),
                false => Body::Part(body),
            });
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let taken = input.split_off(..size.min(input.len()))?;
        body.extend_from_slice(taken);
        match input {
            _ if taken.len() < size => return Some(Body::Part(body)),
            [] | [b'\r'] => return Some(Body::Part(body)),
            [b'\r', b'\n', rest @ ..] => input = rest,
            _ => return None,
        }
    }
}

/// Whether a trailer section is whole; `None`: it is none.
fn trailers(mut input: &[u8]) -> Option<bool> {
    loop {
        let Some(end) = input.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            return partial(input);
        };
        let (line, rest) = input.split_at_checked(end)?;
        input = match rest {
            [b'\r', b'\n', rest @ ..] => rest,
            [b'\r'] => return partial(line),
            _ => return None,
        };
        if line.is_empty() {
            return Some(true);
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let is_value = |byte: &u8| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f);
        if !crate::strict::is_token(name) || !value.iter().all(is_value) {
            return None;
        }
    }
}

/// Whether a line that does not end may become one.
fn partial(line: &[u8]) -> Option<bool> {
    let name = line.split(|byte| *byte == b':').next()?;
    let is_value = |byte: &u8| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f);
    let has_form = name.is_empty() || crate::strict::is_token(name);
    let starts = line.is_empty() || !name.is_empty();
    (starts && has_form && line.iter().all(is_value)).then_some(false)
}
