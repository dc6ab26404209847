//! What reports of every mesh have: versions, what `check` says, pages of processes.

use bytes::Bytes;
use serde_json::json;

use super::Report;
use super::collect::{Answer, Form, Item};
use crate::commands::{check, version};
use crate::error::CommandError;
use crate::plane::Plane;
use crate::plane::pages::Pages;
use crate::ui::{Color, Ui};

/// The pages of every proxy.
pub(super) const PROXY: [(&str, &str); 6] = [
    ("server_info.json", "/server_info"),
    ("config_dump.json", "/config_dump"),
    ("clusters.json", "/clusters?format=json"),
    ("listeners.json", "/listeners?format=json"),
    ("certs.json", "/certs"),
    ("stats.txt", "/stats"),
];
/// Those of the mesh's hub, beside its own.
pub(super) const HUB: [(&str, &str); 2] =
    [("mesh-metrics.txt", "/metrics"), ("graph.json", "/graph")];

/// The pages of a component of the control plane.
pub(super) fn of_component(name: &str) -> &'static [(&'static str, &'static str)] {
    match name {
        "pilot" => &[
            ("syncz.json", "/debug/syncz"),
            ("config_status.json", "/debug/config_status"),
            ("metrics.txt", "/metrics"),
        ],
        _ => &[("metrics.txt", "/metrics")],
    }
}

/// Versions, and what `check` says.
///
/// # Errors
/// When the archive cannot be written.
pub(super) async fn common(report: &mut Report<'_>, plane: &Plane) -> Result<(), CommandError> {
    let mut items = Vec::new();
    if let Some(versions) = report
        .wait("versions.json", Box::pin(version::of(plane)))
        .await
    {
        let all = json!({"meshctl": env!("CARGO_PKG_VERSION"), "mesh": versions});
        items.push(known("versions.json", Form::Page, all.to_string()));
    }
    if let Plane::Cluster(installed) = plane {
        let cluster = installed.cluster.clone();
        items.push(Item::new("kubernetes.json", Form::Page, async move {
            let answer = cluster.text("/version").await;
            answer.map(Some).map_err(CommandError::unreachable)
        }));
    }
    report.part("versions", items).await?;
    let mut items = Vec::new();
    // It is large, and waited for once.
    let checked = Box::pin(check::report(plane));
    if let Some(checked) = report.wait("analysis/check.txt", checked).await {
        let text = checked.text(&Ui::new(Color::Never));
        items.push(known("analysis/check.txt", Form::Log, format!("{text}\n")));
        let json = checked.to_json().to_string();
        items.push(known("analysis/check.json", Form::Page, json));
    }
    report.part("analysis", items).await
}

/// A file whose content is there already.
pub(super) fn known(path: impl Into<String>, form: Form, content: String) -> Item<'static> {
    let answer: Answer = Ok(Some(Bytes::from(content)));
    Item::new(path, form, std::future::ready(answer))
}

/// Pages of a process, as files of a folder.
pub(super) fn pages(
    folder: &str,
    of: &Pages,
    list: &'static [(&'static str, &'static str)],
) -> impl Iterator<Item = Item<'static>> {
    list.iter().map(move |(file, page)| {
        let of = of.clone();
        let path = format!("{folder}/{file}");
        Item::new(
            path,
            Form::Page,
            async move { of.text(page).await.map(Some) },
        )
    })
}
