//! Follows one kind: asks what its course says, and reports what has changed.

use std::time::Duration;

use mesh_source::Event;
use tokio::sync::mpsc;

use crate::board::Report;
use crate::course::{Course, Reaction, Step};
use crate::fault::Fault;
use crate::known::Known;
use crate::server::{Lines, Server};
use crate::watched::Watched;
use crate::wire::{self, Line, Page};

/// Events that are put together into one report at most.
const BATCH: usize = 500;

/// Longest time between two looks at a kind that is not watched.
const GLANCE: Duration = Duration::from_secs(60);

/// The receiver of reports is gone: nobody wants to know any more.
struct Unwanted;

/// The task of one kind.
pub(crate) struct Follower {
    /// Its number on the board.
    number: usize,
    server: Server,
    watched: Watched,
    course: Course,
    known: Known,
    board: mpsc::Sender<Report>,
}

impl Follower {
    pub(crate) fn new(
        number: usize,
        watched: Watched,
        server: Server,
        board: mpsc::Sender<Report>,
    ) -> Self {
        Self {
            number,
            server,
            course: Course::new(watched.kind.versions),
            known: Known::new(watched.clone()),
            watched,
            board,
        }
    }

    /// Runs until nobody wants its reports.
    pub(crate) async fn run(mut self) {
        loop {
            let went = match self.course.step() {
                Step::List {
                    version,
                    token,
                    whole,
                } => self.list(version, token, whole).await,
                Step::Watch { version, from } => self.watch(version, &from).await,
            };
            match went {
                Ok(wait) => tokio::time::sleep(wait).await,
                Err(Unwanted) => return,
            }
        }
    }

    /// Asks for one page.
    async fn list(
        &mut self,
        version: &'static str,
        token: Option<String>,
        whole: bool,
    ) -> Result<Duration, Unwanted> {
        let path = self.watched.list(version, token.as_deref(), whole);
        let page = match self.server.read(&path).await {
            Ok(text) => wire::page(&text, self.watched.keep()),
            Err(fault) => Err(fault),
        };
        match page {
            Ok(page) => {
                if token.is_none() {
                    self.known.begin();
                }
                self.page(page, version).await
            }
            Err(fault) => self.fault(fault).await,
        }
    }

    async fn page(&mut self, page: Page, version: &'static str) -> Result<Duration, Unwanted> {
        let mut events = Vec::new();
        for mut item in page.items {
            wire::take_version(&mut item);
            self.known.applied(item, version, &mut events);
        }
        let complete = page.token.is_none();
        if complete {
            self.known.finish(&mut events);
        }
        self.course.on_page(page.version, page.token);
        let glanced_at = complete && self.watched.glanced_at;
        self.report(Report {
            settled: complete,
            trouble: glanced_at.then_some(None),
            ..self.telling(events)
        })
        .await?;
        if !glanced_at {
            return Ok(Duration::ZERO);
        }
        self.course.on_glance();
        Ok(GLANCE.mul_f64(0.5 + fastrand::f64() / 2.0))
    }

    async fn watch(&mut self, version: &'static str, from: &str) -> Result<Duration, Unwanted> {
        let path = self.watched.watch(version, from, fastrand::f64());
        let mut lines = match self.server.watch(&path).await {
            Ok(lines) => lines,
            Err(fault) => return self.fault(fault).await,
        };
        self.course.on_watching();
        let well = Report {
            trouble: Some(None),
            ..self.telling(Vec::new())
        };
        self.report(well).await?;
        loop {
            let mut events = Vec::new();
            let ended = self.read(&mut lines, version, &mut events).await;
            if !events.is_empty() {
                self.report(self.telling(events)).await?;
            }
            match ended {
                Ok(true) => {}
                Ok(false) => return Ok(self.course.on_end(fastrand::f64())),
                Err(fault) => return self.fault(fault).await,
            }
        }
    }

    /// Waits for a line and takes in all that are there; whether there may be more.
    async fn read(
        &mut self,
        lines: &mut Lines,
        version: &'static str,
        events: &mut Vec<Event>,
    ) -> Result<bool, Fault> {
        let mut next = lines.next().await?;
        let more = next.is_some();
        while let Some(line) = next {
            self.line(&line, version, events)?;
            next = (events.len() < BATCH).then(|| lines.buffered()).flatten();
        }
        Ok(more)
    }

    fn line(
        &mut self,
        line: &[u8],
        version: &'static str,
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let reached = match wire::line(line, self.watched.keep())? {
            Line::Applied(mut object) => {
                let reached = wire::take_version(&mut object);
                self.known.applied(object, version, events);
                reached
            }
            Line::Deleted(mut object) => {
                self.known.deleted(&object, events);
                wire::take_version(&mut object)
            }
            Line::Bookmark(mut object) => wire::take_version(&mut object),
            Line::Failed(fault) => return Err(fault),
            Line::Unknown => None,
        };
        if let Some(reached) = reached {
            self.course.on_event(reached);
        }
        Ok(())
    }

    async fn fault(&mut self, fault: Fault) -> Result<Duration, Unwanted> {
        let Reaction {
            wait,
            trouble,
            settled,
            vanished,
        } = self.course.on_fault(fault, fastrand::f64());
        let mut events = Vec::new();
        if vanished {
            self.known.vanish(&mut events);
        }
        let report = Report {
            settled: settled && !self.watched.essential,
            trouble: trouble.map(|trouble| Some((trouble, self.known.keys()))),
            ..self.telling(events)
        };
        self.report(report).await?;
        Ok(wait)
    }

    const fn telling(&self, events: Vec<Event>) -> Report {
        Report {
            number: self.number,
            events,
            settled: false,
            trouble: None,
        }
    }

    async fn report(&self, report: Report) -> Result<(), Unwanted> {
        self.board.send(report).await.map_err(|_| Unwanted)
    }
}
