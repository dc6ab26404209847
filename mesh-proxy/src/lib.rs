//! The data plane: sidecar and gateway proxy.
//!
//! It learns of the world by xDS alone and proves itself with a certificate from the CA. Worker
//! threads carry requests; everything else runs beside them. `app.rs` lists what runs.

pub mod config {
    //! What is in force.
    pub mod live;
}
pub mod conn;
pub mod http;
pub mod record {
    //! What is written down of requests.
    pub mod response_flags;
}
#[cfg(test)]
mod testing;
pub mod upstream;
pub mod worker;
