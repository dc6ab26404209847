//! How a command fails: whose fault it is, what happened, and what to do about it.

use std::fmt;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

/// What a failure means to a script; docs/cli.md lists the codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something is wrong with what was asked for, or with the mesh: exit code 1.
    Problem,
    /// The command line cannot be understood: exit code 2.
    Usage,
    /// The mesh does not answer: exit code 3.
    Unreachable,
}

impl Kind {
    /// The exit code of this kind.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Problem => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
        }
    }

    /// The kind of an exit code; what is not known counts as a problem.
    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            2 => Self::Usage,
            3 => Self::Unreachable,
            _ => Self::Problem,
        }
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandError {
    /// Whose fault it is.
    pub(crate) kind: Kind,
    /// What happened, one line per finding, without a full stop.
    pub(crate) error: String,
    /// Ways out, each a line of its own.
    pub(crate) hints: Vec<String>,
}

impl CommandError {
    /// Something is wrong with the input or the mesh.
    pub(crate) fn problem(error: impl fmt::Display) -> Self {
        Self::new(Kind::Problem, error)
    }

    /// The command line makes no sense.
    pub(crate) fn usage(error: impl fmt::Display) -> Self {
        Self::new(Kind::Usage, error)
    }

    /// The mesh does not answer.
    pub(crate) fn unreachable(error: impl fmt::Display) -> Self {
        Self::new(Kind::Unreachable, error)
    }

    fn new(kind: Kind, error: impl fmt::Display) -> Self {
        Self {
            kind,
            error: error.to_string(),
            hints: Vec::new(),
        }
    }

    /// Adds a way out.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.code())
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for CommandError {}

/// Adds the path to an error of the file system.
pub(crate) fn at_path(path: &Path, error: &std::io::Error) -> CommandError {
    let what = match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    let problem = CommandError::problem(format!("{}: {what}", path.display()));
    if error.kind() != ErrorKind::PermissionDenied {
        return problem;
    }
    let way_out = "be its owner, or name another path";
    match path.ancestors().find_map(owner_and_mode) {
        Some(who) => problem.hint(format!("{who}: {way_out}")),
        None => problem.hint(way_out),
    }
}

/// Whose a path is, if it can be seen: a folder in between may hide what is below it.
fn owner_and_mode(path: &Path) -> Option<String> {
    let path = match path {
        empty if empty == Path::new("") => Path::new("."),
        path => path,
    };
    let meta = std::fs::metadata(path).ok()?;
    let (owner, mode) = (meta.uid(), meta.mode() & 0o7777);
    let you = rustix::process::geteuid().as_raw();
    Some(format!(
        "{} belongs to user {owner} (mode {mode:04o}), you are user {you}",
        path.display()
    ))
}

#[cfg(test)]
mod tests;
