use notify::event::{CreateKind, DataChange, Event, Flag, MetadataKind, RemoveKind};

use super::*;

/// A folder `config`, and what it makes of events; names are relative to the folder's parent.
struct Watched {
    parent: tempfile::TempDir,
    pending: Pending,
}

impl Watched {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("config");
        std::fs::create_dir(&root).unwrap();
        let pending = Pending::new(vec![root]);
        Self { parent, pending }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.parent.path().join(name)
    }

    fn note(&mut self, kind: EventKind, name: &str) -> bool {
        let event = Event::new(kind).add_path(self.path(name));
        self.pending.note(&event)
    }

    /// Files, folders and files being written, by their last name.
    fn taken(&mut self) -> [Vec<String>; 3] {
        let change = self.pending.take();
        let names = |paths: BTreeSet<PathBuf>| {
            let names = paths.into_iter().map(|path| {
                let name = path.file_name().unwrap();
                name.to_string_lossy().into_owned()
            });
            names.collect()
        };
        [
            names(change.files),
            names(change.folders),
            names(change.writing),
        ]
    }
}

const CREATE: EventKind = EventKind::Create(CreateKind::File);
const WRITE: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
const CLOSE: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
const OPEN: EventKind = EventKind::Access(AccessKind::Open(AccessMode::Any));
const RENAME: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::To));
const REMOVE: EventKind = EventKind::Remove(RemoveKind::File);

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn a_file_is_looked_at_when_its_writer_closes_it() {
    let mut watched = Watched::new();
    assert!(!watched.note(CREATE, "config/a.yaml"));
    assert!(!watched.note(OPEN, "config/a.yaml"));
    assert!(!watched.note(WRITE, "config/a.yaml"));
    assert_eq!(watched.taken(), [none(), none(), vec!["a.yaml".to_owned()]]);
    assert!(watched.note(CLOSE, "config/a.yaml"));
    assert_eq!(watched.taken(), [vec!["a.yaml".to_owned()], none(), none()]);
    assert_eq!(watched.taken(), [none(), none(), none()]);
}

#[test]
fn a_burst_is_one_change() {
    let mut watched = Watched::new();
    for name in [
        "config/a.yaml",
        "config/b.yml",
        "config/c.json",
        "config/a.yaml",
    ] {
        assert!(watched.note(RENAME, name));
    }
    assert!(watched.note(REMOVE, "config/d.yaml"));
    let [files, _, _] = watched.taken();
    assert_eq!(files, ["a.yaml", "b.yml", "c.json", "d.yaml"]);
}

#[test]
fn a_link_is_complete_at_once() {
    let mut watched = Watched::new();
    std::os::unix::fs::symlink("../elsewhere", watched.path("config/a.yaml")).unwrap();
    assert!(watched.note(CREATE, "config/a.yaml"));
    std::fs::write(watched.path("there"), "").unwrap();
    std::fs::hard_link(watched.path("there"), watched.path("config/b.yaml")).unwrap();
    assert!(watched.note(CREATE, "config/b.yaml"));
}

#[test]
fn other_files_and_our_own_reading_wake_nobody() {
    let mut watched = Watched::new();
    for name in [
        "config/.a.yaml",
        "config/a.yaml.tmp",
        "config/notes.txt",
        "mesh.json",
        "other.yaml",
    ] {
        assert!(!watched.note(RENAME, name), "{name}");
    }
    assert!(!watched.note(OPEN, "config/a.yaml"));
    let read = EventKind::Access(AccessKind::Close(AccessMode::Read));
    assert!(!watched.note(read, "config/a.yaml"));
    assert_eq!(watched.taken(), [none(), none(), none()]);
}

#[test]
fn a_change_of_permissions_is_looked_at() {
    let mut watched = Watched::new();
    let metadata = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
    assert!(watched.note(metadata, "config/a.yaml"));
    watched.note(WRITE, "config/b.yaml");
    assert!(!watched.note(metadata, "config/b.yaml"));
}

#[test]
fn a_replaced_folder_is_read_whole() {
    let mut watched = Watched::new();
    watched.note(WRITE, "config/a.yaml");
    assert!(watched.note(RENAME, "config"));
    assert_eq!(watched.taken(), [none(), vec!["config".to_owned()], none()]);
    assert!(watched.note(RENAME, "config/..data"));
    assert_eq!(watched.taken(), [none(), vec!["config".to_owned()], none()]);
}

#[test]
fn lost_events_make_everything_be_read() {
    let mut watched = Watched::new();
    watched.note(WRITE, "config/a.yaml");
    let lost = Event::new(EventKind::Other).set_flag(Flag::Rescan);
    assert!(watched.pending.note(&lost));
    assert_eq!(watched.taken(), [none(), vec!["config".to_owned()], none()]);
}
