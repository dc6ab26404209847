//! What pilots say of the configuration and of the proxies that are connected.

use serde_json::Value;

use super::count;
use super::report::Category;
use crate::error::CommandError;
use crate::plane::kube::text;
use crate::plane::pages::Pages;
use crate::target::{ConfigStatus, ObjectStatus, ProxyStatus};

/// How many objects or proxies are named before the rest is counted.
const NAMED: usize = 5;

/// Asks one pilot for the configuration, which all read alike, and every one for its proxies.
pub(super) async fn check(pilots: &[(String, Pages)], category: &mut Category) {
    let mut answered = Vec::new();
    for (pilot, pages) in pilots {
        match status(pages).await {
            Ok(page) => answered.push(page),
            Err(error) => category.bad(
                format!("{pilot} answers"),
                error.error,
                error.hints.join("; "),
            ),
        }
    }
    if let Some(page) = answered.first() {
        objects(page, category);
        connected(&answered, category);
    }
}

/// What pilots say of the proxies that are connected to them.
fn connected(pages: &[ConfigStatus], category: &mut Category) {
    let proxies: Vec<&ProxyStatus> = pages.iter().flat_map(|page| &page.proxies).collect();
    if proxies.is_empty() {
        let hint = "gateways and sidecars connect when they start, and their logs say why they do not; pods get a \
                    sidecar in namespaces labelled istio-injection=enabled";
        let why = "no proxy is connected to pilot";
        return category.warning("proxies take what pilot sends", why, hint);
    }
    let (mut refused, mut behind) = (Vec::new(), Vec::new());
    for one in &proxies {
        match &one.error {
            Some(error) => refused.push(format!("{}: {error}", one.proxy)),
            None if !one.synced => behind.push(one.proxy.clone()),
            None => {}
        }
    }
    let number = count(proxies.len(), "proxy").replace("proxys", "proxies");
    let what = format!("proxies take what pilot sends ({number} connected)");
    category.unless(&what, &few(refused), "meshctl proxy-status");
    let hint = "it passes within a second, or `meshctl proxy-status` says more";
    category.better_unless("proxies have what is in force", &few(behind), hint);
}

async fn status(pages: &Pages) -> Result<ConfigStatus, CommandError> {
    let page: Value = pages.json("/debug/config_status").await?;
    serde_json::from_value(page).map_err(|error| {
        let error = format!("its page /debug/config_status is not understood: {error}");
        CommandError::problem(error).hint("is it of the same version as this meshctl?")
    })
}

/// Pilot reads Services, Pods and others of Kubernetes too: they are no configuration of the mesh.
fn objects(page: &ConfigStatus, category: &mut Category) {
    let all = page.objects.iter();
    let (ours, others): (Vec<_>, Vec<_>) = all.partition(|one| one.group.ends_with(".istio.io"));
    let mut wrong = set_aside(&ours);
    let broken = page.broken.iter();
    wrong.extend(broken.map(|one| format!("{}: {}", one.origin, one.message)));
    let what = format!(
        "{} of Istio's kinds in force as written",
        count(ours.len(), "object")
    );
    let hint = "what is set aside has no effect until it is mended";
    category.unless(&what, &few(wrong), hint);
    let what = "objects of Kubernetes are understood";
    category.unless(what, &few(set_aside(&others)), hint);
    let doubtful = page.objects.iter().filter(|one| one.is_in_force());
    let doubtful = doubtful.filter(|one| !one.messages.is_empty());
    let doubtful = doubtful.map(|one| format!("{}: {}", one.key(), one.why(&one.key())));
    let what = "objects refer to what exists";
    category.better_unless(
        what,
        &few(doubtful.collect()),
        "a route to nothing answers 503",
    );
}

/// Those that are not in force as they are written, and why.
fn set_aside(objects: &[&ObjectStatus]) -> Vec<String> {
    let aside = objects.iter().filter(|one| !one.is_in_force());
    aside
        .map(|one| format!("{}: {}: {}", one.key(), one.state, one.why(&one.key())))
        .collect()
}

/// The first of them, and how many more there are.
pub(super) fn few(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(NAMED);
    lines.truncate(NAMED);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Certificates of a proxy that end soon or are no more valid.
pub(super) async fn roots(pages: &Pages, category: &mut Category) {
    /// linkerd: warned about so long before.
    const SOON: u64 = 60;
    let what = "the mesh's roots are valid for 60 days more";
    let certs = match pages.json("/certs").await {
        Ok(certs) => certs,
        Err(error) => return category.warning(what, error.error, error.hints.join("; ")),
    };
    let held = certs.get("certificates").and_then(Value::as_array);
    let roots = held.into_iter().flatten();
    let roots = roots.filter_map(|pair| pair.get("ca_cert")?.as_array());
    let ending = roots.flatten().filter_map(|root| {
        let days: u64 = text(root, "/days_until_expiration").parse().ok()?;
        let serial = text(root, "/serial_number");
        (days < SOON).then(|| format!("root {serial} ends in {}", count(days as usize, "day")))
    });
    let ending: Vec<String> = ending.collect();
    category.better_unless(
        what,
        &ending,
        "plug in another one: docs/life-of-a-certificate.md",
    );
}

#[cfg(test)]
mod tests;
