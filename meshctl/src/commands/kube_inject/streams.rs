//! Streams of manifests in and out, for the commands that rewrite them: data to standard output, one
//! line for each workload to standard error.

use mesh_api::decode::{self, documents};
use mesh_inject::{Outcome, Report, Rewritten, Source};
use serde_json::{Value, json};

use crate::cli::{Global, Output};
use crate::commands::apply::Files;
use crate::embedded::input;
use crate::error::CommandError;
use crate::ui::{Tone, Ui};

/// A text with the name of its file.
#[derive(Debug)]
pub(crate) struct Text {
    name: String,
    text: String,
}

impl Text {
    /// The text as what is to be rewritten.
    pub(crate) fn source<'a>(&'a self, namespace: &'a str) -> Source<'a> {
        Source {
            name: &self.name,
            text: &self.text,
            namespace,
        }
    }

    /// The values of its documents; those that cannot be read are left out.
    pub(crate) fn values(&self) -> Vec<Value> {
        values(&self.text)
    }
}

/// The namespace of objects that name none.
pub(crate) fn namespace(global: &Global) -> &str {
    let namespace = global.namespace.as_deref();
    namespace.unwrap_or(decode::DEFAULT_NAMESPACE)
}

/// Reads all files.
pub(crate) fn read(files: &Files, verb: &str) -> Result<Vec<Text>, CommandError> {
    if files.filename.is_empty() {
        let error = format!("{verb}: no file is named");
        let hint = "name one with -f FILE, or - for standard input";
        return Err(CommandError::usage(error).hint(hint));
    }
    let mut texts = Vec::new();
    for path in &files.filename {
        let files = if path.is_dir() {
            input::manifests_of(path)?
        } else {
            vec![path.clone()]
        };
        for file in files {
            let name = match file.to_str() {
                Some("-") => "standard input".to_owned(),
                _ => file.display().to_string(),
            };
            let text = input::text(&file)?;
            texts.push(Text { name, text });
        }
    }
    Ok(texts)
}

/// Prints what became of the streams: nothing of them when anything is wrong, because what follows
/// in a pipe would take half for the whole.
pub(crate) fn print(
    streams: Vec<(&Text, Rewritten)>,
    global: &Global,
    ui: &Ui,
) -> Result<(), CommandError> {
    let reports: Vec<&Report> = streams.iter().flat_map(|(_, made)| &made.reports).collect();
    reports.iter().for_each(|report| tell(report, ui));
    let wrong: Vec<String> = streams
        .iter()
        .flat_map(|(_, made)| made.errors())
        .map(ToString::to_string)
        .collect();
    if !wrong.is_empty() {
        let error = CommandError::problem(wrong.join("\n"));
        return Err(error.hint("nothing is printed before all of it can be used"));
    }
    if reports.is_empty() {
        ui.warning("there is no Deployment, Pod or other workload in it");
    }
    let texts = streams.iter().map(|(_, made)| made.text.as_str());
    match global.output {
        Output::Json => {
            let items: Vec<Value> = texts.flat_map(values).collect();
            ui.json(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
        }
        Output::Table | Output::Yaml => ui.raw(joined(texts).as_bytes()),
    }
    Ok(())
}

/// Several streams as one.
fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut all = String::new();
    for text in texts {
        if !all.is_empty() && !all.ends_with('\n') {
            all.push('\n');
        }
        if !all.is_empty() && !text.starts_with("---") {
            all.push_str("---\n");
        }
        all.push_str(text);
    }
    all
}

fn values(text: &str) -> Vec<Value> {
    let documents = documents::split(text);
    let values = documents.iter().map(documents::parse);
    values
        .filter_map(Result::ok)
        .filter(|value| !value.is_null())
        .collect()
}

fn tell(report: &Report, ui: &Ui) {
    let good = |text: &str| ui.err_paint(Tone::Good, &format!("√ {}: {text}", report.at));
    let not = |text: &str| format!("{} {}: {text}", ui.err_paint(Tone::Bad, "×"), report.at);
    let line = match &report.outcome {
        Outcome::Injected => good("injected"),
        Outcome::Uninjected => good("uninjected"),
        Outcome::Skipped(why) => not(&format!("not injected: {why}")),
        Outcome::Removed(why) => not(&format!("sidecar taken out: {why}")),
        Outcome::NotInjected => not("has no sidecar"),
        Outcome::Refused => not("cannot be injected as it is"),
    };
    ui.note(&line);
    let errors: Vec<_> = report.errors().collect();
    for finding in report.findings.iter().filter(|one| !errors.contains(one)) {
        let sign = ui.err_paint(Tone::Warn, "‼");
        ui.note(&format!("  {sign} {finding}"));
    }
}
