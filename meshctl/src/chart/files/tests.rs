use std::collections::BTreeSet;
use std::path::Path;

use super::*;

#[test]
fn no_file_of_the_charts_is_forgotten() {
    for chart in [MESH_INIT, MESH] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../charts")
            .join(chart.name);
        let mut there = BTreeSet::new();
        for part in ["templates", "files", "profiles"] {
            let Ok(entries) = std::fs::read_dir(folder.join(part)) else {
                continue;
            };
            for entry in entries {
                there.insert(format!("{part}/{}", entry.unwrap().file_name().display()));
            }
        }
        let lists = [chart.templates, chart.files, chart.profiles];
        let carried = lists.concat().into_iter().map(|(path, _)| path.to_owned());
        assert_eq!(carried.collect::<BTreeSet<_>>(), there, "{}", chart.name);
    }
}
