//! The whole run: scenarios one after the other, their peers by turns, medians of the turns.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

use crate::local;
use crate::measure::{Bench, Sample};
use crate::peer::Peer;
use crate::process::{Cores, Process, free_address};
use crate::report::{NotRun, Results, Row, progress};
use crate::scenario::{Method, Scenario};

/// What to run.
#[derive(Debug)]
pub(crate) struct Campaign {
    pub(crate) scenarios: Vec<Scenario>,
    /// All of a scenario's, when empty.
    pub(crate) peers: Vec<Peer>,
    pub(crate) seconds: u64,
    /// Turns of each row; memory is looked at once.
    pub(crate) runs: usize,
}

impl Campaign {
    /// Runs everything, showing each sample as it comes; `file` has the results so far at any time.
    pub(crate) fn run(&self, cores: Cores, file: &Path) -> Result<Results> {
        let folder = TempDir::new()?;
        let bench = Bench {
            cores,
            folder: folder.path(),
            seconds: self.seconds,
        };
        let address = free_address()?;
        let listen = ["backend", "--listen", &address.to_string()].map(ToOwned::to_owned);
        let mut backend = Process::start_own(cores.load, &listen, folder.path())?;
        backend.accepts(address)?;
        let mut results = Results::new(self.seconds, self.runs);
        self.warm_up(address, &bench);
        for scenario in &self.scenarios {
            match scenario.method() {
                Method::Local if !self.takes_part(Peer::Mesh) => {}
                Method::Local => results.local = cores.all(local::rows)??,
                Method::Load(..) | Method::Memory(_) => {
                    self.scenario(*scenario, address, &bench, &mut results);
                }
            }
            results.write(file)?;
        }
        Ok(results)
    }

    /// The first row's first turn once more, before it counts: a machine that did nothing is slow at
    /// first, whoever is measured. What fails here fails again, and is told then.
    fn warm_up(&self, backend: SocketAddr, bench: &Bench<'_>) {
        let loads = |scenario: &&Scenario| matches!(scenario.method(), Method::Load(..));
        if let Some(scenario) = self.scenarios.iter().find(loads) {
            let mut peers = scenario.peers().iter();
            let first = peers.find(|peer| self.takes_part(**peer) && peer.missing().is_none());
            let _not_counted = first.map(|peer| measure(*scenario, *peer, backend, bench));
        }
    }

    fn takes_part(&self, peer: Peer) -> bool {
        self.peers.is_empty() || self.peers.contains(&peer)
    }

    fn scenario(
        &self,
        scenario: Scenario,
        backend: SocketAddr,
        bench: &Bench<'_>,
        results: &mut Results,
    ) {
        let wanted = |peer: &&Peer| self.takes_part(**peer);
        let mut samples: BTreeMap<Peer, Vec<Sample>> = BTreeMap::new();
        let mut failed: BTreeMap<Peer, String> = BTreeMap::new();
        let runs = match scenario.method() {
            Method::Load(..) => self.runs,
            Method::Memory(_) | Method::Local => 1,
        };
        for run in 0..runs {
            for peer in scenario.peers().iter().filter(wanted) {
                if failed.contains_key(peer) {
                    continue;
                }
                let sample = match peer.missing() {
                    Some(reason) => Err(anyhow::anyhow!(reason)),
                    None => measure(scenario, *peer, backend, bench),
                };
                match sample {
                    Ok(sample) => {
                        progress(scenario, *peer, run, &sample);
                        samples.entry(*peer).or_default().push(sample);
                    }
                    Err(error) => {
                        failed.insert(*peer, format!("{error:#}"));
                    }
                }
            }
        }
        for peer in scenario.peers().iter().filter(wanted) {
            if let Some(reason) = failed.remove(peer) {
                results.not_run.push(NotRun {
                    scenario,
                    peer: *peer,
                    reason,
                });
            } else if let Some(samples) = samples.get(peer) {
                results.rows.push(Row::median(scenario, *peer, samples));
            }
        }
    }
}

fn measure(
    scenario: Scenario,
    peer: Peer,
    backend: SocketAddr,
    bench: &Bench<'_>,
) -> Result<Sample> {
    let running = peer.start(scenario.shape(), backend, bench.cores)?;
    match scenario.method() {
        Method::Load(pattern, rate) => bench.load(&running, pattern, rate),
        Method::Memory(held) => bench.memory(&running, held),
        Method::Local => Ok(Sample::default()),
    }
}
