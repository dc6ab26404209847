//! Keeps `mesh.json` and `cluster/` in step with what the processes are doing.

use std::collections::BTreeMap;

use mesh_api::decode;
use serde_json::{Value, json};

use super::board::Board;
use crate::embedded::cluster::{self, ClusterFile, PodState};
use crate::embedded::config::yaml;
use crate::embedded::plan::{INGRESS, Plan};
use crate::embedded::state_dir::{self, StateDir, VERSION};
use crate::error::CommandError;
use crate::in_force::Change;

/// Writes what changed, and nothing else.
#[derive(Debug)]
pub(super) struct Scribe {
    dir: StateDir,
    run: String,
    written: BTreeMap<String, Value>,
    summary: Value,
}

impl Scribe {
    /// Writes everything for the first time; files of an earlier run are removed.
    pub(super) fn begin(
        dir: &StateDir,
        run: &str,
        plan: &Plan,
        board: &Board,
    ) -> Result<Self, CommandError> {
        let mut scribe = Self {
            dir: dir.clone(),
            run: run.to_owned(),
            written: BTreeMap::new(),
            summary: Value::Null,
        };
        let fixed = cluster::fixed(plan);
        let moving = moving(plan, board);
        let names: Vec<&str> = fixed
            .iter()
            .chain(&moving)
            .map(|file| file.name.as_str())
            .collect();
        for old in state_dir::files(&dir.path("cluster"))? {
            let name = old.file_name().unwrap_or_default().to_string_lossy();
            if !names.contains(&&*name) {
                state_dir::remove(&old)?;
            }
        }
        scribe.files(fixed)?;
        scribe.files(moving)?;
        scribe.summary(plan, board)?;
        Ok(scribe)
    }

    /// Writes what changed since the last time.
    pub(super) fn update(&mut self, plan: &Plan, board: &Board) -> Result<(), CommandError> {
        self.files(moving(plan, board))?;
        self.summary(plan, board)
    }

    fn files(&mut self, files: Vec<ClusterFile>) -> Result<(), CommandError> {
        for ClusterFile { name, object } in files {
            if self.written.get(&name) == Some(&object) {
                continue;
            }
            let path = self.dir.path("cluster").join(&name);
            state_dir::write(&path, yaml(&object)?.as_bytes())?;
            self.written.insert(name, object);
        }
        Ok(())
    }

    fn summary(&mut self, plan: &Plan, board: &Board) -> Result<(), CommandError> {
        let mut summary = board.status(plan).contract();
        if let Some(members) = summary.as_object_mut() {
            members.insert("version".to_owned(), json!(VERSION));
            members.insert("pid".to_owned(), json!(std::process::id()));
            members.insert("network".to_owned(), json!(plan.network.to_string()));
            members.insert("run".to_owned(), json!(self.run));
            members.insert("root".to_owned(), json!(self.dir.root().to_string_lossy()));
        }
        if summary != self.summary {
            self.dir
                .write("mesh.json", format!("{summary:#}\n").as_bytes())?;
            self.summary = summary;
        }
        Ok(())
    }
}

/// Says in `mesh.json` that nothing runs.
pub(super) fn nothing_runs(dir: &StateDir) -> Result<(), CommandError> {
    let summary = json!({"version": VERSION, "pid": null, "components": [], "workloads": []});
    dir.write("mesh.json", format!("{summary:#}\n").as_bytes())
}

/// What pilot is to know of the processes as they are now.
pub(super) fn changes(plan: &Plan, board: &Board) -> Vec<Change> {
    let files = moving(plan, board);
    // JSON is YAML.
    let objects = files
        .iter()
        .flat_map(|file| decode::objects(&file.name, &file.object.to_string()).0);
    objects.map(|object| Change::put(&object)).collect()
}

fn moving(plan: &Plan, board: &Board) -> Vec<ClusterFile> {
    let (components, workloads) = board
        .units
        .split_at(plan.components.len().min(board.units.len()));
    let states: Vec<PodState> = workloads.iter().map(|unit| board.pod_state(unit)).collect();
    let ingress = components.iter().find(|unit| unit.name == INGRESS);
    let ingress = ingress.map_or(PodState::Unready, |unit| board.pod_state(unit));
    cluster::moving(plan, &states, ingress)
}
