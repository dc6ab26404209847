//! Archives in the form of POSIX (ustar), the same bytes for the same content.

use anyhow::{Context, Result};
use tar::{Builder, EntryType, Header};

use super::{Content, Entry};

/// The archive of some content: owned by root, as old as time.
///
/// # Errors
/// When a path or the target of a link is too long for the form.
pub(crate) fn archive(content: &Content) -> Result<Vec<u8>> {
    let mut out = Builder::new(Vec::new());
    for (path, entry) in content.entries() {
        append(&mut out, path, entry).with_context(|| path.to_owned())?;
    }
    Ok(out.into_inner()?)
}

fn append(out: &mut Builder<Vec<u8>>, path: &str, entry: &Entry) -> Result<()> {
    let none: &[u8] = &[];
    let (kind, mode, bytes) = match entry {
        Entry::Folder { mode } => (EntryType::Directory, *mode, none),
        Entry::File { mode, bytes } => (EntryType::Regular, *mode, bytes.as_slice()),
        Entry::Link { .. } => (EntryType::Symlink, 0o777, none),
    };
    // What is not said here is zero.
    let mut header = Header::new_ustar();
    let slash = if kind.is_dir() { "/" } else { "" };
    header.set_path(format!("{path}{slash}"))?;
    if let Entry::Link { to } = entry {
        header.set_link_name_literal(to)?;
    }
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_device_major(0)?;
    header.set_device_minor(0)?;
    header.set_size(u64::try_from(bytes.len())?);
    header.set_cksum();
    Ok(out.append(&header, bytes)?)
}
