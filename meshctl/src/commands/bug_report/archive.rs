//! The archive of a report: POSIX's tar (ustar), packed by gzip while it is written. Knows nothing of
//! what is in it.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Everything is a multiple of it.
const BLOCK: usize = 512;
/// The longest path that a header has room for; longer ones stand before it, as GNU writes them.
const PATH: usize = 100;

/// An archive that is being written.
pub(super) struct Archive<W: Write> {
    out: GzEncoder<W>,
    /// Seconds since 1970 that every file has as its time.
    when: u64,
}

impl<W: Write> Archive<W> {
    /// One without files.
    pub(super) fn new(out: W, when: u64) -> Self {
        let out = GzEncoder::new(out, Compression::default());
        Self { out, when }
    }

    /// Adds a file, which its owner alone may read.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn add(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        if path.len() > PATH {
            let mut long = path.as_bytes().to_vec();
            long.push(0);
            self.entry("././@LongLink", b'L', &long)?;
        }
        let cut = (0..=PATH.min(path.len())).rfind(|at| path.is_char_boundary(*at));
        let name = cut.and_then(|cut| path.get(..cut)).unwrap_or_default();
        self.entry(name, b'0', bytes)
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn finish(mut self) -> io::Result<W> {
        // Two blocks of nothing are the end.
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.finish()
    }

    fn entry(&mut self, name: &str, kind: u8, bytes: &[u8]) -> io::Result<()> {
        let size = u64::try_from(bytes.len()).map_err(io::Error::other)?;
        self.out.write_all(&header(name, kind, size, self.when))?;
        self.out.write_all(bytes)?;
        let padding = bytes.len().next_multiple_of(BLOCK) - bytes.len();
        self.out.write_all(&vec![0; padding])
    }
}

fn header(name: &str, kind: u8, size: u64, when: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(BLOCK);
    text(&mut header, name, PATH);
    number(&mut header, 0o600, 8);
    number(&mut header, 0, 8); // User: whoever unpacks it.
    number(&mut header, 0, 8); // Group.
    number(&mut header, size, 12);
    number(&mut header, when, 12);
    let sum_at = header.len();
    header.extend(b"        "); // The checksum counts as spaces.
    header.push(kind);
    text(&mut header, "", PATH); // A link's target.
    header.extend(b"ustar\x0000");
    header.resize(BLOCK, 0);
    let sum: u64 = header.iter().copied().map(u64::from).sum();
    let sum = format!("{sum:06o}\0 ");
    for (place, byte) in header.iter_mut().skip(sum_at).zip(sum.bytes()) {
        *place = byte;
    }
    header
}

fn text(header: &mut Vec<u8>, text: &str, width: usize) {
    let end = header.len() + width;
    header.extend(text.bytes());
    header.resize(end, 0);
}

/// Octal, with zeros before it and one byte of nothing after it.
fn number(header: &mut Vec<u8>, number: u64, width: usize) {
    let digits = width - 1;
    header.extend(format!("{number:0digits$o}\0").bytes());
}

#[cfg(test)]
pub(super) mod tests;
