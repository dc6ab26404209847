//! Archives in the form of POSIX (ustar), the same bytes for the same content.

use anyhow::{Context, Result, ensure};

use super::{Content, Entry};

/// Everything is a multiple of it.
const BLOCK: usize = 512;

/// The archive of some content: owned by root, as old as time.
pub(crate) fn archive(content: &Content) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for (path, entry) in content.entries() {
        append(&mut out, path, entry).with_context(|| path.to_owned())?;
    }
    // Two blocks of nothing are the end.
    out.resize(out.len() + 2 * BLOCK, 0);
    Ok(out)
}

fn append(out: &mut Vec<u8>, path: &str, entry: &Entry) -> Result<()> {
    let none = Vec::new();
    let (kind, mode, to, bytes) = match entry {
        Entry::Folder { mode } => (b'5', *mode, "", &none),
        Entry::File { mode, bytes } => (b'0', *mode, "", bytes),
        Entry::Link { to } => (b'2', 0o777, to.as_str(), &none),
    };
    let slash = if kind == b'5' { "/" } else { "" };
    out.extend(header(
        &format!("{path}{slash}"),
        kind,
        mode,
        to,
        bytes.len(),
    )?);
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    Ok(())
}

fn header(path: &str, kind: u8, mode: u32, to: &str, size: usize) -> Result<Vec<u8>> {
    let (prefix, name) = split(path)?;
    ensure!(
        to.len() <= 100,
        "the link's target is too long for the format"
    );
    let mut header = Vec::with_capacity(BLOCK);
    text(&mut header, name, 100);
    number(&mut header, u64::from(mode), 8);
    number(&mut header, 0, 8); // User: root.
    number(&mut header, 0, 8); // Group: root.
    number(&mut header, u64::try_from(size)?, 12);
    number(&mut header, 0, 12); // Time of the last change.
    let sum_at = header.len();
    header.extend(b"        "); // The checksum counts as spaces.
    header.push(kind);
    text(&mut header, to, 100);
    header.extend(b"ustar\x0000");
    text(&mut header, "", 32); // The user's name.
    text(&mut header, "", 32); // The group's name.
    number(&mut header, 0, 8); // A device's numbers.
    number(&mut header, 0, 8);
    text(&mut header, prefix, 155);
    header.resize(BLOCK, 0);
    let sum: u64 = header.iter().copied().map(u64::from).sum();
    let sum = format!("{sum:06o}\0 ");
    for (place, byte) in header.iter_mut().skip(sum_at).zip(sum.bytes()) {
        *place = byte;
    }
    Ok(header)
}

/// A long path is cut in two at a slash.
fn split(path: &str) -> Result<(&str, &str)> {
    if path.len() <= 100 {
        return Ok(("", path));
    }
    let slashes = path.match_indices('/').map(|(at, _)| at);
    let mut cuts = slashes.filter_map(|at| Some((path.get(..at)?, path.get(at + 1..)?)));
    let fits = cuts.find(|(prefix, name)| prefix.len() <= 155 && (1..=100).contains(&name.len()));
    fits.context("the path is too long for the format")
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
