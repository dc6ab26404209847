//! Keeps the logs of a mesh within bounds while it runs.
//!
//! A process writes to its log by a descriptor of its own, which no rename takes away from it. So
//! the content moves to the file ending in `.old`, and the log itself is emptied; it is open for
//! appending, so that the next line goes to its beginning. What a process writes in the instant
//! between the last copy and the emptying is lost.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::embedded::state_dir::{self, StateDir};

/// A log that is larger moves to `.old`, which keeps as much of its end.
const LIMIT: u64 = 8 * 1024 * 1024;
/// How often the logs are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Looks at all logs from time to time.
pub(super) async fn keep(dir: StateDir, stopping: CancellationToken) {
    let folder = dir.path("logs");
    loop {
        let pause = tokio::time::sleep(EVERY);
        if stopping.run_until_cancelled(pause).await.is_none() {
            return;
        }
        for log in state_dir::files(&folder).unwrap_or_default() {
            if log.extension().is_none_or(|end| end != "log") {
                continue;
            }
            if let Err(error) = turn_over(&log, LIMIT) {
                tracing::warn!(log = %log.display(), %error, "log not turned over");
            }
        }
    }
}

/// Moves the content of a log that is larger than `limit`; says whether it was.
fn turn_over(log: &Path, limit: u64) -> io::Result<bool> {
    let size = match fs::metadata(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        meta => meta?.len(),
    };
    if size <= limit {
        return Ok(false);
    }
    let mut from = OpenOptions::new().read(true).write(true).open(log)?;
    // The dot keeps a copy that is not whole out of sight.
    let name = log.file_name().unwrap_or_default().to_string_lossy();
    let fresh = log.with_file_name(format!(".{name}.old.new"));
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut to = options.open(&fresh)?;
    from.seek(SeekFrom::Start(size - limit))?;
    skip_line(&mut from, limit)?;
    // What is added during a copy is copied by the next one.
    while io::copy(&mut from, &mut to)? > 0 {}
    from.set_len(0)?;
    fs::rename(&fresh, log.with_extension("log.old"))?;
    Ok(true)
}

/// Goes to the beginning of the next line, so that the copy has whole ones; a line that is longer
/// than all that is kept is cut.
fn skip_line(file: &mut File, limit: u64) -> io::Result<()> {
    let start = file.stream_position()?;
    let mut piece = [0; 4096];
    let mut looked = 0;
    while looked < limit {
        let read = file.read(&mut piece)?;
        let found = piece.iter().take(read).position(|byte| *byte == b'\n');
        if let Some(at) = found {
            file.seek(SeekFrom::Start(start + looked + at as u64 + 1))?;
            return Ok(());
        }
        if read == 0 {
            break;
        }
        looked += read as u64;
    }
    file.seek(SeekFrom::Start(start))?;
    Ok(())
}

#[cfg(test)]
mod tests;
