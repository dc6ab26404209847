//! `meshctl proxy-config`: what a proxy has in force, as it says itself.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use mesh_model::time::{Clock, rfc3339};
use mesh_runtime::SystemClock;
use serde_json::{Value, json};

use crate::cli::{Global, Output};
use crate::embedded::config::yaml;
use crate::error::{CommandError, at_path};
use crate::plane::name::ProxyName;
use crate::plane::pages::Pages;
use crate::plane::{Plane, Where};
use crate::ui::Ui;
use crate::ui::table::Table;

mod clusters;
mod dump;
mod endpoints;
mod listeners;
mod others;
mod routes;

use dump::Dump;

const HELP: &str = "\
Examples:
  meshctl proxy-config clusters productpage-v1-0
  meshctl pc endpoints deployment/productpage-v1 --port 9080
  meshctl pc routes web-7d4b9c-x2x9k.shop --name 9080 -o json
  meshctl pc listeners --file config_dump.json

A proxy is named NAME, NAME.NAMESPACE, pod/NAME or deployment/NAME.";

/// Show what a proxy has in force.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct ProxyConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Clusters: the destinations that it knows
    #[command(visible_aliases = ["cluster", "c"])]
    Clusters {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        filter: clusters::Filter,
    },
    /// Listeners: where it takes connections
    #[command(visible_aliases = ["listener", "l"])]
    Listeners {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        filter: listeners::Filter,
    },
    /// Route tables: which request goes to which cluster
    #[command(visible_aliases = ["route", "r"])]
    Routes {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        filter: routes::Filter,
    },
    /// Endpoints of the clusters
    #[command(visible_aliases = ["endpoint", "ep"])]
    Endpoints {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        filter: endpoints::Filter,
    },
    /// Certificates: its own and the roots that it believes, never a key
    #[command(visible_aliases = ["secret", "s"])]
    Secrets {
        #[command(flatten)]
        of: Of,
    },
    /// Who it says it is, its version and state
    #[command(visible_alias = "b")]
    Bootstrap {
        #[command(flatten)]
        of: Of,
    },
    /// All of it
    #[command(visible_alias = "a")]
    All {
        #[command(flatten)]
        of: Of,
    },
}

/// Whose configuration.
#[derive(Debug, clap::Args)]
struct Of {
    // clap tells arguments apart by their fields' names, and routes have a `--name`.
    /// The proxy
    #[arg(
        value_name = "NAME",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    proxy: Option<String>,
    /// A configuration dump that was saved, `-` for standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    at: Where,
}

/// What is shown: the rows for people, the values for scripts, and what is refused.
struct Shown {
    table: Table,
    value: Value,
}

/// Where the facts come from.
enum Facts {
    Proxy(Pages),
    File(Value),
}

impl Facts {
    async fn find(of: &Of, global: &Global) -> Result<Self, CommandError> {
        if let Some(file) = &of.file {
            return Ok(Self::File(saved(file)?));
        }
        let name = of.proxy.as_deref().unwrap_or_default();
        let name = ProxyName::parse(name, global.namespace.as_deref())?;
        let plane = Plane::find(global, &of.at).await?;
        Ok(Self::Proxy(plane.proxy(&name).await?.pages))
    }

    async fn dump(&self) -> Result<Dump, CommandError> {
        Ok(Dump::new(match self {
            Self::Proxy(pages) => pages.json("/config_dump").await?,
            Self::File(dump) => dump.clone(),
        }))
    }

    /// A page that is no part of a dump.
    async fn page(&self, path: &str) -> Result<Value, CommandError> {
        match self {
            Self::Proxy(pages) => pages.json(path).await,
            Self::File(_) => {
                let error = CommandError::usage("a configuration dump does not hold it");
                Err(error.hint("name the proxy"))
            }
        }
    }

    async fn statuses(&self) -> Result<Value, CommandError> {
        match self {
            Self::Proxy(pages) => pages.json("/clusters?format=json").await,
            Self::File(dump) => Ok(Dump::new(dump.clone()).statuses()),
        }
    }
}

