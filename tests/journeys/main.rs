//! Journeys: what a user does with mesh, on the real binaries, each mesh on addresses of its own.

mod affinity;
mod bad_input;
mod bug_report;
mod documents;
mod guards;
mod ingress;
mod lifecycle;
mod load;
mod localities;
mod mirrors;
mod outages;
mod renewal;
mod samples;
mod security;
mod seen;
mod tcp;
mod views;
