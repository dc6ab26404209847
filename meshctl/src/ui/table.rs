//! Tables with capital headers and columns aligned by spaces, as kubectl prints them.

/// The space between two columns.
const GAP: usize = 3;

/// Rows under headers.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns and no row.
    pub(crate) fn new(headers: &[&str]) -> Self {
        Self {
            headers: headers.iter().map(|h| h.to_uppercase()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; an empty cell is printed as it is.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text of the table without a last line's end.
    pub(crate) fn render(&self) -> String {
        let lines = std::iter::once(&self.headers).chain(&self.rows);
        let widths = self.widths();
        let text: Vec<String> = lines.map(|cells| line(cells, &widths)).collect();
        text.join("\n")
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headers.iter().map(|h| width(h)).collect();
        for row in &self.rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(width(cell));
            }
        }
        widths
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, wanted) in cells.iter().zip(widths) {
        text.push_str(cell);
        text.push_str(&" ".repeat(wanted.saturating_sub(width(cell)) + GAP));
    }
    text.trim_end().to_owned()
}

/// Characters that take room: the sequences that colour do not.
fn width(cell: &str) -> usize {
    let mut count = 0;
    let mut escaped = false;
    for c in cell.chars() {
        match c {
            '\u{1b}' => escaped = true,
            'm' if escaped => escaped = false,
            _ if escaped => {}
            _ => count += 1,
        }
    }
    count
}

#[cfg(test)]
mod tests;
