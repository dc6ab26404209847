//! What the folders held when they were read last, and what is different now.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh_api::{Object, codes, decode, resources};
use mesh_model::Str;
use mesh_model::diag::{Diagnostic, Severity};
use mesh_model::name::ResourceKey;

use super::pending::{Change, is_manifest};
use crate::Event;

/// Longest file that is read: far beyond what the API server of Kubernetes stores.
const MAX_BYTES: u64 = 64 << 20;

/// A file's place in the order: the number of its folder, then its name.
type Place = (usize, OsString);

/// The files, and what was told of them.
#[derive(Debug)]
pub(super) struct Tree {
    roots: Vec<PathBuf>,
    files: BTreeMap<Place, File>,
    /// Folders that cannot be listed, by number.
    missing: BTreeMap<usize, Diagnostic>,
    told: BTreeMap<ResourceKey, Arc<Object>>,
    told_broken: BTreeMap<Str, Trouble>,
}

#[derive(Debug, Default)]
struct File {
    /// Its path, for messages.
    origin: Str,
    /// What was decoded last; none while the file cannot be read.
    bytes: Option<Vec<u8>>,
    objects: Vec<Arc<Object>>,
    /// Objects that it held when it could be read, and that may be in what cannot be now.
    held: Vec<Arc<Object>>,
    problems: Vec<Diagnostic>,
}

#[derive(Debug, Default, PartialEq)]
struct Trouble {
    diagnostics: Vec<Diagnostic>,
    held: Vec<ResourceKey>,
}

impl Tree {
    pub(super) fn new(roots: Vec<PathBuf>) -> Self {
        Self {
            roots,
            files: BTreeMap::new(),
            missing: BTreeMap::new(),
            told: BTreeMap::new(),
            told_broken: BTreeMap::new(),
        }
    }

    /// Looks at what may have changed and tells the difference.
    pub(super) fn scan(&mut self, change: &Change) -> Vec<Event> {
        let mut wanted: BTreeSet<Place> = BTreeSet::new();
        for (number, root) in self.roots.iter().enumerate() {
            if change.folders.contains(root) {
                match list(root) {
                    Ok(names) => {
                        self.missing.remove(&number);
                        self.files
                            .retain(|(folder, name), _| *folder != number || names.contains(name));
                        wanted.extend(names.into_iter().map(|name| (number, name)));
                    }
                    // Its objects stay: somebody may be about to put another folder in its place.
                    Err(error) => {
                        let text = format!("cannot be listed: {error}");
                        let problem = unreadable(&origin(root), text);
                        self.missing.insert(number, problem);
                    }
                }
            }
        }
        wanted.extend(change.files.iter().filter_map(|path| self.place(path)));
        for place in wanted {
            self.file(place, &change.writing);
        }
        self.tell()
    }

    fn place(&self, path: &Path) -> Option<Place> {
        let parent = path.parent()?;
        let number = self.roots.iter().position(|root| root == parent)?;
        Some((number, path.file_name()?.to_owned()))
    }

    fn file(&mut self, place: Place, writing: &BTreeSet<PathBuf>) {
        // A folder that is missing keeps what it held.
        let root = self.roots.get(place.0);
        let Some(root) = root.filter(|_| !self.missing.contains_key(&place.0)) else {
            return;
        };
        let path = root.join(&place.1);
        if writing.contains(&path) {
            return;
        }
        match read(&path) {
            Ok(Some(bytes)) => self.entry(place, &path).update(bytes),
            // Gone, or no file.
            Ok(None) => {
                self.files.remove(&place);
            }
            Err(error) => {
                let text = format!("cannot be read: {error}");
                self.entry(place, &path).lose(text);
            }
        }
    }

    fn entry(&mut self, place: Place, path: &Path) -> &mut File {
        self.files.entry(place).or_insert_with(|| File {
            origin: origin(path),
            ..File::default()
        })
    }

    /// The difference to what was told last.
    fn tell(&mut self) -> Vec<Event> {
        let (objects, broken) = self.view();
        let mut events: Vec<Event> = Vec::new();
        for (key, object) in &objects {
            if self.told.get(key) != Some(object) {
                events.push(Event::Upsert(object.clone()));
            }
        }
        let gone = self.told.keys().filter(|key| !objects.contains_key(key));
        events.extend(gone.map(|key| Event::Delete(key.clone())));
        for (origin, trouble) in &broken {
            if self.told_broken.get(origin) != Some(trouble) {
                events.push(Event::Broken {
                    origin: origin.clone(),
                    diagnostics: trouble.diagnostics.clone(),
                    held: trouble.held.clone(),
                });
            }
        }
        let mended = self.told_broken.keys();
        let mended = mended.filter(|origin| !broken.contains_key(*origin));
        events.extend(mended.map(|origin| Event::Mended {
            origin: origin.clone(),
        }));
        (self.told, self.told_broken) = (objects, broken);
        events
    }

