//! Collects what a report is made of: several answers at once, each and all of them within bounds of
//! size and time, what fails noted beside what does not.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::StreamExt;
use serde_json::{Value, json};

use super::archive::Archive;
use super::redact::Redactor;
use crate::embedded::config::yaml;
use crate::error::CommandError;
use crate::ui::Ui;

/// How much is asked for at once.
const AT_ONCE: usize = 8;
/// How long one answer may take, whoever gives it.
const PATIENCE: Duration = Duration::from_secs(40);
/// The most of one file; of logs their end is kept, of everything else the beginning.
const FILE: usize = 16 << 20;
/// The most of all files together, before they are packed.
const ALL: usize = 512 << 20;
/// After how many files a long part tells how far it is.
const STEP: usize = 100;

/// What an answer is, which says how it is redacted and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A page of JSON, or of text where it is none.
    Page,
    /// Objects of Kubernetes in JSON, written as YAML; an empty list is not worth a file.
    Objects,
    /// A log: what was said last matters most.
    Log,
}

/// What comes of asking; nothing where there is nothing to be had, which is no failure.
pub(super) type Answer = Result<Option<Bytes>, CommandError>;

/// A file of the archive, and how it is got.
pub(super) struct Item<'a> {
    path: String,
    form: Form,
    work: LocalBoxFuture<'a, Answer>,
}

impl<'a> Item<'a> {
    /// A file that some work answers with.
    pub(super) fn new(
        path: impl Into<String>,
        form: Form,
        work: impl Future<Output = Answer> + 'a,
    ) -> Self {
        Self {
            path: path.into(),
            form,
            work: Box::pin(work),
        }
    }

    /// Where it will be.
    #[cfg(test)]
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

/// Something that the archive should have and has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// Which file.
    pub(super) path: String,
    /// Why.
    pub(super) why: String,
}

/// A report that is being collected.
pub(super) struct Collection<'a, W: Write> {
    archive: Archive<W>,
    /// The folder in the archive that holds everything.
    folder: String,
    redactor: Redactor,
    ui: &'a Ui,
    /// Ends when no more may be asked, with the reason.
    end: LocalBoxFuture<'a, &'static str>,
    /// Why no more is asked.
    over: Option<&'static str>,
    room: usize,
    files: usize,
    missing: Vec<Missing>,
}

impl<'a, W: Write> Collection<'a, W> {
    /// Into `archive`, until `end` says why not longer.
    pub(super) fn new(
        archive: Archive<W>,
        folder: &str,
        ui: &'a Ui,
        end: impl Future<Output = &'static str> + 'a,
    ) -> Self {
        Self {
            archive,
            folder: folder.to_owned(),
            redactor: Redactor::new(),
            ui,
            end: Box::pin(end),
            over: None,
            room: ALL,
            files: 0,
            missing: Vec::new(),
        }
    }

    /// Waits for something that files depend on, unless it is over before.
    pub(super) async fn wait<T>(
        &mut self,
        what: &str,
        work: impl Future<Output = Result<T, CommandError>>,
    ) -> Option<T> {
        let why = match self.over {
            Some(over) => over.to_owned(),
            None => tokio::select! {
                done = tokio::time::timeout(PATIENCE, work) => match done {
                    Ok(Ok(done)) => return Some(done),
                    Ok(Err(error)) => error.error,
                    Err(_) => format!("no answer within {PATIENCE:?}"),
                },
                over = &mut self.end => {
                    self.over = Some(over);
                    over.to_owned()
                }
            },
        };
        self.lacks(what, why);
        None
    }

