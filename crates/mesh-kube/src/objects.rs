//! Objects that a product keeps an eye on beside the configuration: as they come, change and go.

use std::collections::BTreeMap;
use std::time::Duration;

use mesh_api::kinds;
use mesh_runtime::Tasks;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::access::Cluster;
use crate::course::{Course, Reaction, Step, Trouble};
use crate::fault::Fault;
use crate::keep::Keep;
use crate::server::{Lines, Server};
use crate::watched::Watched;
use crate::wire::{self, Line, Page};

/// Which objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Objects {
    /// All namespaces: their names and whether they are about to go.
    Namespaces,
    /// The ConfigMaps of one name in all namespaces: their labels and data.
    ConfigMaps {
        /// Their name, as a selector of fields: `metadata.name=NAME`.
        selector: &'static str,
    },
}

/// What is seen of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// One is there, new or changed or as before.
    Here {
        /// Its namespace; empty for a namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What is kept of it.
        object: Value,
    },
    /// One is gone.
    Gone {
        /// Its namespace; empty for a namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// All that are there were told, or nobody may or can say what is there.
    Settled,
    /// What keeps us from seeing them; in force is what was told. `None` when nothing does any more.
    Trouble(Option<String>),
}

/// Where sightings go, with what they are of.
pub type Sightings = mpsc::Sender<(Objects, Sighting)>;

impl Cluster {
    /// Tells what becomes of some objects until `tasks` stop or nobody listens. Needs the permission
    /// to list and watch them.
    pub fn follow(&self, objects: Objects, sightings: Sightings, tasks: &Tasks) {
        let Some(watched) = objects.watched() else {
            return;
        };
        let follower = Follower {
            course: Course::new(watched.kind.versions),
            objects,
            watched,
            server: self.server.clone(),
            seen: BTreeMap::new(),
            round: 0,
            settled: false,
            trouble: None,
            sightings,
        };
        let stopping = tasks.stopping().clone();
        tasks.spawn("kube-objects", async move {
            stopping.run_until_cancelled(follower.run()).await;
        });
    }
}

const IDENTITY: [(&str, &Keep); 4] = [
    ("deletionTimestamp", &Keep::All),
    ("name", &Keep::All),
    ("namespace", &Keep::All),
    ("resourceVersion", &Keep::All),
];

static NAMESPACE: Keep = Keep::Only(&[
    ("metadata", &Keep::Only(&IDENTITY)),
    ("status", &Keep::Only(&[("phase", &Keep::All)])),
]);

static CONFIG_MAP: Keep = Keep::Only(&[
    ("data", &Keep::All),
    (
        "metadata",
        &Keep::Only(&[
            ("labels", &Keep::All),
            ("name", &Keep::All),
            ("namespace", &Keep::All),
            ("resourceVersion", &Keep::All),
        ]),
    ),
]);

impl Objects {
    fn watched(self) -> Option<Watched> {
        let (kind, selector) = match self {
            Self::Namespaces => ("Namespace", ""),
            Self::ConfigMaps { selector } => ("ConfigMap", selector),
        };
        kinds::find("", kind).map(|kind| Watched::selected(kind, selector))
    }

    fn keep(self) -> &'static Keep {
        match self {
            Self::Namespaces => &NAMESPACE,
            Self::ConfigMaps { .. } => &CONFIG_MAP,
        }
    }
}

/// Nobody listens any more.
struct Unwanted;

struct Follower {
    objects: Objects,
    watched: Watched,
    server: Server,
    course: Course,
    /// Namespace and name of those that were told, with the list that they were seen in last.
    seen: BTreeMap<(String, String), u64>,
    round: u64,
    settled: bool,
    trouble: Option<String>,
    sightings: Sightings,
}

impl Follower {
    async fn run(mut self) {
        loop {
            let went = match self.course.step() {
                Step::List {
                    version,
                    token,
                    whole,
                } => {
                    let path = self.watched.list(version, token.as_deref(), whole);
                    self.list(&path, token.is_none()).await
                }
                Step::Watch { version, from } => {
                    let path = self.watched.watch(version, &from, fastrand::f64());
                    self.watch(&path).await
                }
            };
            match went {
                Ok(wait) => tokio::time::sleep(wait).await,
                Err(Unwanted) => return,
            }
        }
    }

    async fn list(&mut self, path: &str, first: bool) -> Result<Duration, Unwanted> {
        let page = match self.server.read(path).await {
            Ok(text) => wire::page(&text, self.objects.keep()),
            Err(fault) => Err(fault),
        };
        let page = match page {
            Ok(page) => page,
            Err(fault) => return self.fault(fault).await,
        };
        if first {
            self.round += 1;
        }
        self.page(page).await?;
        Ok(Duration::ZERO)
    }

