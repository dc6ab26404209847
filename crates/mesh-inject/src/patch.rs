//! The difference of two values as a JSON patch (RFC 6902), small enough to be read.

use serde::Serialize;
use serde_json::{Map, Value};

/// One step of a patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Puts a value where none is, or before an item of a list.
    Add {
        /// JSON pointer.
        path: String,
        /// The value.
        value: Value,
    },
    /// Takes a value away.
    Remove {
        /// JSON pointer.
        path: String,
    },
    /// Puts a value in the place of another.
    Replace {
        /// JSON pointer.
        path: String,
        /// The value.
        value: Value,
    },
}

/// The steps that make `new` of `old`.
#[must_use]
pub fn diff(old: &Value, new: &Value) -> Vec<Operation> {
    let mut steps = Vec::new();
    differ("", old, new, &mut steps);
    steps
}

fn differ(path: &str, old: &Value, new: &Value, steps: &mut Vec<Operation>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => members(path, old, new, steps),
        (Value::Array(old), Value::Array(new)) => items(path, old, new, steps),
        _ => steps.push(Operation::Replace {
            path: path.to_owned(),
            value: new.clone(),
        }),
    }
}

fn members(
    path: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    steps: &mut Vec<Operation>,
) {
    let at = |name: &str| format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        steps.push(Operation::Remove { path: at(name) });
    }
    for (name, value) in new {
        match old.get(name) {
            Some(before) => differ(&at(name), before, value, steps),
            None => steps.push(Operation::Add {
                path: at(name),
                value: value.clone(),
            }),
        }
    }
}

fn items(path: &str, old: &[Value], new: &[Value], steps: &mut Vec<Operation>) {
    let mut index = 0;
    for step in align(old, new) {
        let path = format!("{path}/{index}");
        match step {
            Step::Keep(before, after) => {
                differ(&path, before, after, steps);
                index += 1;
            }
            Step::Remove => steps.push(Operation::Remove { path }),
            Step::Add(value) => {
                steps.push(Operation::Add {
                    path,
                    value: value.clone(),
                });
                index += 1;
            }
        }
    }
}

/// What becomes of an item of a list, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Step<'a> {
    /// It stays, or becomes another of the same name.
    Keep(&'a Value, &'a Value),
    /// It goes.
    Remove,
    /// It comes.
    Add(&'a Value),
}

/// Lists side by side, by the longest common row of items that are the same or have the same name.
pub(crate) fn align<'a>(old: &'a [Value], new: &'a [Value]) -> Vec<Step<'a>> {
    let lengths = common(old, new);
    let at = |i: usize, j: usize| {
        lengths
            .get(i)
            .and_then(|row| row.get(j))
            .copied()
            .unwrap_or(0)
    };
    let (mut i, mut j, mut steps) = (0, 0, Vec::new());
    loop {
        match (old.get(i), new.get(j)) {
            (None, None) => return steps,
            (Some(before), Some(after)) if same(before, after) => {
                steps.push(Step::Keep(before, after));
                (i, j) = (i + 1, j + 1);
            }
            (Some(_), after) if after.is_none() || at(i + 1, j) >= at(i, j + 1) => {
                steps.push(Step::Remove);
                i += 1;
            }
            (_, Some(after)) => {
                steps.push(Step::Add(after));
                j += 1;
            }
            (Some(_), None) => {
                steps.push(Step::Remove);
                i += 1;
            }
        }
    }
}

/// Lengths of the longest common rows of all ends of two lists.
fn common(old: &[Value], new: &[Value]) -> Vec<Vec<usize>> {
    let mut rows = vec![vec![0; new.len() + 1]; old.len() + 1];
    for (i, before) in old.iter().enumerate().rev() {
        for (j, after) in new.iter().enumerate().rev() {
            let at = |i: usize, j: usize| {
                let row: Option<&Vec<usize>> = rows.get(i);
                row.and_then(|row| row.get(j)).copied().unwrap_or(0)
            };
            let length = if same(before, after) {
                at(i + 1, j + 1) + 1
            } else {
                at(i + 1, j).max(at(i, j + 1))
            };
            if let Some(cell) = rows.get_mut(i).and_then(|row| row.get_mut(j)) {
                *cell = length;
            }
        }
    }
    rows
}

/// Whether two items are one: equal, of one name, or objects of one kind and name.
fn same(old: &Value, new: &Value) -> bool {
    let name = |value: &Value| {
        let name = value
            .get("name")
            .or_else(|| value.get("metadata")?.get("name"));
        name.and_then(Value::as_str).map(str::to_owned)
    };
    old == new
        || (name(old).is_some() && name(old) == name(new) && old.get("kind") == new.get("kind"))
}

#[cfg(test)]
pub(crate) mod tests;
