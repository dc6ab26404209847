//! What a container holds and uses, as the machine sees it: all of its processes together.

use mesh_tests::processes;

use crate::world::{Pod, World};

/// A container that runs.
#[derive(Debug, Clone)]
pub(super) struct Container {
    id: String,
}

impl Container {
    /// That of a pod.
    #[track_caller]
    pub(super) fn of(world: &World, pod: &Pod, name: &str) -> Self {
        let id = world.container_id(pod, name);
        Self { id }
    }

    #[track_caller]
    fn pids(&self) -> Vec<i32> {
        let pids = processes::of_container(&self.id).unwrap();
        assert!(!pids.is_empty(), "container {} has no process", self.id);
        pids
    }

    /// Resident memory.
    #[track_caller]
    pub(super) fn rss_mib(&self) -> f64 {
        processes::rss_kib(&self.pids()).unwrap() as f64 / 1024.0
    }

    /// The most that it was.
    #[track_caller]
    pub(super) fn peak_mib(&self) -> f64 {
        processes::peak_kib(&self.pids()).unwrap() as f64 / 1024.0
    }

    /// Processor time that those which live have used, in microseconds.
    #[track_caller]
    pub(super) fn cpu_us(&self) -> f64 {
        processes::cpu_nanoseconds(&self.pids()).unwrap() as f64 / 1000.0
    }

    /// When the first of its processes was started, in seconds since the start of the machine.
    #[track_caller]
    pub(super) fn started(&self) -> f64 {
        let first = self.pids().into_iter().min().unwrap();
        processes::started(first).unwrap().as_secs_f64()
    }
}
