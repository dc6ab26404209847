use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

fn sample() -> Content {
    let mut content = Content::default();
    content.text("etc/motd", "welcome\n");
    content.link("usr/lib/libmesh.so", "libmesh.so.1");
    let bytes = vec![7; 1000];
    content.put("bin/tool", Entry::File { mode: 0o755, bytes });
    content.put("tmp", Entry::Folder { mode: 0o1777 });
    content.text(&deep(), "deep\n");
    content
}

/// A path that is too long for one field of a header.
fn deep() -> String {
    ["d", "e", "f"].map(|letter| letter.repeat(60)).join("/")
}

/// What another reader makes of an archive.
fn listed(archive: &[u8]) -> String {
    let mut tar = Command::new("tar");
    let tar = tar.args(["-tvf", "-", "--numeric-owner", "--full-time", "--utc"]);
    let piped = tar.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(archive).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn archives_are_read_by_another_program() {
    let listed = listed(&archive(&sample()).unwrap());
    let lines: Vec<String> = listed
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let (outer, inner) = ("d".repeat(60), "e".repeat(60));
    assert_eq!(
        lines,
        [
            "drwxr-xr-x 0/0 0 1970-01-01 00:00:00 bin/".to_owned(),
            "-rwxr-xr-x 0/0 1000 1970-01-01 00:00:00 bin/tool".to_owned(),
            format!("drwxr-xr-x 0/0 0 1970-01-01 00:00:00 {outer}/"),
            format!("drwxr-xr-x 0/0 0 1970-01-01 00:00:00 {outer}/{inner}/"),
            format!("-rw-r--r-- 0/0 5 1970-01-01 00:00:00 {}", deep()),
            "drwxr-xr-x 0/0 0 1970-01-01 00:00:00 etc/".to_owned(),
            "-rw-r--r-- 0/0 8 1970-01-01 00:00:00 etc/motd".to_owned(),
            "drwxrwxrwt 0/0 0 1970-01-01 00:00:00 tmp/".to_owned(),
            "drwxr-xr-x 0/0 0 1970-01-01 00:00:00 usr/".to_owned(),
            "drwxr-xr-x 0/0 0 1970-01-01 00:00:00 usr/lib/".to_owned(),
            "lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 usr/lib/libmesh.so -> libmesh.so.1".to_owned(),
        ]
    );
}

#[test]
fn the_same_content_is_the_same_image() {
    let config = json!({"User": USER});
    let make = || {
        let layer = archive(&sample()).unwrap();
        oci::image("mesh/tool:1", &config, vec![layer]).unwrap()
    };
    let image = make();
    assert!(image == make());
    let listed = listed(&image);
    assert_eq!(listed.matches("blobs/sha256/").count(), 4, "{listed}");
    assert!(listed.contains("index.json") && listed.contains("oci-layout"));
}

#[test]
fn a_path_that_the_form_has_no_room_for_is_named() {
    let mut content = Content::default();
    content.text(&"n".repeat(101), "long\n");
    let error = archive(&content).unwrap_err();
    assert_eq!(error.to_string(), "n".repeat(101));
}

#[test]
fn a_layer_leaves_out_what_is_below_it() {
    let mut above = sample();
    above.text("etc/motd", "other\n");
    above.text("etc/new", "new\n");
    let above = above.without(&sample());
    let files = above
        .entries()
        .filter(|(_, entry)| matches!(entry, Entry::File { .. }));
    let files: Vec<&str> = files.map(|(path, _)| path).collect();
    assert_eq!(files, ["etc/motd", "etc/new"]);
}

#[test]
fn libraries_are_read_from_what_ldd_says() {
    let said = "\tlinux-vdso.so.1 (0x00007ffd)\n\
        \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fb5)\n\
        \t/lib64/ld-linux-x86-64.so.2 (0x00007fb6)\n";
    let paths = parts::paths(said).unwrap();
    let wanted = [
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
    ];
    assert_eq!(paths, wanted.map(PathBuf::from));
    assert!(parts::paths("\tlibfoo.so.1 => not found\n").is_err());
}

#[test]
fn the_dockerfile_makes_the_same_images() {
    let text = fs::read_to_string(crate::root().join("Dockerfile")).unwrap();
    for image in &IMAGES {
        let name = image.name;
        let stage = format!(
            "FROM base AS {name}\n\
             COPY --from=build /mesh/target/images/{name}/ /\n\
             ENTRYPOINT [\"/usr/local/bin/{name}\"]\n"
        );
        assert!(text.contains(&stage), "{name}");
    }
    let stages: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("FROM base AS "))
        .collect();
    assert_eq!(stages.len(), IMAGES.len());
    assert!(text.contains(&format!("USER {USER}\n")));
    for variable in ENVIRONMENT {
        assert!(text.contains(&format!("ENV {variable}\n")), "{variable}");
    }
}

#[test]
fn bookinfo_has_every_image_that_its_manifest_names() {
    let manifest = "samples/bookinfo/platform/kube/bookinfo.yaml";
    let manifest = fs::read_to_string(crate::root().join(manifest)).unwrap();
    let named = manifest
        .lines()
        .filter_map(|line| line.trim().strip_prefix("image: "));
    let named: BTreeSet<String> = named.map(str::to_owned).collect();
    let made = bookinfo::VERSIONS.iter().map(bookinfo::Version::reference);
    assert_eq!(made.collect::<BTreeSet<_>>(), named);
}

#[test]
fn a_folder_is_content_with_its_links_and_without_what_is_not_wanted() {
    let folder = std::env::temp_dir().join(format!("mesh-content.{}", std::process::id()));
    sample().unpack(&folder).unwrap();
    let read = Content::folder(&folder, |path| !path.starts_with("etc/"));
    fs::remove_dir_all(&folder).unwrap();
    let below = read.unwrap().below("app");
    let paths: Vec<&str> = below.entries().map(|(path, _)| path).collect();
    let deep = format!("app/{}", deep());
    for expected in ["app/bin/tool", "app/usr/lib/libmesh.so", deep.as_str()] {
        assert!(paths.contains(&expected), "{paths:?}");
    }
    assert!(!paths.contains(&"app/etc/motd"), "{paths:?}");
}
