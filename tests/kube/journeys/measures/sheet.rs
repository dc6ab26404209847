//! What was measured, as a table for people and as JSON in `bench/kube.json` of the target folder.

use std::path::PathBuf;

use mesh_tests::Machine;
use mesh_tests::mesh::binary;
use serde::Serialize;
use serde_json::json;

use crate::world::TAG;

/// Version of the document.
const VERSION: u32 = 1;

/// One measured quantity.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    name: String,
    unit: &'static str,
    value: f64,
    /// The lowest and the highest sample.
    spread: [f64; 2],
    samples: Vec<f64>,
}

impl Row {
    /// Whose value is the middle of its samples.
    pub(super) fn median(name: &str, unit: &'static str, samples: Vec<f64>) -> Self {
        Self::quantile(0.5, name, unit, samples)
    }

    /// Whose value is that below which 99 % of its samples lie.
    pub(super) fn p99(name: &str, unit: &'static str, samples: Vec<f64>) -> Self {
        Self::quantile(0.99, name, unit, samples)
    }

    fn quantile(share: f64, name: &str, unit: &'static str, mut samples: Vec<f64>) -> Self {
        assert!(!samples.is_empty(), "{name}: nothing was measured");
        samples.sort_by(f64::total_cmp);
        let last = samples.len() - 1;
        let at = (last as f64 * share).round() as usize;
        Self {
            name: name.to_owned(),
            unit,
            value: samples[at],
            spread: [samples[0], samples[last]],
            samples,
        }
    }

    /// In one line.
    pub(super) fn line(&self) -> String {
        let [low, high] = self.spread.map(number);
        let (name, value, unit) = (&self.name, number(self.value), self.unit);
        let count = self.samples.len();
        match count {
            1 => format!("{name}: {value} {unit}"),
            _ => format!("{name}: {value} {unit} ({low} to {high}, {count} samples)"),
        }
    }

    fn cells(&self) -> [String; 6] {
        let [low, high] = self.spread.map(number);
        [
            self.name.clone(),
            number(self.value),
            self.unit.to_owned(),
            low,
            high,
            self.samples.len().to_string(),
        ]
    }
}

/// Everything that one run gave.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) rows: Vec<Row>,
    /// What must not be.
    pub(super) faults: Vec<String>,
}

impl Sheet {
    /// Aligned columns: names and units to the left, numbers to the right.
    pub(super) fn table(&self) -> String {
        let heads = ["MEASURE", "VALUE", "UNIT", "LOW", "HIGH", "SAMPLES"];
        let mut lines = vec![heads.map(str::to_owned)];
        lines.extend(self.rows.iter().map(Row::cells));
        let width = |column: usize| {
            let cells = lines.iter().map(|line| line[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let mut text = String::new();
        for line in &lines {
            for (column, cell) in line.iter().enumerate() {
                let pad = " ".repeat(widths[column] - cell.chars().count());
                match column {
                    0 | 2 => text.push_str(&format!("{cell}{pad}  ")),
                    _ => text.push_str(&format!("{pad}{cell}  ")),
                }
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        for fault in &self.faults {
            text.push_str(&format!("FAULT  {fault}\n"));
        }
        text
    }

    /// Writes the document: where it is.
    pub(super) fn write(&self) -> PathBuf {
        let programs = binary("mesh-proxy");
        let folder = programs.ancestors().nth(2).unwrap().join("bench");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("kube.json");
        let document = json!({
            "version": VERSION,
            "mesh": TAG,
            "machine": Machine::here(),
            "rows": self.rows,
            "faults": self.faults,
        });
        std::fs::write(&file, format!("{document:#}\n")).unwrap();
        file
    }
}

/// As many digits as mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if value.fract() == 0.0 || size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
