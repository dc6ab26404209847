//! What a line says: text, or an object of JSON.

use mesh_model::Str;
use mesh_model::header_format::{FormatError, ISTIO_LINE};

use crate::template::{Missing, Needs, Subject, Template};

/// What a line of an access log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    body: Body,
    missing: Missing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    Text(Template),
    Json(Json),
}

/// A value of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json {
    /// One without operators, as it is written.
    Literal(Str),
    /// A text with operators.
    Filled(Template),
    /// Keys as they are written, quoted and with their colons.
    Object(Vec<(Str, Self)>),
    List(Vec<Self>),
}

/// Envoy's, where a logger says nothing (`DEFAULT_FORMAT`, substitution_format_utility.cc).
const ENVOY: &str = "[%START_TIME%] \"%REQ(:METHOD)% \
     %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% \
     %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
     %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
     \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

impl Format {
    /// A text with operators; it is the format that ends the line.
    ///
    /// # Errors
    /// [`FormatError`] names the first operator that cannot be filled in.
    pub fn text(text: &str) -> Result<Self, FormatError> {
        let template = Template::of_line(text)?;
        Ok(Self {
            body: Body::Text(template),
            missing: Missing::Dash,
        })
    }

    pub(crate) fn json(json: Json) -> Self {
        Self {
            body: Body::Json(json),
            missing: Missing::Dash,
        }
    }

    /// The same, with nothing where there is nothing: no dash, and no key in an object.
    pub(crate) fn without_empty(self) -> Self {
        Self {
            missing: Missing::Nothing,
            ..self
        }
    }

    /// Istio's default.
    #[must_use]
    pub fn istio() -> Self {
        Self::built_in(ISTIO_LINE)
    }

    /// Envoy's default.
    pub(crate) fn envoy() -> Self {
        Self::built_in(ENVOY)
    }

    /// A format of our own, which a test reads.
    fn built_in(text: &str) -> Self {
        Self {
            body: Body::Text(Template::of_line(text).unwrap_or_default()),
            missing: Missing::Dash,
        }
    }

    /// What must be kept of an answer until its request is over.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match &self.body {
            Body::Text(template) => template.needs(),
            Body::Json(json) => json.needs(),
        }
    }

    /// Appends a line.
    pub fn write(&self, subject: &Subject<'_>, out: &mut Vec<u8>) {
        match &self.body {
            Body::Text(template) => template.write_line(out, subject, self.missing),
            Body::Json(json) => {
                json.write(out, subject, self.missing);
                out.push(b'\n');
            }
        }
    }
}

impl Json {
    fn needs(&self) -> Needs {
        match self {
            Self::Literal(_) => Needs::default(),
            Self::Filled(template) => template.needs(),
            Self::Object(members) => {
                let needs = members.iter().map(|(_, value)| value.needs());
                needs.fold(Needs::default(), Needs::with)
            }
            Self::List(items) => {
                let needs = items.iter().map(Self::needs);
                needs.fold(Needs::default(), Needs::with)
            }
        }
    }

    /// Writes the value; whether there was one.
    fn write(&self, out: &mut Vec<u8>, subject: &Subject<'_>, missing: Missing) -> bool {
        match self {
            Self::Literal(text) => {
                out.extend_from_slice(text.as_bytes());
                true
            }
            Self::Filled(template) => template.write_json(out, subject, missing),
            Self::Object(members) => {
                out.push(b'{');
                let mut any = members.is_empty();
                let mut first = true;
                for (key, value) in members {
                    let before = out.len();
                    if !first {
                        out.push(b',');
                    }
                    out.extend_from_slice(key.as_bytes());
                    let there = value.write(out, subject, missing);
                    if there || missing == Missing::Dash {
                        first = false;
                        any = true;
                    } else {
                        out.truncate(before);
                    }
                }
                out.push(b'}');
                any
            }
            Self::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out, subject, missing);
                }
                out.push(b']');
                true
            }
        }
    }
}
