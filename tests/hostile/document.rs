//! docs/hostile-input.md: its generated parts are compared with the corpus; UPDATE=1 rewrites them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::case::{BOTH, Case, End, Entry, Outcome, Rule};
use crate::corpus::{Chapter, chapters};

/// Two tests rewrite parts of one file.
static WRITING: Mutex<()> = Mutex::new(());

fn file() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).join("docs/hostile-input.md")
}

fn marks(part: &str) -> (String, String) {
    (
        format!("<!-- {part} -->\n"),
        format!("<!-- end of {part} -->"),
    )
}

/// A part of the document as it stands.
pub(crate) fn part(part: &str) -> String {
    let _alone = WRITING.lock();
    let (begin, end) = marks(part);
    let text = std::fs::read_to_string(file()).expect("the document");
    let inner = text
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once(&end));
    inner.map(|(inner, _)| inner.to_owned()).unwrap_or_default()
}

/// Compares a part of the document, between its two marks.
#[track_caller]
pub(crate) fn check(part: &str, expected: &str) {
    let _alone = WRITING.lock();
    let (begin, end) = marks(part);
    let text = std::fs::read_to_string(file()).expect("the document");
    let (before, rest) = text.split_once(&begin).expect("the part begins");
    let (inner, after) = rest.split_once(&end).expect("the part ends");
    if inner == expected {
        return;
    }
    if mesh_runtime::settings::environment("UPDATE").is_some() {
        std::fs::write(file(), format!("{before}{begin}{expected}{end}{after}")).expect("written");
        return;
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (is, should) = (lines(inner), lines(expected));
    let gone: Vec<_> = is.difference(&should).collect();
    let new: Vec<_> = should.difference(&is).collect();
    panic!(
        "{part} in docs/hostile-input.md; UPDATE=1 rewrites it\nno longer: {gone:#?}\nnew: {new:#?}"
    );
}

/// The chapters, their rules, and what comes of them.
pub(crate) fn rules() -> String {
    let mut text = String::new();
    for chapter in chapters() {
        let (title, name) = (chapter.title, chapter.name);
        let _infallible = writeln!(text, "\n### {title} (`{name}`)\n");
        text.push_str("| rule | where | what comes of a breach | flag | `reason` | cases |\n");
        text.push_str("|---|---|---|---|---|---|\n");
        for rule in own_rules(&chapter) {
            row(&mut text, rule, &chapter);
        }
    }
    text
}

fn own_rules(chapter: &Chapter) -> Vec<&'static Rule> {
    let mut rules: Vec<&'static Rule> = Vec::new();
    for case in &chapter.cases {
        if !rules.contains(&case.rule) {
            rules.push(case.rule);
        }
    }
    rules
}

fn row(text: &mut String, rule: &Rule, chapter: &Chapter) {
    let cases: Vec<&Case> = chapter
        .cases
        .iter()
        .filter(|case| case.rule == rule)
        .collect();
    let mut comes = BTreeSet::new();
    let mut good = 0;
    for case in &cases {
        let bad = reactions(case, &mut comes);
        good += usize::from(!bad);
    }
    let comes: Vec<String> = comes.into_iter().collect();
    let comes = if comes.is_empty() {
        "–".to_owned()
    } else {
        comes.join("; ")
    };
    let shown = |text: &str| {
        if text.is_empty() {
            "–".to_owned()
        } else {
            format!("`{text}`")
        }
    };
    let told = (!comes.starts_with('–')).then_some(rule);
    let flag = shown(told.map_or("", |rule| rule.flag));
    let reason = shown(told.map_or("", |rule| rule.reason));
    let (says, rfc, bad) = (rule.says, rule.rfc, cases.len() - good);
    let _infallible = writeln!(
        text,
        "| {says} | {rfc} | {comes} | {flag} | {reason} | {good} accepted, {bad} not |"
    );
}

/// Whether something must come of a case other than its acceptance.
pub(crate) fn reacts(case: &Case) -> bool {
    reactions(case, &mut BTreeSet::new())
}

/// What must come of a case that is not accepted; whether it is one.
fn reactions(case: &Case, comes: &mut BTreeSet<String>) -> bool {
    let place = match case.entries {
        entries if entries == BOTH => "",
        [Entry::Gateway] => " at gateways",
        _ => " at sidecars",
    };
    let mut bad = false;
    for (_, outcome) in &case.expect {
        let words = match outcome {
            Outcome::Accepted(_) | Outcome::Answered { .. } => continue,
            Outcome::Refused { statuses, codes } => told(statuses, codes, "reset"),
            Outcome::BrokenOff {
                statuses: [],
                codes,
            } => told(&[], codes, "broken off"),
            Outcome::BrokenOff { statuses, codes } => {
                format!("{} or closed", told(statuses, codes, ""))
            }
            Outcome::Spoilt { .. } => "502 or 503, or the answer breaks off".to_owned(),
        };
        bad = true;
        comes.insert(format!("{words}{place}"));
    }
    if let End::GoAway(codes) = case.end {
        bad = true;
        let codes: Vec<String> = codes.iter().map(|code| name(*code)).collect();
        comes.insert(format!("GOAWAY {}", codes.join(" or ")));
    }
    bad
}

fn told(statuses: &[u16], codes: &[u32], otherwise: &str) -> String {
    let statuses: Vec<String> = statuses.iter().map(ToString::to_string).collect();
    let codes: Vec<String> = codes.iter().map(|code| name(*code)).collect();
    match (statuses.as_slice(), codes.as_slice()) {
        ([], []) => otherwise.to_owned(),
        ([], codes) => format!("RST_STREAM {}", codes.join(" or ")),
        (statuses, _) => statuses.join(" or "),
    }
}

fn name(code: u32) -> String {
    let names = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
    ];
    let place = usize::try_from(code).unwrap_or(usize::MAX);
    names
        .get(place)
        .map_or_else(|| code.to_string(), ToString::to_string)
}
