//! The asking side: one stream that is kept alive, and a handler that takes what comes.
//!
//! The handler says of each update which resources it cannot use; those are refused by name and
//! whatever it had before stays in force. When the server is away nothing is forgotten: on the
//! next stream the client says what it has, and hears only of differences.

mod run;
mod stream;
mod update;
mod whole;

pub use run::{Asking, ChannelMaker, Client, ConnectError, State, Variant};
pub use stream::{Ignored, Machine, Received};
pub use update::{Applied, Handler, Rejection, Update, Upsert};
