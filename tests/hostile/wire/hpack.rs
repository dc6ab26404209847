//! Header compression (RFC 7541): a whole decoder, and an encoder that writes what it is told.

use std::collections::VecDeque;

/// Length in bits of each symbol's code (RFC 7541 appendix B). The code is canonical, so the lengths
/// say it all.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The static table (RFC 7541 appendix A), from index 1.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// A field as it was received.
pub(crate) type Field = (Vec<u8>, Vec<u8>);

/// The code of every symbol with its length, in the order of the codes.
fn codes() -> Vec<(u32, u8, usize)> {
    let mut order: Vec<usize> = (0..LENGTHS.len()).collect();
    order.sort_by_key(|symbol| (LENGTHS[*symbol], *symbol));
    let (mut code, mut length) = (0u32, 0);
    let mut all = Vec::with_capacity(order.len());
    for symbol in order {
        code <<= LENGTHS[symbol] - length;
        length = LENGTHS[symbol];
        all.push((code, length, symbol));
        code += 1;
    }
    all
}

/// Huffman-codes a string, padded with `padding` after the last code.
pub(crate) fn huffman(text: &[u8]) -> Vec<u8> {
    let codes = codes();
    let (mut bits, mut count, mut out) = (0u64, 0u32, Vec::new());
    for byte in text {
        let found = codes
            .iter()
            .find(|(_, _, symbol)| *symbol == usize::from(*byte));
        let (code, length, _) = found.expect("every byte has a code");
        bits = bits << length | u64::from(*code);
        count += u32::from(*length);
        while count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    if count > 0 {
        out.push((bits << (8 - count)) as u8 | (0xff >> count));
    }
    out
}

fn unhuffman(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let codes = codes();
    let (mut code, mut length, mut out) = (0u32, 0u8, Vec::new());
    for byte in bytes {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            let place = codes.partition_point(|(other, bits, _)| (*bits, *other) < (length, code));
            match codes.get(place) {
                Some((found, bits, symbol)) if (*bits, *found) == (length, code) => {
                    out.push(u8::try_from(*symbol).map_err(|_| "EOS in a string")?);
                    (code, length) = (0, 0);
                }
                _ if length > 30 => return Err("no such code".to_owned()),
                _ => {}
            }
        }
    }
    let padding_is_ones = code == (1u32 << length) - 1;
    if length > 7 || !padding_is_ones {
        return Err("padding of a Huffman string".to_owned());
    }
    Ok(out)
}

/// An integer with a prefix (RFC 7541 5.1), the bits above it given.
pub(crate) fn integer(above: u8, prefix: u32, value: usize) -> Vec<u8> {
    let most = (1usize << prefix) - 1;
    if value < most {
        return vec![above | value as u8];
    }
    let mut out = vec![above | most as u8];
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 & 0x7f | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

fn raw(text: &[u8]) -> Vec<u8> {
    let mut out = integer(0, 7, text.len());
    out.extend(text);
    out
}

/// A literal that is not indexed, its name a literal too.
pub(crate) fn literal(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![0x00], raw(name.as_ref()), raw(value.as_ref())].concat()
}

/// A literal that is never indexed, on the hops behind this one either.
pub(crate) fn secret_literal(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![0x10], raw(name.as_ref()), raw(value.as_ref())].concat()
}

/// A literal that enters the dynamic table.
pub(crate) fn indexed_literal(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![0x40], raw(name.as_ref()), raw(value.as_ref())].concat()
}

/// A whole block of literals.
pub(crate) fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| literal(name, value))
        .collect()
}

/// A decoder with its dynamic table of 4096 bytes.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    table: VecDeque<Field>,
    limit: usize,
    /// Names of the fields of the last block that are never indexed (RFC 7541 6.2.3).
    pub(crate) secrets: Vec<String>,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            table: VecDeque::new(),
            limit: 4096,
            secrets: Vec::new(),
        }
    }

    /// Decodes one whole block.
    pub(crate) fn decode(&mut self, mut block: &[u8]) -> Result<Vec<Field>, String> {
        let mut fields = Vec::new();
        self.secrets.clear();
        while let Some(first) = block.first().copied() {
            match first {
                0x80.. => fields.push(self.at(take_integer(&mut block, 7)?)?),
                0x40.. => {
                    let field = self.literal(&mut block, 6)?;
                    self.insert(field.clone());
                    fields.push(field);
                }
                0x20.. => {
                    self.limit = take_integer(&mut block, 5)?;
                    if self.limit > 4096 || !fields.is_empty() {
                        return Err("size update out of place".to_owned());
                    }
                    self.shrink();
                }
                _ => {
                    let field = self.literal(&mut block, 4)?;
                    if first >= 0x10 {
                        let name = String::from_utf8_lossy(&field.0);
                        self.secrets.push(name.into_owned());
                    }
                    fields.push(field);
                }
            }
        }
        Ok(fields)
    }

    fn literal(&self, block: &mut &[u8], prefix: u32) -> Result<Field, String> {
        let name = match take_integer(block, prefix)? {
            0 => take_string(block)?,
            index => self.at(index)?.0,
        };
        Ok((name, take_string(block)?))
    }

    fn at(&self, index: usize) -> Result<Field, String> {
        if let Some((name, value)) = index.checked_sub(1).and_then(|at| STATIC.get(at)) {
            return Ok((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
        let place = index.checked_sub(STATIC.len() + 1);
        let found = place.and_then(|at| self.table.get(at)).cloned();
        found.ok_or_else(|| format!("index {index} is beyond the tables"))
    }

    fn insert(&mut self, field: Field) {
        self.table.push_front(field);
        self.shrink();
    }

    fn shrink(&mut self) {
        let size = |table: &VecDeque<Field>| -> usize {
            table
                .iter()
                .map(|(name, value)| name.len() + value.len() + 32)
                .sum()
        };
        while size(&self.table) > self.limit {
            self.table.pop_back();
        }
    }
}

fn take_integer(block: &mut &[u8], prefix: u32) -> Result<usize, String> {
    let most = (1usize << prefix) - 1;
    let mut value = usize::from(take(block, 1)?[0]) & most;
    if value < most {
        return Ok(value);
    }
    for shift in [0, 7, 14, 21] {
        let byte = take(block, 1)?[0];
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("an integer of more than four octets".to_owned())
}

fn take_string(block: &mut &[u8]) -> Result<Vec<u8>, String> {
    let coded = block.first().is_some_and(|byte| byte & 0x80 != 0);
    let length = take_integer(block, 7)?;
    let bytes = take(block, length)?;
    if coded {
        unhuffman(bytes)
    } else {
        Ok(bytes.to_vec())
    }
}

fn take<'b>(block: &mut &'b [u8], count: usize) -> Result<&'b [u8], String> {
    let (head, rest) = block
        .split_at_checked(count)
        .ok_or("the block ends too early")?;
    *block = rest;
    Ok(head)
}
