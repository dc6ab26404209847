use super::*;

struct Folder {
    dir: tempfile::TempDir,
    tree: Tree,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::new(vec![dir.path().to_owned()]);
        Self { dir, tree }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// Reads everything; the events as text, without the folder's name.
    fn scan(&mut self) -> Vec<String> {
        let change = Change::everything(&[self.dir.path().to_owned()]);
        self.told(&change)
    }

    fn told(&mut self, change: &Change) -> Vec<String> {
        let folder = self.dir.path().display().to_string();
        let events = self.tree.scan(change);
        let texts = events.iter().map(|event| match event {
            Event::Upsert(object) => format!("+ {} {}", object.key.name, object.origin),
            Event::Delete(key) => format!("- {}", key.name),
            Event::Synced => "synced".to_owned(),
            Event::Broken {
                origin,
                diagnostics,
                held,
            } => {
                let held: Vec<&str> = held.iter().map(|key| key.name.as_str()).collect();
                format!("! {origin} {} holds {held:?}", diagnostics.len())
            }
            Event::Mended { origin } => format!("* {origin}"),
        });
        texts
            .map(|text| {
                text.replace(&format!("{folder}/"), "")
                    .replace(&folder, "FOLDER")
            })
            .collect()
    }
}

fn account(name: &str) -> String {
    format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n")
}

fn accounts(names: &[&str]) -> String {
    let documents: Vec<String> = names.iter().map(|name| account(name)).collect();
    documents.join("---\n")
}

#[test]
fn only_differences_are_told() {
    let mut folder = Folder::new();
    folder.write("one.yaml", &accounts(&["a", "b"]));
    folder.write("notes.txt", "none of our business");
    assert_eq!(
        folder.scan(),
        [
            "+ a one.yaml document 1 line 1",
            "+ b one.yaml document 2 line 5"
        ]
    );
    assert_eq!(folder.scan(), [""; 0]);
    folder.write("one.yaml", &accounts(&["a", "c"]));
    assert_eq!(folder.scan(), ["+ c one.yaml document 2 line 5", "- b"]);
    std::fs::remove_file(folder.dir.path().join("one.yaml")).unwrap();
    assert_eq!(folder.scan(), ["- a", "- c"]);
}

#[test]
fn an_object_that_moves_to_another_file_is_never_gone() {
    let mut folder = Folder::new();
    folder.write("one.yaml", &account("a"));
    folder.scan();
    folder.write("one.yaml", "");
    folder.write("two.yaml", &account("a"));
    assert_eq!(folder.scan(), ["+ a two.yaml document 1 line 1"]);
}

#[test]
fn a_broken_document_holds_what_it_may_have_been() {
    let mut folder = Folder::new();
    folder.write("one.yaml", &accounts(&["a", "b", "c"]));
    folder.write("two.yaml", &account("d"));
    folder.scan();
    let broken = accounts(&["a", "b", "c"]).replace("{name: b}", "{name: b");
    folder.write("one.yaml", &broken);
    assert_eq!(folder.scan(), ["! one.yaml 1 holds [\"b\"]"]);
    folder.write("one.yaml", &accounts(&["a", "b", "c"]));
    assert_eq!(folder.scan(), ["* one.yaml"]);
}

#[test]
fn a_broken_file_holds_everything_and_a_deleted_one_nothing() {
    let mut folder = Folder::new();
    folder.write("one.yaml", &accounts(&["a", "b"]));
    folder.scan();
    std::fs::write(folder.dir.path().join("one.yaml"), [0xff, 0xfe]).unwrap();
    assert_eq!(folder.scan(), ["! one.yaml 1 holds [\"a\", \"b\"]"]);
    folder.write("one.yaml", "[");
    assert_eq!(folder.scan(), ["! one.yaml 1 holds [\"a\", \"b\"]"]);
    std::fs::remove_file(folder.dir.path().join("one.yaml")).unwrap();
    assert_eq!(folder.scan(), ["- a", "- b", "* one.yaml"]);
}

#[test]
fn of_two_files_with_one_object_the_first_counts() {
    let mut folder = Folder::new();
    folder.write("b.yaml", &account("a"));
    folder.scan();
    folder.write("a.yaml", &account("a"));
    assert_eq!(
        folder.scan(),
        ["+ a a.yaml document 1 line 1", "! b.yaml 1 holds []"]
    );
    std::fs::remove_file(folder.dir.path().join("a.yaml")).unwrap();
    assert_eq!(folder.scan(), ["+ a b.yaml document 1 line 1", "* b.yaml"]);
}

#[test]
fn a_missing_folder_holds_everything() {
    let mut folder = Folder::new();
    folder.write("one.yaml", &account("a"));
    folder.scan();
    let path = folder.dir.path().to_owned();
    std::fs::rename(&path, path.with_extension("away")).unwrap();
    assert_eq!(folder.scan(), ["! FOLDER 1 holds [\"a\"]"]);
    std::fs::create_dir(&path).unwrap();
    folder.write("two.yaml", &account("b"));
    let events = folder.scan();
    std::fs::remove_dir_all(path.with_extension("away")).unwrap();
    assert_eq!(
        events,
        ["+ b two.yaml document 1 line 1", "- a", "* FOLDER"]
    );
}

#[test]
fn a_file_that_is_being_written_is_not_looked_at() {
    let mut folder = Folder::new();
    folder.write("one.yaml", &account("a"));
    folder.scan();
    folder.write("one.yaml", "");
    folder.write("two.yaml", &account("b"));
    let path = folder.dir.path().join("one.yaml");
    let mut change = Change::everything(&[folder.dir.path().to_owned()]);
    change.writing.insert(path.clone());
    assert_eq!(folder.told(&change), ["+ b two.yaml document 1 line 1"]);
    change = Change::default();
    change.files.insert(path);
    assert_eq!(folder.told(&change), ["- a"]);
}

#[test]
fn a_folder_with_the_name_of_a_manifest_is_passed_over() {
    let mut folder = Folder::new();
    std::fs::create_dir(folder.dir.path().join("x.yaml")).unwrap();
    assert_eq!(folder.scan(), [""; 0]);
}
