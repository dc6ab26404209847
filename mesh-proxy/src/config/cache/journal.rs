//! The file of a cache: every change since it was written anew, one behind the other.
//!
//! A line says whose it is; then come records, each behind its length and its checksum. What a process left unfinished at
//! its end is told by these and passed over.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use mesh_proto::Any;
use mesh_xds::Kind;
use mesh_xds::client::Upsert;
use prost::Message;
use xxhash_rust::xxh64::xxh64;

/// Name of the file, and of its successor while that is being written.
const FILE: &str = "config";
const NEXT: &str = "config.next";
/// Whoever has locked it owns the folder.
const LOCK: &str = "lock";
/// What the first line begins with; the number is the format's.
const MAGIC: &str = "mesh-proxy configuration 1 ";
/// Bytes of changes that are borne beside what is in force.
const SLACK: u64 = 1 << 20;
/// A longer file is not read.
const LONGEST: u64 = 256 << 20;

/// A change.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Record {
    /// Resources that are new or have changed.
    #[prost(message, repeated, tag = "1")]
    pub(super) upserts: Vec<Resource>,
    /// Resources that are no more, without content.
    #[prost(message, repeated, tag = "2")]
    pub(super) removals: Vec<Resource>,
    /// Whether all that the proxy needs has been there by now.
    #[prost(bool, tag = "3")]
    pub(super) whole: bool,
}

/// A resource.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(string, tag = "3")]
    pub(super) version: String,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) content: Vec<u8>,
}

/// What a file has, by type and name.
#[derive(Default)]
struct Contents {
    resources: BTreeMap<(Kind, String), Resource>,
    whole: bool,
}

/// An open file.
pub(super) struct Journal {
    folder: PathBuf,
    owner: String,
    file: File,
    _lock: File,
    /// Its length when it was written anew, and since.
    begun: u64,
    length: u64,
}

impl Journal {
    /// Opens the file of a folder for a proxy, and says what that proxy left there.
    pub(super) fn open(folder: &Path, owner: &str) -> io::Result<(Self, Vec<(Kind, Upsert)>)> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let lock = create(&folder.join(LOCK))?;
        lock.try_lock()
            .map_err(|error| io::Error::other(format!("another proxy has it: {error}")))?;
        let left = match read(&folder.join(FILE), owner) {
            Ok(contents) if contents.whole => contents,
            Ok(_) => Contents::default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Contents::default(),
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "what is left of the last run is not used");
                Contents::default()
            }
        };
        let (file, begun) = write_anew(folder, owner, &left)?;
        let journal = Self {
            folder: folder.to_owned(),
            owner: owner.to_owned(),
            file,
            _lock: lock,
            begun,
            length: begun,
        };
        let upserts = left.resources.into_iter();
        let upserts = upserts.map(|((kind, _), resource)| (kind, resource.into_upsert()));
        Ok((journal, upserts.collect()))
    }

    /// Writes a change behind the others.
    pub(super) fn append(&mut self, record: &Record) -> io::Result<()> {
        let bytes = framed(record)?;
        self.file.write_all(&bytes)?;
        self.length += bytes.len() as u64;
        if self.length > self.begun.saturating_mul(2).saturating_add(SLACK) {
            let contents = read(&self.folder.join(FILE), &self.owner)?;
            (self.file, self.begun) = write_anew(&self.folder, &self.owner, &contents)?;
            self.length = self.begun;
        }
        Ok(())
    }

    /// Takes the file away: what stands in it is not to be used.
    pub(super) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(self.folder.join(FILE))
    }
}

impl Resource {
    /// A resource with its content.
    pub(super) fn of(upsert: Upsert) -> Self {
        Self {
            type_url: upsert.any.type_url,
            name: upsert.name,
            version: upsert.version,
            content: upsert.any.value,
        }
    }

    /// A resource that is no more.
    pub(super) fn gone(kind: Kind, name: String) -> Self {
        Self {
            type_url: kind.type_url().to_owned(),
            name,
            ..Self::default()
        }
    }

    fn key(&self) -> Option<(Kind, String)> {
        Some((Kind::of(&self.type_url)?, self.name.clone()))
    }

    fn into_upsert(self) -> Upsert {
        Upsert {
            name: self.name,
            version: self.version,
            any: Any {
                type_url: self.type_url,
                value: self.content,
            },
        }
    }
}

impl Contents {
    fn take(&mut self, record: Record) {
        for resource in record.upserts {
            if let Some(key) = resource.key() {
                self.resources.insert(key, resource);
            }
        }
        for key in record.removals.iter().filter_map(Resource::key) {
            self.resources.remove(&key);
        }
        self.whole |= record.whole;
    }
}

/// Reads a file as far as it makes sense.
fn read(path: &Path, owner: &str) -> io::Result<Contents> {
    let length = std::fs::metadata(path)?.len();
    if length > LONGEST {
        return Err(io::Error::other(format!("{length} bytes are too many")));
    }
    let bytes = std::fs::read(path)?;
    let head = first_line(owner);
    let Some(mut rest) = bytes.strip_prefix(head.as_bytes()) else {
        return Err(io::Error::other(
            "it is of another proxy, or of another version",
        ));
    };
    let mut contents = Contents::default();
    while let Some((record, behind)) = next(rest) {
        contents.take(record);
        rest = behind;
    }
    if !rest.is_empty() {
        tracing::info!(
            bytes = rest.len(),
            "the last change was not written as a whole"
        );
    }
    Ok(contents)
}

/// The first record of some bytes, and what is behind it.
fn next(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (bytes, behind) = rest.split_at_checked(length)?;
    let same = xxh64(bytes, 0) == u64::from_be_bytes(*checksum);
    let record = same.then(|| Record::decode(bytes).ok())??;
    Some((record, behind))
}

/// A record as it stands in the file.
fn framed(record: &Record) -> io::Result<Vec<u8>> {
    let content = record.encode_to_vec();
    let length = u32::try_from(content.len()).map_err(io::Error::other)?;
    let checksum = xxh64(&content, 0);
    Ok([&length.to_be_bytes()[..], &checksum.to_be_bytes(), &content].concat())
}

/// Writes a file that has nothing but this, in place of the one that is there.
fn write_anew(folder: &Path, owner: &str, contents: &Contents) -> io::Result<(File, u64)> {
    let (path, next) = (folder.join(FILE), folder.join(NEXT));
    let mut file = create(&next)?;
    file.set_len(0)?;
    file.write_all(first_line(owner).as_bytes())?;
    for resource in contents.resources.values() {
        let record = Record {
            upserts: vec![resource.clone()],
            ..Record::default()
        };
        file.write_all(&framed(&record)?)?;
    }
    if contents.whole {
        let record = Record {
            whole: true,
            ..Record::default()
        };
        file.write_all(&framed(&record)?)?;
    }
    std::fs::rename(&next, &path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

/// Opens a file that nobody else reads.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).open(path)
}

fn first_line(owner: &str) -> String {
    format!("{MAGIC}{}\n", owner.escape_default())
}

#[cfg(test)]
mod tests;
