//! The only writer to the terminal: data to standard output, everything else to standard error.
//!
//! Colours appear only on a terminal, and never when `NO_COLOR` is set. A reader that went away
//! (`meshctl get | head`) is not an error.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::error::CommandError;

pub(crate) mod table;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a piece of text means; the only colours there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// Stands out.
    Strong,
    /// Stands back.
    Faint,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "1;31",
            Self::Strong => "1",
            Self::Faint => "2",
        }
    }
}

/// Where messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sink {
    /// A person or a pipe.
    Streams,
    /// The meshctl that started this one in the background; it reads JSON lines.
    Parent,
}

/// The two streams of a command.
#[derive(Debug, Clone)]
pub(crate) struct Ui {
    out_colors: bool,
    err_colors: bool,
    sink: Sink,
}

impl Ui {
    /// Looks at the streams and the environment once.
    pub(crate) fn new(color: Color) -> Self {
        let plain = mesh_runtime::settings::environment("NO_COLOR").is_some();
        let colors = |terminal: bool| match color {
            Color::Auto => terminal && !plain,
            Color::Always => true,
            Color::Never => false,
        };
        Self {
            out_colors: colors(std::io::stdout().is_terminal()),
            err_colors: colors(std::io::stderr().is_terminal()),
            sink: Sink::Streams,
        }
    }

    /// The same for a process in the background: messages become JSON lines for the parent.
    pub(crate) fn for_parent() -> Self {
        Self {
            out_colors: false,
            err_colors: false,
            sink: Sink::Parent,
        }
    }

    /// Prints data.
    pub(crate) fn data(&self, text: &str) {
        match self.sink {
            Sink::Streams => out(text),
            Sink::Parent => out(&json!({"data": text}).to_string()),
        }
    }

    /// Prints data that may not end in a line's end.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let mut stream = std::io::stdout().lock();
        ignore_closed(stream.write_all(bytes).and_then(|()| stream.flush()));
    }

    /// Prints a value as indented JSON.
    pub(crate) fn json(&self, value: &Value) {
        self.data(&format!("{value:#}"));
    }

    /// Tells what is going on.
    pub(crate) fn note(&self, text: &str) {
        match self.sink {
            Sink::Streams => err(text),
            Sink::Parent => out(&json!({"note": text}).to_string()),
        }
    }

    /// Tells of something that the user should know but that stops nothing.
    pub(crate) fn warning(&self, text: &str) {
        match self.sink {
            Sink::Streams => err(&format!(
                "{} {text}",
                self.err_paint(Tone::Warn, "warning:")
            )),
            Sink::Parent => out(&json!({"warning": text}).to_string()),
        }
    }

    /// Prints a failure and its ways out.
    pub(crate) fn error(&self, error: &CommandError) {
        if self.sink == Sink::Parent {
            let line =
                json!({"error": error.error, "hints": error.hints, "code": error.kind.code()});
            out(&line.to_string());
            return;
        }
        for line in error.error.lines() {
            err(&format!("{} {line}", self.err_paint(Tone::Bad, "error:")));
        }
        for hint in &error.hints {
            err(&format!("{} {hint}", self.err_paint(Tone::Good, "hint:")));
        }
    }

    /// Colours text for standard output.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        paint(self.out_colors, tone, text)
    }

    /// Colours text for standard error.
    pub(crate) fn err_paint(&self, tone: Tone, text: &str) -> String {
        paint(self.err_colors, tone, text)
    }
}

fn paint(colors: bool, tone: Tone, text: &str) -> String {
    if colors {
        format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
    } else {
        text.to_owned()
    }
}

/// Prints what the parser of the command line has to say: help, version or a mistake.
pub(crate) fn print_usage(problem: &clap::Error) -> ExitCode {
    ignore_closed(problem.print());
    ExitCode::from(u8::try_from(problem.exit_code()).unwrap_or(2))
}

fn out(text: &str) {
    let mut stream = std::io::stdout().lock();
    ignore_closed(writeln!(stream, "{text}").and_then(|()| stream.flush()));
}

fn err(text: &str) {
    ignore_closed(writeln!(std::io::stderr().lock(), "{text}"));
}

/// A stream that cannot be written leaves nobody to tell.
fn ignore_closed(written: std::io::Result<()>) {
    drop(written);
}
