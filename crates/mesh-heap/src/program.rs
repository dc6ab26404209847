//! The pages of the program that are mapped and not needed.
//!
//! A page of the program is mapped when it runs, and its neighbours with it, 64 KiB at a time: after a start,
//! of which most never runs again, nearly all of it is. Taken out again, only what runs comes back, from the page
//! cache, a microsecond for sixteen pages. Libraries are left alone: they are small, what of them runs once in an hour
//! would look like growth, and other programs have them mapped anyway.

use std::io;
use std::path::Path;

/// Takes all pages of the program out of the process that are as they are in its file; says how many bytes of
/// addresses that were.
///
/// # Errors
/// When the kernel does not tell what is mapped.
pub fn forget() -> io::Result<usize> {
    let program = std::fs::read_link("/proc/self/exe")?;
    let smaps = std::fs::read_to_string("/proc/self/smaps")?;
    let of_program = unwritten(&smaps).filter(|one| Path::new(one.file) == program);
    let forgotten = of_program.filter(|mapping| forget_one(*mapping));
    Ok(forgotten.map(|mapping| mapping.bytes).sum())
}

/// A part of a file that is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mapping<'a> {
    start: usize,
    bytes: usize,
    file: &'a str,
}

/// Parts of files that cannot be written and never were: relocated pages and those with a breakpoint are
/// anonymous by then.
fn unwritten(smaps: &str) -> impl Iterator<Item = Mapping<'_>> {
    let mut readable = None;
    smaps.lines().filter_map(move |line| {
        match line.strip_prefix("Anonymous:") {
            Some(size) => return readable.take().filter(|_| size.trim() == "0 kB"),
            None if line.starts_with(|c: char| c.is_ascii_uppercase()) => {}
            None => readable = of_file(line),
        }
        None
    })
}

/// `55d0c0a00000-55d0c0b00000 r-xp 00100000 fe:00 1234  /usr/bin/program`: a private mapping of a file that is
/// not writable.
fn of_file(line: &str) -> Option<Mapping<'_>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let rights = words.next()?;
    let file = words.nth(3)?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let fits = matches!(rights, "r-xp" | "r--p") && file.starts_with('/');
    fits.then_some(Mapping {
        start,
        bytes: end.checked_sub(start)?,
        file,
    })
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe crate has this call")]
fn forget_one(mapping: Mapping<'_>) -> bool {
    let start = std::ptr::with_exposed_provenance_mut(mapping.start);
    // SAFETY: the addresses are of a private mapping of a file, not writable, of which no page differs from the
    // file: the kernel has just said so. The file is the program's own, which stays mapped as long as it runs. What is
    // dropped is read again from the file when it is touched, and so nobody sees a difference.
    unsafe { libc::madvise(start, mapping.bytes, libc::MADV_DONTNEED) == 0 }
}

#[cfg(not(target_os = "linux"))]
const fn forget_one(_: Mapping<'_>) -> bool {
    false
}

#[cfg(test)]
mod tests;
