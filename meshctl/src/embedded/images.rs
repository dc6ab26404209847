//! `LocalApplication`: which resources to load, and which process stands for which image.
//!
//! Pure. The shape of the file is a contract, described in docs/local-mesh.md.

use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) use read::read;

mod read;

/// The name of the file that makes a folder an application.
pub(crate) const FILE_NAME: &str = "local.yaml";

/// The kind of its object.
pub(crate) const KIND: &str = "LocalApplication";

/// What a `LocalApplication` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LocalApplication {
    /// Files and folders of manifests, relative to the file.
    pub(crate) resources: Vec<PathBuf>,
    /// Which process stands for an image; the first match wins.
    pub(crate) images: Vec<ImageRule>,
    /// Paths at the ingress that are worth opening, printed when the mesh is up.
    pub(crate) open: Vec<String>,
    /// Commands worth trying next, printed when the mesh is up.
    pub(crate) try_next: Vec<String>,
}

/// The process that stands for the images of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ImageRule {
    /// A pattern with `*` for any text and `?` for one character.
    pub(crate) pattern: String,
    /// The program and its first arguments.
    pub(crate) command: Vec<String>,
    /// Further arguments.
    pub(crate) args: Vec<String>,
    /// Environment, added to the container's own and stronger than it.
    pub(crate) env: BTreeMap<String, String>,
}

/// A rule with the file it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The rule as written.
    pub(crate) rule: ImageRule,
    /// The file, for messages.
    pub(crate) file: String,
    /// Its position in the file, for messages.
    pub(crate) index: usize,
    /// The file's folder: where relative programs are looked up and processes run.
    pub(crate) folder: PathBuf,
}

impl Rule {
    /// Names a field of the rule: `local.yaml: spec.images[2].env.X`.
    pub(crate) fn place(&self, field: &str) -> String {
        format!("{}: spec.images[{}].{field}", self.file, self.index)
    }
}

/// The first rule whose pattern matches the image; an image without a tag has the tag `latest`.
pub(crate) fn find<'a>(rules: &'a [Rule], image: &str) -> Option<&'a Rule> {
    let name = image.rsplit('/').next().unwrap_or(image);
    let tagged = if name.contains([':', '@']) {
        image.to_owned()
    } else {
        format!("{image}:latest")
    };
    rules
        .iter()
        .find(|rule| matches(&rule.rule.pattern, image) || matches(&rule.rule.pattern, &tagged))
}

/// Whether the whole text fits the pattern; `*` stands for any text, slashes too.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // The last star seen, and how much of the text it has swallowed: on a mismatch it takes one more.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match (pattern.get(p), text.get(t)) {
            (Some('*'), _) => {
                star = Some((p, t));
                p += 1;
            }
            (Some(want), Some(have)) if want == have || *want == '?' => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, swallowed)) = star else {
                    return false;
                };
                star = Some((at, swallowed + 1));
                p = at + 1;
                t = swallowed + 1;
            }
        }
    }
    pattern.iter().skip(p).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests;
