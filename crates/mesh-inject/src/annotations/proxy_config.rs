//! Istio's ProxyConfig: the mesh's `defaultConfig`, and `proxy.istio.io/config` of one pod.

use mesh_api::decode::documents;
use serde_json::Value;

use super::{address, boolean_word, duration, status_port};
use crate::settings::{InterceptionMode, Settings};

/// Applies a text of YAML.
pub(super) fn apply_text(settings: &mut Settings, text: &str) -> Result<(), String> {
    let value = parse(text)?;
    apply(settings, &value)
        .map(drop)
        .map_err(|(field, why)| format!("{field}: {why}"))
}

/// The fields of a text of YAML that change nothing here.
pub(super) fn without_effect(text: &str) -> Vec<String> {
    let value = parse(text).unwrap_or_default();
    apply(&mut Settings::default(), &value).unwrap_or_default()
}

/// Applies a configuration; answers the fields that change nothing here.
///
/// An error is a field and what is wrong with it.
pub(crate) fn apply(
    settings: &mut Settings,
    config: &Value,
) -> Result<Vec<String>, (String, String)> {
    let members = match config {
        Value::Null => return Ok(Vec::new()),
        Value::Object(members) => members,
        _ => return Err(("proxy configuration".into(), "expected fields".into())),
    };
    let mut without_effect = Vec::new();
    for (field, value) in members {
        if field == "proxyMetadata" {
            without_effect.extend(apply_metadata(settings, value)?);
            continue;
        }
        match apply_field(settings, field, value) {
            Ok(true) => {}
            Ok(false) => without_effect.push(field.clone()),
            Err(why) => return Err((field.clone(), why)),
        }
    }
    Ok(without_effect)
}

/// Whether the field means something here.
fn apply_field(settings: &mut Settings, field: &str, value: &Value) -> Result<bool, String> {
    let proxy = &mut settings.proxy;
    match field {
        "holdApplicationUntilProxyStarts" => {
            let hold = value.as_bool().ok_or("expected true or false")?;
            settings.hold_application_until_proxy_starts = hold;
        }
        "concurrency" => {
            let threads = value.as_u64().and_then(|number| u16::try_from(number).ok());
            let threads = threads.filter(|number| *number <= 256);
            let threads = threads.ok_or("expected a number up to 256")?;
            // istio: 0 is as many as there are processors, which the limit says here.
            proxy.concurrency = Some(threads).filter(|number| *number > 0);
        }
        "terminationDrainDuration" => proxy.drain_time = duration(text(value)?)?,
        "discoveryAddress" => proxy.xds_address = address(text(value)?)?,
        "statusPort" => {
            proxy.status_port = status_port(value.as_u64())?;
        }
        "interceptionMode" => {
            settings.capture.mode = InterceptionMode::from_word(text(value)?)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Variables of Istio's agent that mean something here; the others are named.
fn apply_metadata(
    settings: &mut Settings,
    metadata: &Value,
) -> Result<Vec<String>, (String, String)> {
    let Some(members) = metadata.as_object() else {
        let expected = "expected names with text".to_owned();
        return Err(("proxyMetadata".to_owned(), expected));
    };
    let mut without_effect = Vec::new();
    for (name, value) in members {
        let field = format!("proxyMetadata.{name}");
        match apply_variable(settings, name, value) {
            Ok(true) => {}
            Ok(false) => without_effect.push(field),
            Err(why) => return Err((field, why)),
        }
    }
    Ok(without_effect)
}

/// Whether the variable means something here.
fn apply_variable(settings: &mut Settings, name: &str, value: &Value) -> Result<bool, String> {
    let proxy = &mut settings.proxy;
    match name {
        "EXIT_ON_ZERO_ACTIVE_CONNECTIONS" => {
            let exit = boolean_word(text(value)?).ok_or("expected true or false")?;
            proxy.exit_on_zero_active_connections = exit;
        }
        "MINIMUM_DRAIN_DURATION" => proxy.minimum_drain_time = duration(text(value)?)?,
        "TERMINATION_DRAIN_DURATION_SECONDS" => {
            let seconds: u32 = text(value)?.parse().map_err(|_| "expected seconds")?;
            proxy.drain_time = format!("{seconds}s");
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "expected text".to_owned())
}

fn parse(text: &str) -> Result<Value, String> {
    match documents::split(text).first() {
        Some(document) => documents::parse(document)
            .map_err(|problem| format!("line {}: {}", problem.line, problem.message)),
        None => Ok(Value::Null),
    }
}
