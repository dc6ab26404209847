//! `meshctl proxy-status`: whether every proxy has what pilot sent.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::cli::{Global, Output};
use crate::embedded::config::yaml;
use crate::error::CommandError;
use crate::plane::kube::text;
use crate::plane::name::ProxyName;
use crate::plane::{Plane, Where};
use crate::ui::table::Table;
use crate::ui::{Tone, Ui};

const HELP: &str = "\
Examples:
  meshctl proxy-status
  meshctl ps -n shop
  meshctl ps web-7d4b9c-x2x9k.shop
  meshctl ps --context prod -o json

CDS, LDS, EDS and RDS are clusters, listeners, endpoints and routes:
  SYNCED    the proxy has acknowledged what it was sent last
  STALE     it has not, yet
  REFUSED   it has said no; what it had before is in force
  NOT SENT  it has not asked, or there was nothing to send

Exit code 1 when a proxy refused something.";

/// The types of resources: Istio's column, the word of pilot's page, the last part of its type's URL.
const TYPES: [(&str, &str, &str); 4] = [
    ("cds", "cluster", "Cluster"),
    ("lds", "listener", "Listener"),
    ("eds", "endpoint", "ClusterLoadAssignment"),
    ("rds", "route", "RouteConfiguration"),
];

/// Show whether proxies have what pilot sent.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct ProxyStatusArgs {
    /// One proxy: NAME, NAME.NAMESPACE, pod/NAME or deployment/NAME
    name: Option<String>,
    #[command(flatten)]
    at: Where,
}

/// One proxy as one pilot sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    proxy: String,
    pilot: String,
    states: [State; 4],
    version: Option<u64>,
    published: Option<u64>,
    error: Option<String>,
}

/// How far a type of resources has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Synced,
    Stale,
    Refused,
    NotSent,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Synced => "SYNCED",
            Self::Stale => "STALE",
            Self::Refused => "REFUSED",
            Self::NotSent => "NOT SENT",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Synced => Tone::Good,
            Self::Stale => Tone::Warn,
            Self::Refused => Tone::Bad,
            Self::NotSent => Tone::Faint,
        }
    }
}

/// Asks every pilot.
pub(crate) async fn run(
    global: &Global,
    args: ProxyStatusArgs,
    ui: &Ui,
) -> Result<(), CommandError> {
    let plane = Plane::find(global, &args.at).await?;
    let wanted = match &args.name {
        Some(name) => {
            let name = ProxyName::parse(name, global.namespace.as_deref())?;
            Some(plane.proxy(&name).await?.id())
        }
        None => None,
    };
    let pilots = plane.pilots().await?;
    let asked = pilots.iter().map(|(_, pages)| pages.json("/debug/syncz"));
    let mut rows = Vec::new();
    for (page, (pilot, _)) in join_all(asked).await.into_iter().zip(&pilots) {
        rows.extend(read(&page?, pilot));
    }
    rows.sort_by(|one, other| one.proxy.cmp(&other.proxy));
    rows.retain(|row| match (&wanted, global.namespace.as_deref()) {
        (Some(wanted), _) => row.proxy == *wanted,
        (None, Some(namespace)) => row.proxy.ends_with(&format!(".{namespace}")),
        (None, None) => true,
    });
    if let (Some(wanted), true) = (&wanted, rows.is_empty()) {
        let error = format!("{wanted}: not connected to any pilot");
        return Err(CommandError::problem(error).hint("its log says why: container istio-proxy"));
    }
    print(&rows, global, ui)?;
    let refused: Vec<String> = rows
        .iter()
        .filter_map(|row| Some(format!("{}: {}", row.proxy, row.error.as_ref()?)))
        .collect();
    match refused.as_slice() {
        [] => Ok(()),
        refused => Err(CommandError::problem(refused.join("\n"))
            .hint("what they had before is in force; `meshctl proxy-config all NAME` shows it")),
    }
}

/// The rows of pilot's page `/debug/syncz`.
fn read(page: &Value, pilot: &str) -> Vec<Row> {
    let streams = page.as_array().into_iter().flatten();
    streams
        .map(|stream| Row {
            proxy: name(stream),
            pilot: pilot.to_owned(),
            states: TYPES.map(|(_, word, kind)| state(stream, word, kind)),
            version: stream.get("version_acked").and_then(Value::as_u64),
            published: stream.get("version_published").and_then(Value::as_u64),
            error: stream
                .get("last_error")
                .and_then(Value::as_str)
                .map(ToOwned::to_owned),
        })
        .collect()
}

/// `NAME.NAMESPACE`, as the proxy calls itself: the third part of its node's id.
fn name(stream: &Value) -> String {
    let node = text(stream, "/node");
    let own = node.split('~').nth(2).filter(|own| !own.is_empty());
    own.unwrap_or_else(|| text(stream, "/proxy")).to_owned()
}

fn state(stream: &Value, word: &str, kind: &str) -> State {
    let of = |what: &str| stream.get(format!("{word}_{what}")).and_then(Value::as_str);
    let (sent, acked) = (
        of("sent").unwrap_or_default(),
        of("acked").unwrap_or_default(),
    );
    let error = text(stream, "/last_error");
    let refused = error
        .split("; ")
        .any(|one| one.starts_with(&format!("{kind}: ")));
    match (sent, refused) {
        ("", _) => State::NotSent,
        (_, true) => State::Refused,
        (sent, false) if sent == acked => State::Synced,
        (_, false) => State::Stale,
    }
}

fn print(rows: &[Row], global: &Global, ui: &Ui) -> Result<(), CommandError> {
    match global.output {
        Output::Json => ui.json(&rows.iter().map(to_json).collect()),
        Output::Yaml => ui.data(yaml(&rows.iter().map(to_json).collect())?.trim_end()),
        Output::Table if rows.is_empty() => ui.note("no proxy is connected"),
        Output::Table => ui.data(&to_table(rows, ui).render()),
    }
    Ok(())
}

fn to_table(rows: &[Row], ui: &Ui) -> Table {
    let mut headers = vec!["name"];
    headers.extend(TYPES.map(|(column, _, _)| column));
    headers.extend(["pilot", "version"]);
    let mut table = Table::new(&headers);
    for row in rows {
        let mut cells = vec![row.proxy.clone()];
        cells.extend(row.states.map(|state| ui.paint(state.tone(), state.word())));
        cells.push(row.pilot.clone());
        cells.push(match (row.version, row.published) {
            (Some(acked), Some(published)) if acked < published => {
                format!("{acked} of {published}")
            }
            (Some(acked), _) => acked.to_string(),
            (None, _) => "-".to_owned(),
        });
        table.row(cells);
    }
    table
}

fn to_json(row: &Row) -> Value {
    let mut value = json!({
        "proxy": row.proxy,
        "pilot": row.pilot,
        "version_acked": row.version,
        "version_published": row.published,
        "error": row.error,
    });
    for ((column, _, _), state) in TYPES.iter().zip(row.states) {
        if let Value::Object(members) = &mut value {
            members.insert((*column).to_owned(), state.word().into());
        }
    }
    value
}

#[cfg(test)]
mod tests;
