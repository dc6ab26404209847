//! Our own charts, carried in the program and rendered here, into the objects that Helm makes of them
//! (ADR 0012). Pure: what is in a cluster is asked beforehand.

pub(crate) mod files;
mod functions;
mod objects;
mod render;
mod schema;
pub(crate) mod values;

pub(crate) use objects::{RESOURCES, Resource, resource};
pub(crate) use render::{Lookup, Lookups, Release, Rendered, render};
