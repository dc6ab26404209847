//! Rows as lines that people read.

use std::fmt::Write;

use super::{NOISY, Results, Row};
use crate::measure::Sample;
use crate::peer::Peer;
use crate::scenario::Scenario;

/// Columns: heading, and how a row fills it.
type Column = (&'static str, fn(&Row) -> String);

const COLUMNS: [Column; 11] = [
    ("scenario", |row| row.scenario.name()),
    ("peer", |row| row.peer.name()),
    ("rps", |row| number(row.rps, 0)),
    ("cpu µs", |row| number(row.cpu_us, 1)),
    ("p50 µs", |row| number(row.p50_us, 0)),
    ("p99 µs", |row| number(row.p99_us, 0)),
    ("RSS KiB", |row| number(row.rss_kib, 0)),
    ("KiB/conn", |row| number(row.kib_per_connection, 2)),
    ("GB/s", |row| number(row.gb_s, 2)),
    ("CPU s/GB", |row| number(row.cpu_s_per_gb, 3)),
    ("errors", errors),
];

/// A sample as it comes.
#[expect(
    clippy::print_stdout,
    reason = "a benchmark speaks to whoever started it"
)]
pub(crate) fn progress(scenario: Scenario, peer: Peer, run: usize, sample: &Sample) {
    let row = Row::median(scenario, peer, std::slice::from_ref(sample));
    let mut line = format!("{run}");
    for (heading, cell) in &COLUMNS {
        let cell = cell(&row);
        match *heading {
            "scenario" => line.push_str(&format!(" {cell:<16}")),
            "peer" => line.push_str(&format!(" {cell:<14}")),
            _ if cell.is_empty() => {}
            _ => line.push_str(&format!("  {heading} {cell}")),
        }
    }
    if let Some(complaint) = &sample.complaint {
        line.push_str(&format!("  ({complaint})"));
    }
    println!("{line}");
}

/// Aligned columns.
pub(crate) fn terminal(results: &Results) -> String {
    let lines = cells(results.rows.iter());
    let mut text = String::new();
    for line in &lines {
        for (index, cell) in line.iter().enumerate() {
            let width = width(&lines, index);
            let pad = " ".repeat(width - cell.chars().count());
            // Names to the left, numbers to the right.
            match index {
                0 | 1 => text.push_str(&format!("{cell}{pad}  ")),
                _ => text.push_str(&format!("{pad}{cell}  ")),
            }
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    for missing in &results.not_run {
        let (scenario, peer) = (missing.scenario.name(), missing.peer.name());
        text.push_str(&format!(
            "NOT RUN  {scenario}  {peer}: {}\n",
            missing.reason
        ));
    }
    if noisy(results) {
        text.push_str(NOISE);
    }
    text
}

const NOISE: &str = "~ somebody else used more than 6 % of the proxies' core in a run\n";

/// One table for each scenario, and what was not run.
pub(crate) fn markdown(results: &Results) -> String {
    let machine = &results.machine;
    let mut text = format!(
        "{}, {} cores, {} GiB, Linux {}, {}; medians of {} runs of {} s.\n",
        machine.processor,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        machine.congestion_control,
        results.runs,
        results.seconds,
    );
    let mut scenarios: Vec<Scenario> = results.rows.iter().map(|row| row.scenario).collect();
    scenarios.dedup();
    for scenario in scenarios {
        let rows = results.rows.iter().filter(|row| row.scenario == scenario);
        text.push_str(&format!("\n### {}\n\n", scenario.name()));
        text.push_str(&markdown_table(&cells(rows)));
        let _infallible = write!(text, "{}", ratios(results, scenario));
    }
    if !results.local.is_empty() {
        text.push_str("\n### The product on this machine\n\n");
        text.push_str("| | median | p99 | unit |\n|---|---|---|---|\n");
        for row in &results.local {
            let (what, unit) = (&row.what, &row.unit);
            text.push_str(&format!(
                "| {what} | {:.1} | {:.1} | {unit} |\n",
                row.median, row.p99
            ));
        }
    }
    if !results.not_run.is_empty() {
        text.push_str("\nNot run:\n\n");
    }
    for missing in &results.not_run {
        let (scenario, peer) = (missing.scenario.name(), missing.peer.name());
        text.push_str(&format!("- {scenario}, {peer}: {}\n", missing.reason));
    }
    if noisy(results) {
        text.push_str(&format!("\n{NOISE}"));
    }
    text
}

/// How mesh compares with the others of its scenario.
fn ratios(results: &Results, scenario: Scenario) -> String {
    let rate = |row: &Row| row.rps.or(row.gb_s);
    let Some(ours) = results.row(scenario, Peer::Mesh).and_then(rate) else {
        return String::new();
    };
    let others = results.rows.iter().filter(|row| row.scenario == scenario);
    let others = others.filter(|row| row.peer != Peer::Mesh);
    let compared: Vec<String> = others
        .filter_map(|row| Some((row.peer.name(), ours / rate(row)?)))
        .map(|(peer, ratio)| format!("{ratio:.2} × {peer}"))
        .collect();
    if compared.is_empty() {
        return String::new();
    }
    format!("\nmesh: {}\n", compared.join(", "))
}

/// Headings and rows, without columns that are empty everywhere.
fn cells<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<Vec<String>> {
    let rows: Vec<&Row> = rows.collect();
    let filled = |column: &&Column| rows.iter().any(|row| !column.1(row).is_empty());
    let columns: Vec<&Column> = COLUMNS.iter().filter(filled).collect();
    let headings = columns.iter().map(|column| column.0.to_owned()).collect();
    let lines = rows.iter().map(|row| {
        let cells = columns.iter().map(|column| column.1(row));
        cells.collect::<Vec<String>>()
    });
    std::iter::once(headings).chain(lines).collect()
}

fn markdown_table(lines: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        // The first column is the heading above the table.
        let cells = line.get(1..).unwrap_or_default();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
        if number == 0 {
            text.push_str(&format!("|{}\n", "---|".repeat(cells.len())));
        }
    }
    text
}

fn width(lines: &[Vec<String>], column: usize) -> usize {
    let cells = lines.iter().filter_map(|line| line.get(column));
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

fn number(value: Option<f64>, digits: usize) -> String {
    let Some(value) = value else {
        return String::new();
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len() - index;
        if index > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

fn errors(row: &Row) -> String {
    let mark = if is_noisy(row) { "~" } else { "" };
    format!("{}{mark}", row.errors)
}

fn is_noisy(row: &Row) -> bool {
    row.foreign.is_some_and(|foreign| foreign > NOISY)
}

fn noisy(results: &Results) -> bool {
    results.rows.iter().any(is_noisy)
}