/// Shows configuration.
pub(crate) async fn run(
    global: &Global,
    args: ProxyConfigArgs,
    ui: &Ui,
) -> Result<(), CommandError> {
    match args.what {
        What::Clusters { of, filter } => {
            let dump = Facts::find(&of, global).await?.dump().await?;
            dump.refused("dynamic_active_clusters")
                .for_each(|why| ui.warning(&why));
            print(clusters::show(&dump, &filter), global, ui)
        }
        What::Listeners { of, filter } => {
            let dump = Facts::find(&of, global).await?.dump().await?;
            dump.refused("dynamic_listeners")
                .for_each(|why| ui.warning(&why));
            print(listeners::show(&dump, &filter), global, ui)
        }
        What::Routes { of, filter } => {
            let dump = Facts::find(&of, global).await?.dump().await?;
            dump.refused("dynamic_route_configs")
                .for_each(|why| ui.warning(&why));
            print(routes::show(&dump, &filter), global, ui)
        }
        What::Endpoints { of, filter } => {
            let statuses = Facts::find(&of, global).await?.statuses().await?;
            print(endpoints::show(&statuses, &filter, ui), global, ui)
        }
        What::Secrets { of } => {
            let certs = Facts::find(&of, global).await?.page("/certs").await?;
            print(others::secrets(certs, &now()), global, ui)
        }
        What::Bootstrap { of } => {
            let facts = Facts::find(&of, global).await?;
            print(bootstrap(&facts).await?, global, ui)
        }
        What::All { of } => all(&Facts::find(&of, global).await?, global, ui).await,
    }
}

async fn bootstrap(facts: &Facts) -> Result<Shown, CommandError> {
    let info = match facts {
        Facts::Proxy(pages) => pages.json("/server_info").await?,
        Facts::File(_) => Value::Null,
    };
    Ok(others::bootstrap(&facts.dump().await?, &info))
}

async fn all(facts: &Facts, global: &Global, ui: &Ui) -> Result<(), CommandError> {
    let dump = facts.dump().await?;
    let statuses = facts.statuses().await?;
    if global.output != Output::Table {
        let mut whole = json!({"config_dump": dump.whole(), "clusters": statuses});
        if let (Facts::Proxy(pages), Value::Object(members)) = (facts, &mut whole) {
            members.insert("certs".to_owned(), pages.json("/certs").await?);
        }
        return print_value(&whole, global, ui);
    }
    let mut parts = vec![
        clusters::show(&dump, &clusters::Filter::default()),
        listeners::show(&dump, &listeners::Filter::default()),
        routes::show(&dump, &routes::Filter::default()),
        endpoints::show(&statuses, &endpoints::Filter::default(), ui),
    ];
    if let Facts::Proxy(pages) = facts {
        parts.push(others::secrets(pages.json("/certs").await?, &now()));
    }
    let tables: Vec<String> = parts.iter().map(|part| part.table.render()).collect();
    ui.data(&tables.join("\n\n"));
    Ok(())
}

fn print(shown: Shown, global: &Global, ui: &Ui) -> Result<(), CommandError> {
    if global.output != Output::Table {
        return print_value(&shown.value, global, ui);
    }
    if shown.table.is_empty() {
        ui.note("nothing found");
    } else {
        ui.data(&shown.table.render());
    }
    Ok(())
}

fn print_value(value: &Value, global: &Global, ui: &Ui) -> Result<(), CommandError> {
    match global.output {
        Output::Yaml => ui.data(yaml(value)?.trim_end()),
        Output::Json | Output::Table => ui.json(value),
    }
    Ok(())
}

fn saved(file: &Path) -> Result<Value, CommandError> {
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|error| at_path(file, &error))?;
    serde_json::from_str(&text).map_err(|error| {
        let error = format!("{}: no configuration dump: {error}", file.display());
        CommandError::problem(error).hint("it is what a proxy's admin page /config_dump says")
    })
}

fn now() -> String {
    rfc3339(SystemClock.wall())
}

/// A cell without content.
fn dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

#[cfg(test)]
mod tests;
