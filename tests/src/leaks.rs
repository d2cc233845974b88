//! What BPF objects and qdiscs there are, by the tools an operator would ask: nothing of berth's may be left.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::command::command_in;
use crate::netns::Netns;
use crate::process::ok;
use crate::wait::{self, LIMIT};

/// The kinds of object bpftool lists.
const KINDS: [&str; 3] = ["prog", "map", "link"];

/// A set of BPF objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects(BTreeSet<Object>);

/// A BPF object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// `prog`, `map` or `link`.
    pub kind: &'static str,
    /// Its id, which no other of its kind will have before the node restarts.
    pub id: u32,
    /// The name its maker gave it; links have none.
    pub name: String,
}

impl Objects {
    /// All there are on this machine.
    pub fn all() -> Result<Self> {
        Self::list(|_| true)
    }

    /// Those whose name begins with `prefix`.
    pub fn named(prefix: &str) -> Result<Self> {
        Self::list(|entry| entry.name.starts_with(prefix))
    }

    /// Those pinned in a directory or below it, with the programs of its links and the maps of all its programs.
    pub fn pinned_under(directory: &Path) -> Result<Self> {
        // bpftool walks through all file systems of pins, and leaves out the rest where one goes away meanwhile, as other tests' do.
        let mut last = Self::seen_under(directory)?;
        wait::until("bpftool to see the same twice", LIMIT, || {
            let now = Self::seen_under(directory)?;
            let same = (now == last).then(|| now.clone());
            last = now;
            Ok(same)
        })
    }

    fn seen_under(directory: &Path) -> Result<Self> {
        let pinned = |entry: &Entry| entry.pinned.iter().any(|pin| Path::new(pin).starts_with(directory));
        let entries = entries()?;
        let of_links = entries[2].iter().filter(|link| pinned(link)).filter_map(|link| link.prog_id);
        let programs = of_links.collect();
        Ok(Self::with_what_they_use(entries, &programs, pinned))
    }

    /// These programs, and their maps.
    pub fn of_programs(ids: impl IntoIterator<Item = u32>) -> Result<Self> {
        let programs = ids.into_iter().collect();
        Ok(Self::with_what_they_use(entries()?, &programs, |_| false))
    }

    fn with_what_they_use(
        [mut programs, mut maps, mut links]: [Vec<Entry>; 3],
        wanted: &BTreeSet<u32>,
        also: impl Fn(&Entry) -> bool,
    ) -> Self {
        links.retain(&also);
        programs.retain(|program| wanted.contains(&program.id) || also(program));
        let used: BTreeSet<u32> = programs.iter().flat_map(|program| program.map_ids.clone()).collect();
        maps.retain(|map| used.contains(&map.id) || also(map));
        Self(named_entries([programs, maps, links]).collect())
    }

    /// Those that are not in `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(self.0.difference(&earlier.0).cloned().collect())
    }

    /// Those of them that are still there.
    pub fn alive(&self) -> Result<Self> {
        Ok(Self(Self::all()?.0.intersection(&self.0).cloned().collect()))
    }

    /// Waits until none of them is there any more; the kernel frees them a little after their last use.
    pub fn wait_until_gone(&self) -> Result<()> {
        wait::until_true("BPF objects to be gone", LIMIT, || {
            let left = self.alive()?;
            ensure!(left.is_empty(), "left: {left:?}");
            Ok(true)
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Object> {
        self.0.iter()
    }

    fn list(wanted: impl Fn(&Entry) -> bool) -> Result<Self> {
        let entries = entries()?.map(|entries| entries.into_iter().filter(&wanted).collect());
        Ok(Self(named_entries(entries).collect()))
    }
}

/// The qdiscs of a network namespace as (interface, kind), the kernel's own left out.
pub fn qdiscs(netns: &Netns) -> Result<Vec<(String, String)>> {
    #[derive(Deserialize)]
    struct Qdisc {
        dev: String,
        kind: String,
    }
    let text = ok(command_in(netns, None, "tc")?.args(["-j", "qdisc", "show"]))?;
    let qdiscs: Vec<Qdisc> = serde_json::from_str(&text).context("what tc printed")?;
    let made = qdiscs.into_iter().filter(|qdisc| qdisc.kind != "noqueue");
    Ok(made.map(|qdisc| (qdisc.dev, qdisc.kind)).collect())
}

#[derive(Deserialize)]
struct Entry {
    id: u32,
    #[serde(default)]
    name: String,
    #[serde(default)]
    pinned: Vec<String>,
    #[serde(default)]
    map_ids: Vec<u32>,
    prog_id: Option<u32>,
}

fn entries() -> Result<[Vec<Entry>; 3]> {
    // bpftool gives up when something it has just seen goes away, as other tests' objects do.
    wait::until("bpftool to list everything", LIMIT, || list().map(Some))
}

fn list() -> Result<[Vec<Entry>; 3]> {
    let mut lists = [Vec::new(), Vec::new(), Vec::new()];
    for (list, kind) in lists.iter_mut().zip(KINDS) {
        let text = ok(Command::new("bpftool").args(["-j", "-f", kind, "show"]))?;
        *list = serde_json::from_str(&text).with_context(|| format!("what bpftool {kind} printed"))?;
    }
    Ok(lists)
}

fn named_entries(lists: [Vec<Entry>; 3]) -> impl Iterator<Item = Object> {
    let lists = KINDS.into_iter().zip(lists);
    lists.flat_map(|(kind, list)| {
        list.into_iter().map(move |entry| Object { kind, id: entry.id, name: entry.name })
    })
}