    /// Collects files that belong together.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub(super) async fn part(
        &mut self,
        name: &str,
        items: Vec<Item<'a>>,
    ) -> Result<(), CommandError> {
        let (files, missing) = (self.files, self.missing.len());
        let mut pending: BTreeSet<String> = items.iter().map(|one| one.path.clone()).collect();
        let all = pending.len();
        let asked = items.into_iter().map(|item| async move {
            let answer = tokio::time::timeout(PATIENCE, item.work).await;
            let late = || CommandError::unreachable(format!("no answer within {PATIENCE:?}"));
            let answer = answer.unwrap_or_else(|_| Err(late()));
            (item.path, item.form, answer)
        });
        let mut answers = futures_util::stream::iter(asked).buffer_unordered(AT_ONCE);
        while self.over.is_none() {
            let answered = tokio::select! {
                answered = answers.next() => answered,
                over = &mut self.end => {
                    self.over = Some(over);
                    break;
                }
            };
            let Some((path, form, answer)) = answered else {
                break;
            };
            pending.remove(&path);
            let done = all - pending.len();
            if done.is_multiple_of(STEP) && done < all {
                self.ui.note(&format!("  {name}: {done} of {all}"));
            }
            match answer {
                Ok(Some(bytes)) => self.take(&path, form, &bytes)?,
                Ok(None) => {}
                Err(error) => self.lacks(&path, error.error),
            }
        }
        let over = self.over.unwrap_or_default();
        for path in pending {
            self.lacks(&path, over.to_owned());
        }
        let (files, missing) = (self.files - files, self.missing.len() - missing);
        let (sign, lost) = match missing {
            0 => ("√", String::new()),
            some => ("‼", format!(", {some} missing")),
        };
        let files = crate::commands::check::count(files, "file");
        self.ui.note(&format!("{sign} {name}: {files}{lost}"));
        Ok(())
    }

    /// Notes that something is missing.
    pub(super) fn lacks(&mut self, path: &str, why: String) {
        let path = path.to_owned();
        self.missing.push(Missing { path, why });
    }

    /// Adds the summary, ends the archive, and says what it has not.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn finish(mut self, about: Value) -> Result<(W, usize, Vec<Missing>), CommandError> {
        let missing = self.missing.iter();
        let lines: String = missing
            .map(|one| format!("{}: {}\n", one.path, one.why))
            .collect();
        if !lines.is_empty() {
            let lines = self.redactor.text(&lines);
            self.add("missing.txt", lines.as_bytes())?;
        }
        let summary = json!({
            "about": about,
            "complete": self.missing.is_empty(),
            "files": self.files,
            "missing": self.missing.len(),
        });
        self.add("summary.json", format!("{summary:#}\n").as_bytes())?;
        let out = self.archive.finish().map_err(CommandError::problem)?;
        Ok((out, self.files, self.missing))
    }

    fn take(&mut self, path: &str, form: Form, bytes: &[u8]) -> Result<(), CommandError> {
        let Some(text) = self.printed(form, bytes) else {
            return Ok(());
        };
        if text.len() > self.room {
            self.lacks(path, format!("more than {ALL} bytes in all"));
            return Ok(());
        }
        let kept = bounded(&text, form);
        if kept.len() < text.len() {
            let lost = text.len() - kept.len();
            self.lacks(path, format!("{lost} bytes of it: more than {FILE}"));
        }
        self.room -= kept.len();
        self.add(path, kept.as_bytes())
    }

    fn add(&mut self, path: &str, bytes: &[u8]) -> Result<(), CommandError> {
        self.files += 1;
        let path = format!("{}/{path}", self.folder);
        self.archive
            .add(&path, bytes)
            .map_err(CommandError::problem)
    }

    /// The redacted text of an answer.
    fn printed(&self, form: Form, bytes: &[u8]) -> Option<String> {
        let as_text = || self.redactor.text(&String::from_utf8_lossy(bytes));
        let Ok(mut value) = serde_json::from_slice::<Value>(bytes) else {
            return Some(as_text());
        };
        match form {
            Form::Log => Some(as_text()),
            Form::Page => {
                self.redactor.page(&mut value);
                Some(format!("{value:#}\n"))
            }
            Form::Objects => {
                let items = value.get("items").and_then(Value::as_array);
                if items.is_some_and(Vec::is_empty) {
                    return None;
                }
                self.redactor.object(&mut value);
                Some(yaml(&value).unwrap_or_else(|_| format!("{value:#}\n")))
            }
        }
    }
}

/// As much of a text as a file may have.
fn bounded(text: &str, form: Form) -> &str {
    if text.len() <= FILE {
        return text;
    }
    let kept = match form {
        Form::Log => {
            let from = text.len() - FILE;
            let from = (from..text.len()).find(|at| text.is_char_boundary(*at));
            from.and_then(|from| text.get(from..))
        }
        Form::Page | Form::Objects => {
            let to = (0..=FILE).rfind(|at| text.is_char_boundary(*at));
            to.and_then(|to| text.get(..to))
        }
    };
    kept.unwrap_or_default()
}

#[cfg(test)]
mod tests;
