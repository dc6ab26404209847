//! `meshctl validate`: manifests, without a mesh.

use std::collections::BTreeSet;

use mesh_api::validate::references::check_references;
use mesh_api::{Object, ResourceSet};
use mesh_model::name::ResourceKey;
use serde_json::json;

use crate::cli::{Global, Output};
use crate::commands::apply::Files;
use crate::error::CommandError;
use crate::ui::{Tone, Ui};

const HELP: &str = "\
Examples:
  meshctl validate -f virtual-service.yaml
  kubectl get virtualservices -A -o yaml | meshctl validate -f -

What is wrong in itself is an error. A host or subset that these files do not have is a warning: it may be
in the mesh.";

/// Check manifests without a mesh.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    files: Files,
}

/// Checks files.
pub(crate) fn run(global: &Global, args: &ValidateArgs, ui: &Ui) -> Result<(), CommandError> {
    if args.files.filename.is_empty() {
        let error = CommandError::usage("validate: no file is named");
        return Err(error.hint("name one with -f FILE, or - for standard input"));
    }
    let (objects, texts) = args.files.objects(global)?;
    let keys: BTreeSet<ResourceKey> = objects.iter().map(|object| object.key.clone()).collect();
    let (set, found) = ResourceSet::build(objects.iter().cloned());
    let (errors, mut warnings) = texts.lines(&found);
    let (dangling, more) = texts.lines(&check_references(&set, &keys));
    warnings.extend(dangling);
    warnings.extend(more);
    if global.output == Output::Json {
        ui.json(&json!({"valid": errors.is_empty(), "errors": errors, "warnings": warnings}));
    } else {
        warnings.iter().for_each(|warning| ui.warning(warning));
    }
    if !errors.is_empty() {
        return Err(CommandError::problem(errors.join("\n")));
    }
    if global.output != Output::Json {
        objects.iter().for_each(|object| tell(object, ui));
    }
    Ok(())
}

fn tell(object: &Object, ui: &Ui) {
    let sign = ui.paint(Tone::Good, "√");
    ui.data(&format!("{sign} {} is valid", object.key));
}
