//! A chart with values, as objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, Weak};

use gotmpl::{Template, TemplateError};
use mesh_api::decode::documents;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::files::{Chart, File};
use super::functions::{self, argument, text_at, wrong};
use super::{schema, values};
use crate::error::CommandError;

/// What a chart is installed as.
#[derive(Debug, Clone)]
pub(crate) struct Release<'a> {
    /// The release's name.
    pub(crate) name: &'a str,
    /// Its namespace.
    pub(crate) namespace: &'a str,
    /// Who installs it: `Helm` when Helm does.
    pub(crate) service: &'a str,
}

/// Which object of the cluster a template asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lookup {
    /// Its version.
    pub(crate) api_version: String,
    /// Its kind.
    pub(crate) kind: String,
    /// Its namespace; empty when it has none.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

/// The objects of the cluster that templates may ask for.
pub(crate) type Lookups = BTreeMap<Lookup, Value>;

/// What comes of a chart.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    /// The objects, in the order of the templates.
    pub(crate) objects: Vec<Value>,
    /// What to do next.
    pub(crate) notes: String,
    /// What was asked for and not given: once it is, the objects may be others.
    pub(crate) asked: BTreeSet<Lookup>,
}

type Asked = Arc<Mutex<BTreeSet<Lookup>>>;

/// Renders a chart; `own` are the values laid over its defaults.
///
/// # Errors
/// When the values are not what the chart takes, or it refuses them itself.
pub(crate) fn render(
    chart: &Chart,
    release: &Release<'_>,
    own: Value,
    there: &Lookups,
) -> Result<Rendered, CommandError> {
    let mut values = defaults(chart.values)?;
    values::lay(&mut values, own);
    let schema = serde_json::from_str(chart.schema).map_err(CommandError::problem)?;
    let complaints = schema::complaints(&schema, &values);
    if !complaints.is_empty() {
        let error = CommandError::problem(complaints.join("\n"));
        return Err(error.hint("docs/install.md lists the values"));
    }
    let asked = Asked::default();
    let slot = templates(chart, there, &asked).map_err(|error| refused(&error))?;
    let Some(template) = slot.get() else {
        return Ok(Rendered::default());
    };
    let context = functions::from(&context(chart, release, &values));
    let mut rendered = Rendered::default();
    for (path, _) in chart.templates.iter().filter(|(path, _)| !is_helper(path)) {
        if template.lookup(path).is_none() {
            continue;
        }
        let text = template.execute_template_to_string(path, &context);
        let text = text.map_err(|error| refused(&error))?;
        match path.ends_with(".txt") {
            true => rendered.notes = text.trim().to_owned(),
            false => rendered.objects.extend(objects(path, &text)?),
        }
    }
    rendered.asked = std::mem::take(&mut *asked.lock());
    Ok(rendered)
}

fn is_helper(path: &str) -> bool {
    path.rsplit('/')
        .next()
        .is_some_and(|name| name.starts_with('_'))
}

fn defaults(text: &str) -> Result<Value, CommandError> {
    let first = documents::split(text).into_iter().next();
    let read = first.map(|document| documents::parse(&document));
    match read {
        None | Some(Ok(Value::Null)) => Ok(json!({})),
        Some(Ok(values)) => Ok(values),
        Some(Err(problem)) => Err(CommandError::problem(problem.message)),
    }
}

fn context(chart: &Chart, release: &Release<'_>, values: &Value) -> Value {
    // Helm counts the versions of a chart by its Chart.yaml, which is the workspace's.
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "Values": values,
        "Release": {
            "Name": release.name, "Namespace": release.namespace, "Service": release.service,
            "IsInstall": true, "IsUpgrade": false, "Revision": 1,
        },
        "Chart": {"Name": chart.name, "Version": version, "AppVersion": version},
    })
}

/// All templates of a chart in one set, with the functions that need it or the cluster.
///
/// `include` is a function that renders templates of the set that it belongs to: it holds the set
/// weakly, so that both end together.
fn templates(
    chart: &Chart,
    there: &Lookups,
    asked: &Asked,
) -> Result<Arc<OnceLock<Template>>, TemplateError> {
    let slot: Arc<OnceLock<Template>> = Arc::default();
    let functioned = |name: &str| {
        let (whole, files, there) = (Arc::downgrade(&slot), chart.files, there.clone());
        let asked = asked.clone();
        Template::new(name)
            .funcs(functions::all())
            .func("include", move |args| include(&whole, args))
            .func("fileOf", move |args| file(files, args))
            .func("lookup", move |args| lookup(&there, &asked, args))
    };
    let mut set = functioned(chart.name);
    for (path, text) in chart.templates {
        // Methods are no part of the language here; this one is a function.
        let text = text.replace(".Files.Get ", "fileOf ");
        let parsed = functioned(path).parse(&text)?;
        for name in parsed.templates() {
            if let Some(tree) = parsed.lookup(name) {
                set = set.add_parse_tree(name, tree.clone());
            }
        }
    }
    slot.get_or_init(|| set);
    Ok(slot)
}

type Made = Result<gotmpl::Value, TemplateError>;

fn include(whole: &Weak<OnceLock<Template>>, args: &[gotmpl::Value]) -> Made {
    let (name, data) = (text_at(args, 0)?, argument(args, 1)?);
    let whole = whole.upgrade();
    let set = whole.as_ref().and_then(|slot| slot.get());
    let set = set.ok_or_else(|| wrong("the templates are not read yet"))?;
    let text = set.execute_template_to_string(&name, data)?;
    Ok(gotmpl::Value::String(text.into()))
}

fn file(files: &[File], args: &[gotmpl::Value]) -> Made {
    let wanted = text_at(args, 0)?;
    let found = files.iter().find(|(path, _)| *path == wanted);
    // Helm: a file that is not there is empty.
    Ok(gotmpl::Value::String(
        found.map_or("", |(_, text)| text).into(),
    ))
}

fn lookup(there: &Lookups, asked: &Asked, args: &[gotmpl::Value]) -> Made {
    let lookup = Lookup {
        api_version: text_at(args, 0)?,
        kind: text_at(args, 1)?,
        namespace: text_at(args, 2)?,
        name: text_at(args, 3)?,
    };
    match there.get(&lookup) {
        Some(object) => Ok(functions::from(object)),
        None => {
            asked.lock().insert(lookup);
            Ok(functions::from(&json!({})))
        }
    }
}

/// The objects of a rendered template.
fn objects(path: &str, text: &str) -> Result<Vec<Value>, CommandError> {
    // Helm: what is not there is nothing.
    let text = text.replace("<no value>", "");
    let mut objects = Vec::new();
    for document in documents::split(&text) {
        let read = documents::parse(&document);
        let read =
            read.map_err(|problem| CommandError::problem(format!("{path}: {}", problem.message)))?;
        if read.is_object() {
            objects.push(read);
        }
    }
    Ok(objects)
}

/// What a template says against the values, without the names of templates around it.
fn refused(error: &TemplateError) -> CommandError {
    let mut text = error.to_string();
    while let Some((_, rest)) = text.split_once("execution error: ") {
        text = rest.to_owned();
    }
    CommandError::problem(text.trim()).hint("docs/install.md lists the values")
}

#[cfg(test)]
mod tests;
