//! The charts' files, as they were when this program was built.

/// A chart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chart {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is called when it is installed; Istio's documents and ours say so.
    pub(crate) description: &'static str,
    /// `values.yaml`.
    pub(crate) values: &'static str,
    /// `values.schema.json`.
    pub(crate) schema: &'static str,
    /// Templates by their names, helpers among them.
    pub(crate) templates: &'static [File],
    /// Other files that templates read.
    pub(crate) files: &'static [File],
    /// Sets of values.
    pub(crate) profiles: &'static [File],
}

/// A file: its path in the chart, and its text.
pub(crate) type File = (&'static str, &'static str);

macro_rules! file {
    ($chart:literal, $path:literal) => {
        (
            $path,
            include_str!(concat!("../../../charts/", $chart, "/", $path)),
        )
    };
}

/// The definitions of Istio's kinds.
pub(crate) const MESH_INIT: Chart = Chart {
    name: "mesh-init",
    description: "definitions of Istio's kinds",
    values: include_str!("../../../charts/mesh-init/values.yaml"),
    schema: include_str!("../../../charts/mesh-init/values.schema.json"),
    templates: &[
        file!("mesh-init", "templates/NOTES.txt"),
        file!("mesh-init", "templates/authentication.istio.io.yaml"),
        file!("mesh-init", "templates/config.istio.io.yaml"),
        file!("mesh-init", "templates/extensions.istio.io.yaml"),
        file!("mesh-init", "templates/networking.istio.io.yaml"),
        file!("mesh-init", "templates/rbac.istio.io.yaml"),
        file!("mesh-init", "templates/security.istio.io.yaml"),
        file!("mesh-init", "templates/telemetry.istio.io.yaml"),
    ],
    files: &[],
    profiles: &[],
};

/// The mesh.
pub(crate) const MESH: Chart = Chart {
    name: "mesh",
    description: "the mesh",
    values: include_str!("../../../charts/mesh/values.yaml"),
    schema: include_str!("../../../charts/mesh/values.schema.json"),
    templates: &[
        file!("mesh", "templates/NOTES.txt"),
        file!("mesh", "templates/_helpers.tpl"),
        file!("mesh", "templates/_names.tpl"),
        file!("mesh", "templates/check.yaml"),
        file!("mesh", "templates/citadel.yaml"),
        file!("mesh", "templates/configuration.yaml"),
        file!("mesh", "templates/gateways.yaml"),
        file!("mesh", "templates/mixer.yaml"),
        file!("mesh", "templates/pilot-rbac.yaml"),
        file!("mesh", "templates/pilot.yaml"),
        file!("mesh", "templates/webhooks.yaml"),
    ],
    files: &[file!("mesh", "files/names.json")],
    profiles: &[
        file!("mesh", "profiles/default.yaml"),
        file!("mesh", "profiles/demo.yaml"),
        file!("mesh", "profiles/minimal.yaml"),
    ],
};

#[cfg(test)]
mod tests;