    async fn page(&mut self, page: Page) -> Result<(), Unwanted> {
        for object in page.items {
            self.here(object).await?;
        }
        let complete = page.token.is_none();
        self.course.on_page(page.version, page.token);
        if complete {
            self.forget_unseen().await?;
            self.settle().await?;
        }
        Ok(())
    }

    /// What the list did not hold is gone.
    async fn forget_unseen(&mut self) -> Result<(), Unwanted> {
        let round = self.round;
        let unseen = self.seen.iter().filter(|(_, seen)| **seen != round);
        let unseen: Vec<_> = unseen.map(|(key, _)| key.clone()).collect();
        for (namespace, name) in unseen {
            self.gone(namespace, name).await?;
        }
        Ok(())
    }

    async fn watch(&mut self, path: &str) -> Result<Duration, Unwanted> {
        let mut lines = match self.server.watch(path).await {
            Ok(lines) => lines,
            Err(fault) => return self.fault(fault).await,
        };
        self.course.on_watching();
        self.trouble(None).await?;
        loop {
            match Self::next(&mut lines, self.objects.keep()).await {
                Ok(Some(line)) => {
                    if let Err(fault) = self.line(line).await? {
                        return self.fault(fault).await;
                    }
                }
                Ok(None) => return Ok(self.course.on_end(fastrand::f64())),
                Err(fault) => return self.fault(fault).await,
            }
        }
    }

    async fn next(lines: &mut Lines, keep: &'static Keep) -> Result<Option<Line>, Fault> {
        match lines.next().await? {
            Some(line) => wire::line(&line, keep).map(Some),
            None => Ok(None),
        }
    }

    async fn line(&mut self, line: Line) -> Result<Result<(), Fault>, Unwanted> {
        let reached = match line {
            Line::Applied(mut object) => {
                let reached = wire::take_version(&mut object);
                self.here(object).await?;
                reached
            }
            Line::Deleted(mut object) => {
                if let Some((namespace, name)) = key_of(&object) {
                    self.gone(namespace, name).await?;
                }
                wire::take_version(&mut object)
            }
            Line::Bookmark(mut object) => wire::take_version(&mut object),
            Line::Failed(fault) => return Ok(Err(fault)),
            Line::Unknown => None,
        };
        if let Some(reached) = reached {
            self.course.on_event(reached);
        }
        Ok(Ok(()))
    }

    async fn fault(&mut self, fault: Fault) -> Result<Duration, Unwanted> {
        let Reaction {
            wait,
            trouble,
            settled,
            vanished: _,
        } = self.course.on_fault(fault, fastrand::f64());
        if let Some(trouble) = trouble {
            let said = said(&self.watched, trouble);
            self.trouble(Some(said)).await?;
        }
        if settled {
            self.settle().await?;
        }
        Ok(wait)
    }

    async fn here(&mut self, mut object: Value) -> Result<(), Unwanted> {
        wire::take_version(&mut object);
        let Some((namespace, name)) = key_of(&object) else {
            return Ok(());
        };
        self.seen
            .insert((namespace.clone(), name.clone()), self.round);
        self.tell(Sighting::Here {
            namespace,
            name,
            object,
        })
        .await
    }

    async fn gone(&mut self, namespace: String, name: String) -> Result<(), Unwanted> {
        let key = (namespace, name);
        self.seen.remove(&key);
        let (namespace, name) = key;
        self.tell(Sighting::Gone { namespace, name }).await
    }

    async fn settle(&mut self) -> Result<(), Unwanted> {
        if std::mem::replace(&mut self.settled, true) {
            return Ok(());
        }
        self.tell(Sighting::Settled).await
    }

    async fn trouble(&mut self, trouble: Option<String>) -> Result<(), Unwanted> {
        if self.trouble == trouble {
            return Ok(());
        }
        self.trouble.clone_from(&trouble);
        self.tell(Sighting::Trouble(trouble)).await
    }

    async fn tell(&self, sighting: Sighting) -> Result<(), Unwanted> {
        let told = self.sightings.send((self.objects, sighting)).await;
        told.map_err(|_| Unwanted)
    }
}

fn key_of(object: &Value) -> Option<(String, String)> {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
    let namespace = text("/metadata/namespace").unwrap_or_default().to_owned();
    Some((namespace, text("/metadata/name")?.to_owned()))
}

fn said(watched: &Watched, trouble: Trouble) -> String {
    let name = watched.name();
    match trouble {
        Trouble::Forbidden { verb } => {
            format!("{name}: this account has no permission to {verb} them")
        }
        Trouble::Missing => format!("{name}: the API server has no such kind"),
        Trouble::Unreachable(text) => format!("{name}: the API server cannot be reached: {text}"),
        Trouble::Refused { code, text } => format!("{name}: the API server answers {code} {text}"),
    }
}
