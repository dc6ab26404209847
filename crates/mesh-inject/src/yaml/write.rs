//! Values as YAML in block style, as kubectl writes it: lists stand at their key's indentation.

use serde_json::{Map, Value};

/// Members that come first, in this order; the others follow by alphabet.
const FIRST: [&str; 8] = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "name",
    "image",
    "command",
    "args",
];

/// Writes the lines of a value, each indented.
pub(super) fn block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for name in ordered(members) {
                spaces(out, indent);
                member(out, name, members.get(name).unwrap_or(&Value::Null), indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for value in items {
                spaces(out, indent);
                item(out, value, indent);
            }
        }
        scalar => {
            spaces(out, indent);
            inline(out, scalar, indent);
            out.push('\n');
        }
    }
}

/// Writes a member from its key on; the indentation before the key is written already.
pub(super) fn member(out: &mut String, name: &str, value: &Value, indent: usize) {
    out.push_str(&plain(name));
    out.push(':');
    if is_block(value) {
        out.push('\n');
        let deeper = if value.is_array() { indent } else { indent + 2 };
        block(out, value, deeper);
    } else {
        out.push(' ');
        inline(out, value, indent);
        out.push('\n');
    }
}

/// Writes an item from its dash on; the indentation before the dash is written already.
pub(super) fn item(out: &mut String, value: &Value, indent: usize) {
    out.push_str("- ");
    if is_block(value) {
        let mut lines = String::new();
        block(&mut lines, value, indent + 2);
        // The first line stands beside the dash.
        out.push_str(lines.trim_start_matches(' '));
    } else {
        inline(out, value, indent);
        out.push('\n');
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn ordered(members: &Map<String, Value>) -> Vec<&String> {
    let rank = |name: &str| FIRST.iter().position(|first| *first == name);
    let mut names: Vec<&String> = members.keys().collect();
    names.sort_by_key(|name| (rank(name).unwrap_or(FIRST.len()), *name));
    names
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

fn inline(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(text) if is_lines(text) => lines(out, text, indent + 2),
        Value::String(text) => out.push_str(&plain(text)),
        // Numbers, true, false, null, {} and [] are written as in JSON.
        other => out.push_str(&other.to_string()),
    }
}

/// Whether a text is best read as its lines: a script, a configuration.
fn is_lines(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or_default();
    let usable = |c: char| c == '\n' || (!c.is_control() && !is_break(c));
    !body.is_empty()
        && !body.starts_with([' ', '\n', '\t'])
        && !body.ends_with('\n')
        && body.chars().all(usable)
        && body.lines().all(|line| !line.ends_with(' '))
}

fn lines(out: &mut String, text: &str, indent: usize) {
    out.push('|');
    for line in text.lines() {
        out.push('\n');
        if !line.is_empty() {
            spaces(out, indent);
            out.push_str(line);
        }
    }
}

/// A text as a plain scalar where every reader of YAML takes it for text, else in quotes.
fn plain(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    // JSON within YAML is easier to read between single quotes.
    if text.contains(['"', '\\'])
        && !text
            .chars()
            .any(|c| c.is_control() || is_break(c) || c == '\u{feff}')
    {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let quoted = Value::String(text.to_owned()).to_string();
    // JSON lets these stand, readers of YAML 1.1 take them for ends of lines.
    let escaped = quoted.chars().map(|c| match c {
        c if is_break(c) || c == '\u{feff}' || c == '\u{7f}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    escaped.collect()
}

fn is_break(c: char) -> bool {
    ['\u{85}', '\u{2028}', '\u{2029}'].contains(&c)
}

fn is_plain(text: &str) -> bool {
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./$()=+@, :".contains(&byte);
    (begins_plain(text) || is_quantity(text))
        && text.bytes().all(usable)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !is_word(text)
}

/// Whether the beginning makes it no number, mark or list: a word, a path, a flag.
fn begins_plain(text: &str) -> bool {
    let body = text.strip_prefix("--").or_else(|| text.strip_prefix('-'));
    let first = |text: &str, others: &[u8]| {
        let first = text.bytes().next();
        first.is_some_and(|byte| byte.is_ascii_alphabetic() || others.contains(&byte))
    };
    match body {
        Some(flag) => first(flag, b""),
        None => first(text, b"/$"),
    }
}

/// `100m`, `64Mi`, `5s`: no reader takes them for numbers.
fn is_quantity(text: &str) -> bool {
    const UNITS: [&str; 6] = ["m", "s", "Ki", "Mi", "Gi", "Ti"];
    let number = UNITS.iter().find_map(|unit| text.strip_suffix(unit));
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Words that some reader takes for something else than text.
fn is_word(text: &str) -> bool {
    const WORDS: [&str; 11] = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf",
    ];
    let lower = text.to_ascii_lowercase();
    WORDS.contains(&lower.as_str())
}
