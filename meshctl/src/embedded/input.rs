//! What stands behind `up -f`: files and folders as manifests and image maps.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use mesh_api::{Object, decode};

use super::findings::Texts;
use super::images::{self, FILE_NAME, Rule};
use super::manifests::{self, Manifests};
use super::state_dir;
use crate::error::{CommandError, at_path};

/// What `up` was given.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// Objects, sorted by what they mean.
    pub(crate) manifests: Manifests,
    /// Image maps in the order they were read.
    pub(crate) rules: Vec<Rule>,
    /// Paths at the ingress worth opening.
    pub(crate) open: Vec<String>,
    /// Commands worth trying.
    pub(crate) try_next: Vec<String>,
    /// What was read, for messages.
    pub(crate) texts: Texts,
}

/// Reads everything that was named.
///
/// # Errors
/// Every finding of every file, one per line.
pub(crate) fn read(paths: &[PathBuf], namespace: &str) -> Result<Input, CommandError> {
    let mut reader = Reader {
        namespace,
        objects: Vec::new(),
        input: Input::default(),
        problems: Vec::new(),
    };
    for path in paths {
        reader.path(path)?;
    }
    let (manifests, problems) = manifests::sort(reader.objects, &reader.input.texts);
    reader.problems.extend(problems);
    if reader.problems.is_empty() {
        Ok(Input {
            manifests,
            ..reader.input
        })
    } else {
        Err(CommandError::problem(reader.problems.join("\n")))
    }
}

/// Reads the text of a file; `-` is standard input.
///
/// # Errors
/// When it is not there or no Unicode.
pub(crate) fn text(path: &Path) -> Result<String, CommandError> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| at_path(path, &error))?;
        return Ok(text);
    }
    fs::read_to_string(path).map_err(|error| at_path(path, &error))
}

/// The manifests of a folder, not of those below it.
///
/// # Errors
/// When the folder cannot be read or has none.
pub(crate) fn manifests_of(folder: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let mut files = state_dir::files(folder)?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known))
    });
    if files.is_empty() {
        let error = format!(
            "{}: the folder has no manifests (.yaml, .yml, .json)",
            folder.display()
        );
        return Err(CommandError::problem(error).hint("folders below it are not looked at"));
    }
    Ok(files)
}

struct Reader<'a> {
    namespace: &'a str,
    objects: Vec<Object>,
    input: Input,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn path(&mut self, path: &Path) -> Result<(), CommandError> {
        let application = path.join(FILE_NAME);
        let files = match path.is_dir() {
            true if application.is_file() => vec![application],
            true => manifests_of(path)?,
            false => vec![path.to_path_buf()],
        };
        for file in files {
            for object in self.decode(&file)? {
                if object.kind.kind == images::KIND {
                    self.application(&object, &file)?;
                } else {
                    self.objects.push(object);
                }
            }
        }
        Ok(())
    }

    fn decode(&mut self, path: &Path) -> Result<Vec<Object>, CommandError> {
        let name = path.display().to_string();
        let text = text(path)?;
        let (objects, found) = decode::objects_in(&name, &text, self.namespace);
        let texts = &mut self.input.texts;
        texts.add(&name, text);
        let lines = found.iter().map(|one| texts.line(one));
        self.problems.extend(lines);
        Ok(objects)
    }

    fn application(&mut self, object: &Object, path: &Path) -> Result<(), CommandError> {
        let file = path.display().to_string();
        let read = match images::read(object) {
            Ok(read) => read,
            Err(found) => {
                let texts = &self.input.texts;
                let lines = found.iter().map(|one| texts.line(one));
                self.problems.extend(lines);
                return Ok(());
            }
        };
        let folder = path.parent().filter(|parent| *parent != Path::new(""));
        let folder = folder.unwrap_or_else(|| Path::new("."));
        let absolute = std::path::absolute(folder).map_err(|error| at_path(folder, &error))?;
        let rules = read.images.into_iter().enumerate();
        self.input.rules.extend(rules.map(|(index, rule)| Rule {
            rule,
            file: file.clone(),
            index,
            folder: absolute.clone(),
        }));
        self.input.open.extend(read.open);
        let here = folder.display().to_string();
        let next = read
            .try_next
            .iter()
            .map(|command| command.replace("${folder}", &here));
        self.input.try_next.extend(next);
        for (index, resource) in read.resources.iter().enumerate() {
            self.resource(
                &folder.join(resource),
                &format!("{file}: spec.resources[{index}]"),
            )?;
        }
        Ok(())
    }

    /// A file or folder that an application names; it cannot be an application again.
    fn resource(&mut self, path: &Path, place: &str) -> Result<(), CommandError> {
        if !path.exists() {
            let problem = format!("{place}: {}: there is no such file", path.display());
            self.problems.push(problem);
            return Ok(());
        }
        let files = if path.is_dir() {
            manifests_of(path)?
        } else {
            vec![path.to_path_buf()]
        };
        for file in files {
            for object in self.decode(&file)? {
                if object.kind.kind == images::KIND {
                    let problem =
                        format!("{place}: {}: an application names another", file.display());
                    self.problems.push(problem);
                } else {
                    self.objects.push(object);
                }
            }
        }
        Ok(())
    }
}
