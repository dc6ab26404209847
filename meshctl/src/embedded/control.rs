//! The control socket of a local mesh: one JSON line asks, one JSON line answers.
//!
//! Both ends are here. Every line carries the version of the contract; a line that the other side
//! does not understand is answered with an error, never guessed at.

use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::state_dir::{StateDir, VERSION};
use super::status::Status;
use crate::error::{CommandError, Kind, at_path};

/// The longest line that is read.
const LONGEST_LINE: u64 = 1 << 20;
/// How long the supervisor may take to answer; `start` waits for readiness.
const PATIENCE: Duration = Duration::from_secs(60);

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub(crate) enum Verb {
    /// What runs.
    Status,
    /// Hold down what has this name.
    Stop(Target),
    /// Bring back what has this name, and answer when it is ready.
    Start(Target),
    /// Bring back what has this name, and answer at once.
    Begin(Target),
    /// End the mesh.
    Down,
}

/// Which processes are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    /// A pod, a Deployment or a component.
    pub(crate) name: String,
    /// The namespace of the pod or Deployment; every one when absent.
    pub(crate) namespace: Option<String>,
}

/// A request with the version of its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Version of the contract.
    pub(crate) version: u64,
    /// What is asked.
    #[serde(flatten)]
    pub(crate) verb: Verb,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// What runs.
    Status(Status),
    /// What was stopped or started.
    Done(Vec<String>),
    /// Why not.
    Failed {
        /// What happened.
        error: String,
        /// Ways out.
        hints: Vec<String>,
        /// The exit code.
        code: u8,
    },
}

impl From<CommandError> for Answer {
    fn from(error: CommandError) -> Self {
        let code = error.kind.code();
        Self::Failed {
            error: error.error,
            hints: error.hints,
            code,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Reply {
    version: u64,
    answer: Answer,
}

/// Opens the socket of a supervisor.
///
/// # Errors
/// When it cannot be bound.
pub(crate) fn listen(dir: &StateDir) -> Result<UnixListener, CommandError> {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.path("run/control.sock");
    super::state_dir::remove(&path)?;
    let short = ShortPath::of(dir)?;
    let listener = UnixListener::bind(&short.path).map_err(|error| at_path(&path, &error))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| at_path(&path, &error))?;
    Ok(listener)
}

/// Reads the request of a connection.
///
/// # Errors
/// When there is none, or one of another version.
pub(crate) async fn receive(stream: &mut UnixStream) -> Result<Verb, CommandError> {
    let line = read_line(stream).await.map_err(CommandError::problem)?;
    let request: Request = serde_json::from_str(&line)
        .map_err(|error| CommandError::problem(format!("request not understood: {error}")))?;
    if request.version == VERSION {
        Ok(request.verb)
    } else {
        let version = request.version;
        Err(CommandError::problem(format!(
            "the supervisor speaks version {VERSION}, not {version}"
        ))
        .hint("use the meshctl that started the mesh"))
    }
}

/// Sends an answer; whoever does not wait for it any more misses it.
pub(crate) async fn reply(stream: &mut UnixStream, answer: Answer) {
    let reply = Reply {
        version: VERSION,
        answer,
    };
    let line = serde_json::to_string(&reply).unwrap_or_default();
    drop(stream.write_all(format!("{line}\n").as_bytes()).await);
}

/// Asks the supervisor of a state folder.
///
/// # Errors
/// That no mesh runs there, that it does not answer, or what it refuses.
pub(crate) async fn ask(dir: &StateDir, verb: Verb) -> Result<Answer, CommandError> {
    let (answer, _) = connect_and_ask(dir, verb).await?;
    Ok(answer)
}

/// Asks the supervisor to end, and waits until it has.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn ask_to_end(dir: &StateDir) -> Result<(), CommandError> {
    let (_, mut stream) = connect_and_ask(dir, Verb::Down).await?;
    // The supervisor holds the connection until everything has ended.
    let mut rest = [0; 64];
    let ended = async { while matches!(stream.read(&mut rest).await, Ok(read) if read > 0) {} };
    timed(ended).await
}

async fn connect_and_ask(dir: &StateDir, verb: Verb) -> Result<(Answer, UnixStream), CommandError> {
    dir.summary()?;
    let mut stream = connect(dir).await?;
    let request = Request {
        version: VERSION,
        verb,
    };
    let line = serde_json::to_string(&request).unwrap_or_default();
    let exchange = async {
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        read_line(&mut stream).await
    };
    let line = timed(exchange).await?.map_err(|error| {
        CommandError::unreachable(format!(
            "the mesh in {} does not answer: {error}",
            dir.root().display()
        ))
    })?;
    let reply: Reply = serde_json::from_str(&line)
        .map_err(|error| CommandError::unreachable(format!("answer not understood: {error}")))?;
    match reply.answer {
        Answer::Failed { error, hints, code } => Err(CommandError {
            kind: Kind::from_code(code),
            error,
            hints,
        }),
        answer => Ok((answer, stream)),
    }
}

async fn connect(dir: &StateDir) -> Result<UnixStream, CommandError> {
    let none = || {
        CommandError::unreachable(format!("no mesh is running in {}", dir.root().display()))
            .hint("start one with `meshctl up -f DIR`, or name its folder with --state DIR")
    };
    let short = ShortPath::of(dir).map_err(|_| none())?;
    UnixStream::connect(&short.path).await.map_err(|_| none())
}

async fn timed<T>(work: impl Future<Output = T>) -> Result<T, CommandError> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| {
        CommandError::unreachable(format!(
            "the mesh did not answer within {} s",
            PATIENCE.as_secs()
        ))
    })
}

async fn read_line(stream: &mut UnixStream) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST_LINE))
        .read_line(&mut line)
        .await?;
    if line.ends_with('\n') {
        Ok(line)
    } else {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}

/// The socket by way of its folder's descriptor: a socket's path has room for 107 bytes only, and
/// state folders may lie deep.
struct ShortPath {
    path: PathBuf,
    _folder: std::fs::File,
}

impl ShortPath {
    fn of(dir: &StateDir) -> Result<Self, CommandError> {
        let folder = dir.path("run");
        let opened = std::fs::File::open(&folder).map_err(|error| at_path(&folder, &error))?;
        let path = format!("/proc/self/fd/{}/control.sock", opened.as_raw_fd()).into();
        Ok(Self {
            path,
            _folder: opened,
        })
    }
}
