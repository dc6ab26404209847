//! Header operations: what is removed first, then what is put, as Envoy does it in each place.

use mesh_http::Fields;
use mesh_model::Str;
use mesh_proto::envoy::envoy::config::core::v3::HeaderValueOption;
use mesh_proto::envoy::envoy::config::core::v3::header_value_option::HeaderAppendAction as Action;

use crate::reject::{At, Compiled, Fault};
use crate::shape::{HeaderOp, HeaderOps, Put};
use crate::template::Template;

/// The four lists that every place in a route table has.
pub(super) struct Lists<'a> {
    pub(super) request_add: &'a [HeaderValueOption],
    pub(super) request_remove: &'a [String],
    pub(super) response_add: &'a [HeaderValueOption],
    pub(super) response_remove: &'a [String],
}

/// The lists of a message that has all four fields.
macro_rules! lists {
    ($pb:expr) => {
        $crate::compile::ops::Lists {
            request_add: &$pb.request_headers_to_add,
            request_remove: &$pb.request_headers_to_remove,
            response_add: &$pb.response_headers_to_add,
            response_remove: &$pb.response_headers_to_remove,
        }
    };
}
pub(super) use lists;

pub(super) fn compile(lists: &Lists<'_>) -> Compiled<HeaderOps> {
    let mut ops = HeaderOps::default();
    removals(&mut ops.request, lists.request_remove).at("request_headers_to_remove")?;
    puts(
        &mut ops.request,
        lists.request_add,
        "request_headers_to_add",
    )?;
    removals(&mut ops.response, lists.response_remove).at("response_headers_to_remove")?;
    puts(
        &mut ops.response,
        lists.response_add,
        "response_headers_to_add",
    )?;
    Ok(ops)
}

fn removals(ops: &mut Vec<HeaderOp>, names: &[String]) -> Compiled<()> {
    for name in names {
        ops.push(HeaderOp::Remove(field_name(name)?));
    }
    Ok(())
}

pub(super) fn puts(
    ops: &mut Vec<HeaderOp>,
    list: &[HeaderValueOption],
    field: &str,
) -> Compiled<()> {
    for (index, option) in list.iter().enumerate() {
        ops.push(put(option).at_index(field, index)?);
    }
    Ok(())
}

fn put(pb: &HeaderValueOption) -> Compiled<HeaderOp> {
    let header = pb.header.as_ref().ok_or_else(|| Fault::missing("header"))?;
    let text = match header.raw_value.as_slice() {
        [] => header.value.as_str(),
        raw => std::str::from_utf8(raw)
            .map_err(|_not_text| Fault::new("header.raw_value", "is not UTF-8"))?,
    };
    if text.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        return Err(Fault::new("header.value", "has CR, LF or NUL"));
    }
    Ok(HeaderOp::Put {
        name: field_name(&header.key)?,
        value: Template::parse(text).map_err(|why| Fault::new("header.value", why.to_string()))?,
        how: how(pb)?,
        keep_empty: pb.keep_empty_value,
    })
}

fn how(pb: &HeaderValueOption) -> Compiled<Put> {
    if let Some(append) = &pb.append {
        // The deprecated form; it counts when it is there.
        return Ok(if append.value {
            Put::Append
        } else {
            Put::Overwrite
        });
    }
    match Action::try_from(pb.append_action) {
        Ok(Action::AppendIfExistsOrAdd) => Ok(Put::Append),
        Ok(Action::AddIfAbsent) => Ok(Put::IfAbsent),
        Ok(Action::OverwriteIfExistsOrAdd) => Ok(Put::Overwrite),
        Ok(Action::OverwriteIfExists) => Ok(Put::OverwriteIfExists),
        Err(_) => Err(Fault::new(
            "append_action",
            format!("{} is none", pb.append_action),
        )),
    }
}

/// A name that stands for a field; host and pseudo headers have rewrites of their own.
fn field_name(name: &str) -> Compiled<Str> {
    if name.starts_with(':') || name.eq_ignore_ascii_case("host") {
        return Err(Fault::new(
            "",
            format!("{name:?} cannot be changed by header operations"),
        ));
    }
    if Fields::new().append(name, "").is_err() {
        return Err(Fault::new("", format!("{name:?} is no header name")));
    }
    Ok(name.to_ascii_lowercase().into())
}
