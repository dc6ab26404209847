//! The archive of a report: tar, packed by gzip while it is written. Knows nothing of what is in it.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

/// An archive that is being written.
pub(super) struct Archive<W: Write> {
    out: Builder<GzEncoder<W>>,
    /// Seconds since 1970 that every file has as its time.
    when: u64,
}

impl<W: Write> Archive<W> {
    /// One without files.
    pub(super) fn new(out: W, when: u64) -> Self {
        let out = Builder::new(GzEncoder::new(out, Compression::default()));
        Self { out, when }
    }

    /// Adds a file, which its owner alone may read: whoever unpacks it. A path may be longer than
    /// POSIX's form has room for; it then stands before the file, as GNU writes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn add(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_size(u64::try_from(bytes.len()).map_err(io::Error::other)?);
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.when);
        self.out.append_data(&mut header, path, bytes)
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn finish(self) -> io::Result<W> {
        self.out.into_inner()?.finish()
    }
}

#[cfg(test)]
pub(super) mod tests;
