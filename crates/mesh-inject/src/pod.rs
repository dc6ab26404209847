//! A sidecar into a pod: the containers, volumes, labels and annotations of one injection, and the
//! record by which it is taken out again.

use serde_json::{Map, Value, json};

use crate::annotations::{STATUS, Wanted};
use crate::codes;
use crate::problem::Problem;
use crate::settings::InterceptionMode;
use crate::undo::Record;

mod capture;
mod check;
mod labels;
mod metrics;
pub(crate) mod probes;
mod sidecar;
mod volumes;

pub(crate) use check::{check, shape, warnings};

/// Istio's name of the sidecar's container.
pub(crate) const SIDECAR: &str = "istio-proxy";
/// Istio's name of the container that sets the capture of traffic up.
pub(crate) const CAPTURE: &str = "istio-init";

/// What is known of a pod beside itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    /// The name of the Deployment or other workload.
    pub(crate) workload: &'a str,
    /// Whether its pods are to end by themselves.
    pub(crate) ends: bool,
}

/// Puts a sidecar into a pod that has been checked and has none; answers warnings.
pub(crate) fn inject(
    pod: &mut Value,
    wanted: &Wanted,
    around: Around<'_>,
) -> Result<Vec<Problem>, Problem> {
    let mut edit = Edit::of(pod, wanted.settings.revision.clone());
    labels::add(&mut edit, around)?;
    let arguments = sidecar::arguments(edit.pod, wanted, around);
    let probers = probes::redirect(&mut edit, &wanted.settings)?;
    let scraped = metrics::merge(&mut edit, &wanted.settings)?;
    labels::annotate(&mut edit, &wanted.settings)?;
    let sidecar = sidecar::container(wanted, arguments, &probers, scraped.as_ref());
    containers(&mut edit, wanted, sidecar)?;
    volumes::add(&mut edit, wanted)?;
    edit.record()?;
    Ok(life_cycle(wanted, around))
}

/// Where the containers stand says when they start.
fn containers(edit: &mut Edit<'_>, wanted: &Wanted, sidecar: Value) -> Result<(), Problem> {
    let settings = &wanted.settings;
    let capture =
        (settings.capture.mode != InterceptionMode::None).then(|| capture::container(settings));
    if capture.is_some() {
        edit.record.init_containers.push(CAPTURE.to_owned());
    }
    if settings.native_sidecars {
        // First, so that the init containers of the user reach the mesh as well.
        edit.record.init_containers.push(SIDECAR.to_owned());
        let first: Vec<Value> = capture.into_iter().chain([sidecar]).collect();
        edit.list("/spec/initContainers")?.splice(..0, first);
        return Ok(());
    }
    if let Some(capture) = capture {
        // Last: before it runs, the init containers of the user speak past the sidecar, which has
        // not started.
        edit.list("/spec/initContainers")?.push(capture);
    }
    edit.record.containers.push(SIDECAR.to_owned());
    let containers = edit.list("/spec/containers")?;
    if settings.hold_application_until_proxy_starts {
        containers.insert(0, sidecar);
    } else {
        containers.push(sidecar);
    }
    Ok(())
}

fn life_cycle(wanted: &Wanted, around: Around<'_>) -> Vec<Problem> {
    let settings = &wanted.settings;
    let mut said = Vec::new();
    if around.ends && !settings.native_sidecars {
        let message = "the pod will not end: its sidecar goes on when the application is done";
        said.push(
            Problem::warning(codes::LIFE_CYCLE, "spec.containers", message).with_hint(
                "inject a native sidecar (sidecar.istio.io/nativeSidecar: \"true\"), or let the \
                 application POST http://127.0.0.1:15020/quitquitquit at its end",
            ),
        );
    }
    said
}

/// A pod under change, with the record of what was changed.
pub(crate) struct Edit<'a> {
    pub(crate) pod: &'a mut Value,
    pub(crate) record: Record,
}

impl<'a> Edit<'a> {
    fn of(pod: &'a mut Value, revision: String) -> Self {
        let record = Record {
            revision,
            created: Some(Vec::new()),
            ..Record::default()
        };
        Self { pod, record }
    }

    /// The list at a JSON pointer, made when it is not there.
    pub(crate) fn list(&mut self, pointer: &str) -> Result<&mut Vec<Value>, Problem> {
        let value = self.made(pointer, || json!([]))?;
        value.as_array_mut().ok_or_else(|| mismatch(pointer))
    }

    /// The members of the map at a JSON pointer, made when it is not there.
    pub(crate) fn members(&mut self, pointer: &str) -> Result<&mut Map<String, Value>, Problem> {
        let value = self.made(pointer, || json!({}))?;
        value.as_object_mut().ok_or_else(|| mismatch(pointer))
    }

    fn made(&mut self, pointer: &str, empty: fn() -> Value) -> Result<&mut Value, Problem> {
        let (parent, name) = pointer.rsplit_once('/').ok_or_else(|| mismatch(pointer))?;
        let there = self.pod.pointer(pointer);
        if there.is_none_or(Value::is_null) {
            if there.is_some() {
                self.record.nulls.push(pointer.to_owned());
            }
            let parent = match parent {
                "" => self.pod.as_object_mut().ok_or_else(|| mismatch(pointer))?,
                outer => self.members(outer)?,
            };
            parent.insert(name.to_owned(), empty());
            let created = self.record.created.get_or_insert_default();
            created.push(pointer.to_owned());
        }
        self.pod
            .pointer_mut(pointer)
            .ok_or_else(|| mismatch(pointer))
    }

    /// Adds an annotation or gives it another value, so that it can be undone.
    pub(crate) fn annotate(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let value = Value::String(value.to_owned());
        let annotations = self.members("/metadata/annotations")?;
        match annotations.insert(name.to_owned(), value) {
            None => self.record.annotations.push(name.to_owned()),
            Some(before) => {
                self.record.replaced.insert(name.to_owned(), before);
            }
        }
        Ok(())
    }

    /// Adds a label that is not there.
    pub(crate) fn label(&mut self, name: &str, value: String) -> Result<(), Problem> {
        let labels = self.members("/metadata/labels")?;
        if !labels.contains_key(name) {
            labels.insert(name.to_owned(), Value::String(value));
            self.record.labels.push(name.to_owned());
        }
        Ok(())
    }

    /// Writes the record, which ends the injection.
    fn record(mut self) -> Result<(), Problem> {
        self.members("/metadata/annotations")?;
        let record = serde_json::to_string(&self.record)
            .map_err(|error| Problem::error(codes::SHAPE, "metadata", error.to_string()))?;
        let annotations = self.members("/metadata/annotations")?;
        annotations.insert(STATUS.to_owned(), Value::String(record));
        Ok(())
    }
}

fn mismatch(pointer: &str) -> Problem {
    let field = pointer.trim_start_matches('/').replace('/', ".");
    Problem::error(codes::SHAPE, field, "is of another type than a pod's")
}

#[cfg(test)]
mod tests;
