//! What checks found, in linkerd's form. Pure.

use serde_json::{Value, json};

use crate::error::CommandError;
use crate::ui::{Tone, Ui};

/// All that was asked.
#[derive(Debug, Default)]
pub(crate) struct Report {
    categories: Vec<Category>,
}

/// Questions that belong together.
#[derive(Debug)]
pub(crate) struct Category {
    name: &'static str,
    checks: Vec<Check>,
}

/// One question, as the promise that should hold.
#[derive(Debug)]
struct Check {
    what: String,
    result: Outcome,
    why: String,
    hint: String,
}

/// Whether a promise holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Good,
    Warning,
    Bad,
}

impl Outcome {
    fn sign(self) -> &'static str {
        match self {
            Self::Good => "√",
            Self::Warning => "‼",
            Self::Bad => "×",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Good => Tone::Good,
            Self::Warning => Tone::Warn,
            Self::Bad => Tone::Bad,
        }
    }

    /// linkerd's words.
    fn word(self) -> &'static str {
        match self {
            Self::Good => "success",
            Self::Warning => "warning",
            Self::Bad => "error",
        }
    }
}

impl Report {
    /// Begins a category.
    pub(crate) fn category(&mut self, name: &'static str) -> &mut Category {
        let checks = Vec::new();
        self.categories.push_mut(Category { name, checks })
    }

    /// For people.
    pub(crate) fn text(&self, ui: &Ui) -> String {
        let mut text = String::new();
        for category in &self.categories {
            let line = "-".repeat(category.name.chars().count());
            let name = ui.paint(Tone::Strong, category.name);
            text.push_str(&format!("{name}\n{line}\n"));
            for check in &category.checks {
                let sign = ui.paint(check.result.tone(), check.result.sign());
                text.push_str(&format!("{sign} {}\n", check.what));
                let more = [("", &check.why), ("hint: ", &check.hint)];
                for (word, more) in more.iter().filter(|(_, more)| !more.is_empty()) {
                    for line in more.lines() {
                        text.push_str(&format!("    {word}{line}\n"));
                    }
                }
            }
            text.push('\n');
        }
        let whole = self.worst();
        let sign = ui.paint(whole.tone(), whole.sign());
        text.push_str(&format!("Status check results are {sign}"));
        text
    }

    /// For scripts.
    pub(crate) fn to_json(&self) -> Value {
        let categories = self.categories.iter().map(|category| {
            let checks = category.checks.iter().map(|check| {
                json!({
                    "description": check.what,
                    "result": check.result.word(),
                    "error": check.why,
                    "hint": check.hint,
                })
            });
            json!({"categoryName": category.name, "checks": checks.collect::<Vec<_>>()})
        });
        json!({
            "success": self.worst() != Outcome::Bad,
            "categories": categories.collect::<Vec<_>>(),
        })
    }

    /// Fails when anything is wrong.
    ///
    /// # Errors
    /// With how many promises do not hold.
    pub(crate) fn verdict(&self) -> Result<(), CommandError> {
        let checks = self.categories.iter().flat_map(|category| &category.checks);
        match checks.filter(|check| check.result == Outcome::Bad).count() {
            0 => Ok(()),
            1 => Err(CommandError::problem("1 check failed")),
            several => Err(CommandError::problem(format!("{several} checks failed"))),
        }
    }

    fn worst(&self) -> Outcome {
        let checks = self.categories.iter().flat_map(|category| &category.checks);
        let is = |wanted| checks.clone().any(|check| check.result == wanted);
        match (is(Outcome::Bad), is(Outcome::Warning)) {
            (true, _) => Outcome::Bad,
            (false, true) => Outcome::Warning,
            (false, false) => Outcome::Good,
        }
    }
}

impl Category {
    /// It holds.
    pub(crate) fn good(&mut self, what: impl Into<String>) {
        self.add(what.into(), Outcome::Good, String::new(), String::new());
    }

    /// It does not quite.
    pub(crate) fn warning(
        &mut self,
        what: impl Into<String>,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(what.into(), Outcome::Warning, why.into(), hint.into());
    }

    /// It does not.
    pub(crate) fn bad(
        &mut self,
        what: impl Into<String>,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(what.into(), Outcome::Bad, why.into(), hint.into());
    }

    /// It holds when there is nothing to say against it, a line each.
    pub(crate) fn unless(&mut self, what: &str, wrong: &[String], hint: &str) {
        match wrong {
            [] => self.good(what),
            wrong => self.bad(what, wrong.join("\n"), hint),
        }
    }

    /// The same, if it is no more than worth a look.
    pub(crate) fn better_unless(&mut self, what: &str, doubtful: &[String], hint: &str) {
        match doubtful {
            [] => self.good(what),
            doubtful => self.warning(what, doubtful.join("\n"), hint),
        }
    }

    fn add(&mut self, what: String, result: Outcome, why: String, hint: String) {
        self.checks.push(Check {
            what,
            result,
            why,
            hint,
        });
    }
}

#[cfg(test)]
mod tests;
