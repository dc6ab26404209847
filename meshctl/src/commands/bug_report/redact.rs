//! What must not leave the machine is taken out of what is collected: keys, tokens, passwords, contents
//! of Secrets, and what applications are told by their manifests. Pure.

use regex::{Captures, Regex};
use serde_json::{Map, Value};

/// Stands for what was taken out.
pub(super) const REDACTED: &str = "[redacted]";

/// Members whose values are secret whatever they hold; without regard to case, `-` and `_`.
const SECRET_MEMBERS: [&str; 18] = [
    "accesskey",
    "accesstoken",
    "apikey",
    "authorization",
    "clientsecret",
    "cookie",
    "idtoken",
    "passwd",
    "password",
    "passphrase",
    "privatekey",
    "proxyauthorization",
    "refreshtoken",
    "secretkey",
    "setcookie",
    "token",
    "xapikey",
    "xauthtoken",
];

/// What kubectl and the API server note about an object, which repeats all of it.
const NOTES: [&str; 1] = ["kubectl.kubernetes.io/last-applied-configuration"];

/// Takes secrets out of texts and objects.
pub(super) struct Redactor {
    rules: Vec<(Regex, Replacement)>,
}

type Replacement = fn(&Captures<'_>) -> String;

impl Redactor {
    /// All rules.
    pub(super) fn new() -> Self {
        let rules: [(&str, Replacement); 6] = [
            // A private key in PEM, also half of one at the end of a text, and with its lines' ends escaped.
            (
                r"(?s)-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)",
                |found| format!("-----BEGIN {}-----{REDACTED}", part(found, 1)),
            ),
            // A JSON web token.
            (
                r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?",
                |_| REDACTED.to_owned(),
            ),
            (r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}", |found| {
                format!("{}{REDACTED}", part(found, 1))
            }),
            // Cookies, all of them up to the end of the line or of the text in quotes.
            (
                r#"(?i)\b((?:set-)?cookie\\?["']?\s*[=:]\s*\\?["']?)[^"'\r\n\\]+"#,
                |found| format!("{}{REDACTED}", part(found, 1)),
            ),
            // `password=x`, `"token": "x"`, `Authorization: Basic x`, `--api-key x`, `?access_token=x`.
            (
                r#"(?i)\b((?:[a-z0-9]+[-_])*(?:password|passwd|passphrase|token|authorization|api[-_]?key|access[-_]?key|secret[-_]?key|client[-_]?secret)\\?["']?\s*[=:]\s*\\?["']?)((?:(?:basic|bearer|digest|negotiate)\s+)?[^\s"'\\&,;)}\]]+)"#,
                |found| format!("{}{REDACTED}", part(found, 1)),
            ),
            // `https://user:password@host`.
            (
                r"([a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@]+:)[^/\s@]+@",
                |found| format!("{}{REDACTED}@", part(found, 1)),
            ),
        ];
        // Each of them is compiled by the tests of this file.
        let rules = rules.into_iter();
        let rules = rules.filter_map(|(rule, with)| Some((Regex::new(rule).ok()?, with)));
        Self {
            rules: rules.collect(),
        }
    }

    /// A text, such as a log, without its secrets.
    pub(super) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (rule, with) in &self.rules {
            if let std::borrow::Cow::Owned(changed) = rule.replace_all(&text, with) {
                text = changed;
            }
        }
        text
    }

    /// A page of JSON without its secrets.
    pub(super) fn page(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(elements) => elements.iter_mut().for_each(|one| self.page(one)),
            Value::Object(members) => self.members(members),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// An object of Kubernetes, or a list of them, without its secrets and without what an application is
    /// told by its manifest.
    pub(super) fn object(&self, object: &mut Value) {
        if let Some(Value::Array(items)) = object.get_mut("items") {
            items.iter_mut().for_each(|item| self.object(item));
            return;
        }
        if object.get("kind").is_some_and(|kind| kind == "Secret") {
            for name in ["data", "stringData"] {
                hide_member(object, name);
            }
        }
        if let Some(Value::Object(meta)) = object.get_mut("metadata") {
            meta.remove("managedFields");
            if let Some(Value::Object(annotations)) = meta.get_mut("annotations") {
                annotations.retain(|name, _| !NOTES.contains(&name.as_str()));
            }
        }
        if !is_of_the_mesh(object) {
            applications(object);
        }
        self.page(object);
    }

    fn members(&self, members: &mut Map<String, Value>) {
        // `{name: X_PASSWORD, value: ...}` of a container, `{key: authorization, value: ...}` of a header.
        let names = ["name", "key", "header_name"];
        let mut names = names.iter().filter_map(|name| members.get(*name)?.as_str());
        let secret = names.any(|name| is_secret(name) || is_secret_variable(name));
        for (name, value) in members.iter_mut() {
            let told = secret && (name == "value" || name == "raw_value");
            let matched = secret && (name.ends_with("_match") || name == "exact");
            if told || matched || is_secret(name) {
                hide(value);
            } else {
                self.page(value);
            }
        }
    }
}

fn part<'t>(found: &'t Captures<'_>, number: usize) -> &'t str {
    found.get(number).map_or("", |part| part.as_str())
}

/// Every text and number in a value; its form stays.
fn hide(value: &mut Value) {
    match value {
        Value::String(_) | Value::Number(_) => *value = REDACTED.into(),
        Value::Array(elements) => elements.iter_mut().for_each(hide),
        Value::Object(members) => members.values_mut().for_each(hide),
        Value::Null | Value::Bool(_) => {}
    }
}

fn hide_member(value: &mut Value, member: &str) {
    if let Some(value) = value.get_mut(member) {
        hide(value);
    }
}

fn is_secret(member: &str) -> bool {
    let plain = member.chars().filter(|one| !matches!(one, '-' | '_'));
    let plain: String = plain.map(|one| one.to_ascii_lowercase()).collect();
    SECRET_MEMBERS.contains(&plain.as_str())
}

/// Whether a variable of a container is a secret by its name.
fn is_secret_variable(name: &str) -> bool {
    let words = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "CREDENTIAL", "KEY"];
    let is_variable = !name.bytes().any(|byte| byte.is_ascii_lowercase());
    is_variable && words.iter().any(|word| name.contains(word))
}

fn is_of_the_mesh(object: &Value) -> bool {
    let label = object.pointer("/metadata/labels/app.kubernetes.io~1part-of");
    label.is_some_and(|label| label == "mesh")
}

/// Takes out what the containers of applications are told: theirs is not the mesh's business.
fn applications(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(applications),
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                let lists = ["containers", "initContainers", "ephemeralContainers"];
                match value {
                    Value::Array(containers) if lists.contains(&name.as_str()) => {
                        containers.iter_mut().for_each(application);
                    }
                    other => applications(other),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn application(container: &mut Value) {
    let name = container.get("name").and_then(Value::as_str);
    if name.is_some_and(|name| name.starts_with("istio-")) {
        return;
    }
    for member in ["command", "args"] {
        hide_member(container, member);
    }
    let variables = container.get_mut("env").and_then(Value::as_array_mut);
    for variable in variables.into_iter().flatten() {
        hide_member(variable, "value");
    }
}

#[cfg(test)]
mod tests;
