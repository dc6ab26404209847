//! The pages as HTML. Everything that a service or a visitor supplied is escaped.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The one book of the shop.
pub(crate) const BOOK: u64 = 0;

const TITLE: &str = "The Comedy of Errors";
const WIKIPEDIA: &str = "https://en.wikipedia.org/wiki/The_Comedy_of_Errors";
const STYLE: &str = include_str!("../../polyglot/productpage/templates/style.css");
const MAX_STARS: i64 = 5;

/// The rows of the details column: JSON field and label.
const DETAILS: [(&str, &str); 6] = [
    ("type", "Type"),
    ("pages", "Pages"),
    ("publisher", "Publisher"),
    ("language", "Language"),
    ("ISBN-10", "ISBN-10"),
    ("ISBN-13", "ISBN-13"),
];

/// What reviews answers.
#[derive(Debug, Deserialize)]
pub(crate) struct Reviews {
    podname: Option<String>,
    clustername: Option<String>,
    reviews: Vec<Review>,
}

#[derive(Debug, Deserialize)]
struct Review {
    reviewer: String,
    text: String,
    rating: Option<Rating>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Rating {
    Failed { error: String },
    Given { stars: i64, color: String },
}

/// The product page's parts; a part that is missing has the text to show in its place.
pub(crate) struct Product<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) details: Result<Map<String, Value>, &'static str>,
    pub(crate) reviews: Result<Reviews, &'static str>,
}

impl Product<'_> {
    pub(crate) fn render(&self) -> String {
        let body = format!(
            "{bar}<main><section class=\"hero\"><h1>{TITLE}</h1><p>{summary}</p></section>\
             <div class=\"columns\"><section id=\"details\">{details}</section>\
             <section id=\"reviews\">{reviews}</section></div></main>",
            bar = bar(self.user),
            summary = summary(),
            details = match &self.details {
                Ok(facts) => details(facts),
                Err(text) => failed("Error fetching product details!", text),
            },
            reviews = match &self.reviews {
                Ok(found) => reviews(found),
                Err(text) => failed("Error fetching product reviews!", text),
            },
        );
        document(&body)
    }
}

/// The front page: where to go.
pub(crate) fn index() -> String {
    let body = format!(
        "{bar}<main><section class=\"hero\"><h1>Hello! This is a small bookstore.</h1>\
         <p>Four services stand behind its one page: the product page asks <b>details</b> and \
         <b>reviews</b>, and reviews, in two of its three versions, asks <b>ratings</b>.</p>\
         <p><a class=\"button\" href=\"/productpage?u=normal\">Normal user</a> \
         <a class=\"button\" href=\"/productpage?u=test\">Test user</a> \
         <a class=\"button\" href=\"/api/v1/products\">JSON</a></p></section></main>",
        bar = "<header><a class=\"brand\" href=\"/productpage\">Bookinfo</a></header>",
    );
    document(&body)
}

/// What `/api/v1/products` lists.
pub(crate) fn products() -> Value {
    json!([{"id": BOOK, "title": TITLE, "descriptionHtml": summary()}])
}

fn document(body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Simple Bookstore App</title><link rel=\"icon\" href=\"data:,\">\
         <style>{STYLE}</style></head>\n<body>{body}</body></html>\n"
    )
}

fn bar(user: Option<&str>) -> String {
    let right = match user {
        Some(user) => format!(
            "<span class=\"user\">{} <a href=\"/logout\">(sign out)</a></span>",
            escape(user)
        ),
        None => "<details class=\"login\"><summary>Sign in</summary>\
             <form method=\"post\" action=\"/login\" name=\"login_form\">\
             <label>User name<input type=\"text\" name=\"username\" maxlength=\"64\" required \
             autocomplete=\"username\"></label>\
             <label>Password<input type=\"password\" name=\"passwd\" \
             autocomplete=\"current-password\"></label>\
             <button type=\"submit\">Sign in</button></form></details>"
            .to_owned(),
    };
    format!("<header><a class=\"brand\" href=\"/productpage\">Bookinfo Sample</a>{right}</header>")
}

fn summary() -> String {
    format!(
        "<a href=\"{WIKIPEDIA}\">Wikipedia</a> on it: the shortest of Shakespeare's plays, and \
         one of his first. Two pairs of twins, parted as infants, meet in one town, and nobody \
         can tell who is who."
    )
}

fn details(facts: &Map<String, Value>) -> String {
    let mut rows = String::new();
    for (field, label) in DETAILS {
        let value = facts.get(field).map(plain).unwrap_or_default();
        rows.push_str(&format!("<dt>{label}:</dt><dd>{}</dd>", escape(&value)));
    }
    format!("<h2>Book Details</h2><dl>{rows}</dl>")
}

fn reviews(found: &Reviews) -> String {
    let mut out = String::from("<h2>Book Reviews</h2>");
    for review in &found.reviews {
        out.push_str(&format!(
            "<blockquote><p>{}</p><small>{}</small>{}</blockquote>",
            escape(&review.text),
            escape(&review.reviewer),
            review.rating.as_ref().map(rating).unwrap_or_default(),
        ));
    }
    if let Some(pod) = &found.podname {
        let cluster = found.clustername.as_deref().filter(|name| *name != "null");
        let cluster = cluster.map(|name| format!(" on cluster <b>{}</b>", escape(name)));
        out.push_str(&format!(
            "<p class=\"served\">Reviews served by: <b>{}</b>{}</p>",
            escape(pod),
            cluster.unwrap_or_default()
        ));
    }
    out
}

fn rating(rating: &Rating) -> String {
    match rating {
        Rating::Failed { error } => format!("<p class=\"norating\"><i>{}</i></p>", escape(error)),
        Rating::Given { stars, color } => {
            let full = (*stars).clamp(0, MAX_STARS);
            let mut row = String::new();
            for at in 0..MAX_STARS {
                row.push_str(if at < full {
                    "<span class=\"glyphicon glyphicon-star\"></span>"
                } else {
                    "<span class=\"glyphicon glyphicon-star-empty\"></span>"
                });
            }
            format!("<font color=\"{}\">{row}</font>", escape(color))
        }
    }
}

fn failed(heading: &str, text: &str) -> String {
    format!("<div class=\"failed\"><h2>{heading}</h2><p>{text}</p></div>")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests;
