//! What every process of mesh is made of: settings, logs, metrics, admin pages, tasks, the heap, shutdown.
//!
//! Knows no product and no protocol of the mesh.

pub mod admin;
pub mod heap;
pub mod log;
pub mod metrics;
pub mod net;
pub mod settings;
pub mod shutdown;
pub mod tasks;
pub mod time;

pub use tasks::Tasks;
pub use time::SystemClock;