    /// What the folders say as a whole.
    fn view(&self) -> (BTreeMap<ResourceKey, Arc<Object>>, BTreeMap<Str, Trouble>) {
        let mut view = View::default();
        for ((number, _), file) in &self.files {
            let folder = self.missing.get(number).map(|problem| &problem.origin);
            view.file(file, folder);
        }
        for file in self.files.values() {
            view.held(file);
        }
        for problem in self.missing.values() {
            view.trouble(&problem.origin).diagnostics = vec![problem.clone()];
        }
        (view.objects, view.broken)
    }
}

#[derive(Default)]
struct View {
    objects: BTreeMap<ResourceKey, Arc<Object>>,
    broken: BTreeMap<Str, Trouble>,
}

impl View {
    fn trouble(&mut self, origin: &Str) -> &mut Trouble {
        self.broken.entry(origin.clone()).or_default()
    }

    /// Of two objects with one key the first counts; `gone` is the file's folder if that is missing.
    fn file(&mut self, file: &File, gone: Option<&Str>) {
        let mut problems = file.problems.clone();
        for object in &file.objects {
            let key = &object.key;
            if let Some(first) = self.objects.get(key) {
                problems.push(resources::duplicate(key, &object.origin, &first.origin));
                continue;
            }
            self.objects.insert(key.clone(), object.clone());
            if let Some(folder) = gone {
                self.trouble(folder).held.push(key.clone());
            }
        }
        if !problems.is_empty() {
            self.trouble(&file.origin).diagnostics = problems;
        }
    }

    /// What a file held before it broke gives way to the same object in any other file.
    fn held(&mut self, file: &File) {
        for object in &file.held {
            if !self.objects.contains_key(&object.key) {
                self.objects.insert(object.key.clone(), object.clone());
                self.trouble(&file.origin).held.push(object.key.clone());
            }
        }
    }
}

impl File {
    fn update(&mut self, bytes: Vec<u8>) {
        if self.bytes.as_ref() == Some(&bytes) {
            return;
        }
        let (objects, problems) = match std::str::from_utf8(&bytes) {
            Ok(text) => decode::objects(&self.origin, text),
            Err(error) => {
                let text = format!("is not text: {error}");
                (Vec::new(), vec![unreadable(&self.origin, text)])
            }
        };
        let objects: Vec<Arc<Object>> = objects.into_iter().map(Arc::new).collect();
        let before = std::mem::take(&mut self.objects).into_iter();
        let held = before.chain(std::mem::take(&mut self.held));
        if !problems.is_empty() {
            let now: BTreeSet<&ResourceKey> = objects.iter().map(|object| &object.key).collect();
            self.held = held.filter(|object| !now.contains(&object.key)).collect();
        }
        (self.objects, self.problems, self.bytes) = (objects, problems, Some(bytes));
    }

    /// It is there and cannot be read: everything it held stays.
    fn lose(&mut self, problem: String) {
        let objects = std::mem::take(&mut self.objects);
        self.held.extend(objects);
        self.bytes = None;
        self.problems = vec![unreadable(&self.origin, problem)];
    }
}

fn origin(path: &Path) -> Str {
    path.display().to_string().into()
}

fn unreadable(origin: &Str, message: String) -> Diagnostic {
    Diagnostic {
        code: codes::UNREADABLE,
        severity: Severity::Error,
        at: None,
        origin: origin.clone(),
        field: String::new(),
        message,
        hint: String::new(),
    }
}

/// The names of the manifests in a folder.
fn list(root: &Path) -> io::Result<BTreeSet<OsString>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(root)? {
        let name = entry?.file_name();
        if is_manifest(Path::new(&name)) {
            names.insert(name);
        }
    }
    Ok(names)
}

/// The content of a file; `None` when there is none, or when it is no regular file.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !meta.is_file() {
        return Ok(None);
    }
    if meta.len() > MAX_BYTES {
        let text = format!("it has {} bytes, the limit is {MAX_BYTES}", meta.len());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
