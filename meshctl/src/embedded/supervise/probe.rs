//! Whether a process is ready: asked often while it starts, now and then once it is.

use std::net::SocketAddr;
use std::time::Duration;

use super::board::{Board, Slot};
use super::spawn::Spawner;
use crate::embedded::http::exchange_over;
use crate::embedded::plan::{Process, Ready};
use crate::embedded::status::State;

/// Between two questions to a process that just started.
const EAGER: Duration = Duration::from_millis(5);
/// The same once it takes its time.
const PATIENT: Duration = Duration::from_millis(100);
/// How many eager questions there are.
const EAGER_TIMES: u32 = 1000;
/// Between two questions to a process that is ready.
const ROUTINE: Duration = Duration::from_secs(2);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(1);
/// How many routine questions in a row may stay without a good answer.
const FORGIVEN: u32 = 2;

/// Writes on the board whether a process is ready; ends only by being dropped.
pub(super) async fn keep_watch(process: &Process, way: &Spawner, board: &Board, slot: Slot) {
    let mut asked = 0;
    let mut missed = 0;
    loop {
        let good = answers(process, way).await;
        let was = board.doing(slot).state;
        missed = if good { 0 } else { missed + 1 };
        if good {
            board.update(slot, |doing| doing.state = State::Ready);
        } else if was == State::Ready && missed > FORGIVEN {
            board.update(slot, |doing| doing.state = State::Unready);
        }
        asked += 1;
        let pause = match board.doing(slot).state {
            State::Ready => ROUTINE,
            _ if asked < EAGER_TIMES => EAGER,
            _ => PATIENT,
        };
        tokio::time::sleep(pause).await;
    }
}

async fn answers(process: &Process, way: &Spawner) -> bool {
    match &process.ready {
        Ready::Page(address, path) => {
            let asked = tokio::time::timeout(ANSWER, page(process, way, *address, path)).await;
            matches!(asked, Ok(Ok(200)))
        }
        Ready::Accepts(addresses) => {
            for address in addresses {
                let connecting = way.connect(process, *address);
                let connected = tokio::time::timeout(ANSWER, connecting).await;
                if !matches!(connected, Ok(Ok(_))) {
                    return false;
                }
            }
            true
        }
    }
}

async fn page(
    process: &Process,
    way: &Spawner,
    address: SocketAddr,
    path: &str,
) -> std::io::Result<u16> {
    let stream = way.connect(process, address).await?;
    let (status, _) = exchange_over(stream, &address.to_string(), path).await?;
    Ok(status)
}
