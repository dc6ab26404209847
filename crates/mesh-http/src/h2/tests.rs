//! The codec through its public face: frames in, events and frames out.

mod closing;
mod floods;
mod flow;
mod messages;
mod pair;
mod peer;
mod responses;
mod secrets;
mod sending;
mod states;
mod support;
