//! All sets of a container.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    Fault, Set, SetError,
    command::{Action, Command},
    form, options,
    table::without_nomatch,
};
use berth_common::abi::{rules::Family, set::Entry};

/// Most sets that a container may have.
pub const MOST_SETS: usize = 256;

/// All sets of a container. Those that a change does not concern are shared by what was and what is to be.
#[derive(Clone, Debug, Default)]
pub struct Sets {
    /// By name.
    pub sets: BTreeMap<String, Arc<Set>>,
    /// Counts the changes.
    pub batch: u32,
    /// Most entries ever held.
    pub maxheld: u64,
    /// How many times more were asked for than the quota allows.
    pub failcnt: u64,
}

/// What the sets must go with.
pub struct Bounds<'a> {
    /// Upper half of stamps: the container's generation.
    pub generation: u32,
    /// Whether what is there already, or is not there, is no error.
    pub overlook: bool,
    /// Which sets rules name.
    pub used: &'a BTreeSet<String>,
    /// Numbers that nobody has, the first to be used first.
    pub free: &'a mut dyn Iterator<Item = u32>,
}

/// One step from one state of the sets to the next, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// A set is made.
    Create {
        /// Its name.
        name: String,
        /// Its number.
        number: u32,
        /// Type and options, as in ipset's `create`.
        form: String,
        /// Most entries.
        max: u32,
    },
    /// A set goes.
    Destroy(String),
    /// All entries of a set go.
    Flush(String),
    /// Two sets exchange what they hold.
    Swap(String, String),
    /// Entries come.
    Add(String, Vec<String>),
    /// Entries go.
    Remove(String, Vec<String>),
    /// What was held at most, and how often more was asked for.
    Quota {
        /// At most.
        maxheld: u64,
        /// How often.
        failcnt: u64,
    },
}

impl Sets {
    /// How many entries there are in all.
    pub fn held(&self) -> u64 {
        self.sets.values().map(|set| set.table.len() as u64).sum()
    }

    /// Carries out commands, all of them or none. Returns the sets as they are then, and the steps to that.
    pub fn changed(
        &self,
        commands: &[Command],
        bounds: &mut Bounds<'_>,
    ) -> Result<(Self, Vec<Step>), SetError> {
        let mut after = self.clone();
        after.batch = self.batch.wrapping_add(1);
        let mut steps = Vec::new();
        for Command { line, action } in commands {
            after.carry_out(action, bounds, &mut steps).map_err(|fault| SetError { line: *line, fault })?;
        }
        let held = after.held();
        if held > after.maxheld {
            after.maxheld = held;
            steps.push(Step::Quota { maxheld: held, failcnt: after.failcnt });
        }
        Ok((after, steps))
    }

    fn carry_out(
        &mut self,
        action: &Action,
        bounds: &mut Bounds<'_>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Fault> {
        let stamp = stamp(bounds.generation, self.batch);
        match action {
            Action::Create(name, words) => self.create(name, words, bounds, steps)?,
            Action::Add(name, text, words) => {
                let set = self.set_mut(name, stamp)?;
                let nomatch = options::add(set.form.kind, words.iter().map(String::as_str))?;
                let added = set.add(name, text, nomatch, bounds.overlook)?;
                let texts = added.iter().map(|entry| set.text(entry)).collect();
                join(steps, name, texts, true);
            }
            Action::Delete(name, text) => {
                let set = self.set_mut(name, stamp)?;
                let removed = set.remove(name, text, bounds.overlook)?;
                let texts = removed.iter().map(|entry| set.text(entry)).collect();
                join(steps, name, texts, false);
            }
            Action::Flush(Some(name)) => {
                self.set_mut(name, stamp)?.flush();
                steps.push(Step::Flush(name.clone()));
            }
            Action::Flush(None) => {
                for name in self.sets.keys().cloned().collect::<Vec<_>>() {
                    self.carry_out(&Action::Flush(Some(name)), bounds, steps)?;
                }
            }
            Action::Destroy(Some(name)) => {
                self.set(name)?;
                if bounds.used.contains(name) {
                    return Err(Fault::InUse(name.clone()));
                }
                self.sets.remove(name);
                steps.push(Step::Destroy(name.clone()));
            }
            Action::Destroy(None) => {
                for name in self.sets.keys().cloned().collect::<Vec<_>>() {
                    self.carry_out(&Action::Destroy(Some(name)), bounds, steps)?;
                }
            }
            Action::Swap(one, other) => {
                self.swap(one, other, stamp)?;
                steps.push(Step::Swap(one.clone(), other.clone()));
            }
        }
        Ok(())
    }

    fn create(
        &mut self,
        name: &str,
        words: &[String],
        bounds: &mut Bounds<'_>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Fault> {
        let (form, max) = options::create(words.iter().map(String::as_str))?;
        if let Some(there) = self.sets.get(name) {
            // As ipset: whether they are alike but for the most entries.
            let same = there.form == form;
            return if bounds.overlook && same { Ok(()) } else { Err(Fault::Taken(name.to_owned())) };
        }
        if self.sets.len() >= MOST_SETS {
            return Err(Fault::TooManySets(MOST_SETS));
        }
        let number = bounds.free.next().ok_or(Fault::NoNumber(berth_common::abi::set::NUMBERS))?;
        let set = Set { stamp: stamp(bounds.generation, self.batch), ..Set::new(number, form, max) };
        steps.push(Step::Create { name: name.to_owned(), number, form: form.describe(max), max });
        self.sets.insert(name.to_owned(), Arc::new(set));
        Ok(())
    }

    fn swap(&mut self, one: &str, other: &str, stamp: u64) -> Result<(), Fault> {
        let (first, second) = (Arc::clone(self.set(one)?), Arc::clone(self.set(other)?));
        if (first.form.kind, first.form.family) != (second.form.kind, second.form.family) {
            return Err(Fault::Unlike(one.to_owned(), other.to_owned()));
        }
        let numbered = |set: &Set, number| {
            let mut set = Set { number, stamp, ..set.clone() };
            set.table.forget_kernel();
            Arc::new(set)
        };
        self.sets.insert(one.to_owned(), numbered(&second, first.number));
        self.sets.insert(other.to_owned(), numbered(&first, second.number));
        Ok(())
    }

    fn set(&self, name: &str) -> Result<&Arc<Set>, Fault> {
        self.sets.get(name).ok_or_else(|| Fault::NoSet(name.to_owned()))
    }

    fn set_mut(&mut self, name: &str, stamp: u64) -> Result<&mut Set, Fault> {
        let set = self.sets.get_mut(name).ok_or_else(|| Fault::NoSet(name.to_owned()))?;
        let set = Arc::make_mut(set);
        set.stamp = stamp;
        Ok(set)
    }

    /// Goes the remembered steps of one batch.
    pub fn replay(&mut self, batch: u32, steps: &[Step], generation: u32) -> Result<(), Fault> {
        self.batch = batch;
        let now = stamp(generation, batch);
        for step in steps {
            match step {
                Step::Create { name, number, form, max } => {
                    let (form, _) = options::create(form.split(' '))?;
                    let set = Set { stamp: now, ..Set::new(*number, form, *max) };
                    self.sets.insert(name.clone(), Arc::new(set));
                }
                Step::Destroy(name) => drop(self.sets.remove(name)),
                Step::Flush(name) => self.set_mut(name, now)?.flush(),
                Step::Swap(one, other) => self.swap(one, other, now)?,
                Step::Add(name, texts) => {
                    let set = self.set_mut(name, now)?;
                    let mut entries = BTreeMap::new();
                    for text in texts {
                        let entry = entry(set, text)?;
                        // An exception may have taken the place of what it is one from, or the other way round.
                        entries.insert(without_nomatch(&entry), entry);
                    }
                    for entry in entries.keys() {
                        set.table.remove(entry);
                    }
                    set.put(&entries.into_values().collect::<Vec<_>>())?;
                }
                Step::Remove(name, texts) => {
                    let set = self.set_mut(name, now)?;
                    for text in texts {
                        let gone = entry(set, text)?;
                        set.table.remove(&gone);
                    }
                }
                Step::Quota { maxheld, failcnt } => (self.maxheld, self.failcnt) = (*maxheld, *failcnt),
            }
        }
        Ok(())
    }

    /// The steps to these sets from none.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (name, set) in &self.sets {
            let (name, form, max) = (name.clone(), set.form.describe(set.max), set.max);
            steps.push(Step::Create { name, number: set.number, form, max });
        }
        for (name, set) in self.sets.iter().filter(|(_, set)| !set.table.is_empty()) {
            steps.push(Step::Add(name.clone(), set.texts()));
        }
        steps.push(Step::Quota { maxheld: self.maxheld, failcnt: self.failcnt });
        steps
    }

    /// As `ipset save` writes them: all, or one.
    pub fn save(&self, only: Option<&str>) -> Result<String, Fault> {
        if let Some(name) = only {
            self.set(name)?;
        }
        let mut text = String::new();
        for (name, set) in self.sets.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
            let _ = writeln!(text, "create {name} {}", set.form.describe(set.max));
            for entry in set.texts() {
                let _ = writeln!(text, "add {name} {entry}");
            }
        }
        Ok(text)
    }

    /// Whether a rule of this family may name a set, as iptables sees it: its number, if so.
    pub fn names(&self) -> Vec<(String, u32, Option<Family>)> {
        self.sets.iter().map(|(name, set)| (name.clone(), set.number, set.form.family)).collect()
    }
}

/// The stamp of sets that a batch has changed.
const fn stamp(generation: u32, batch: u32) -> u64 {
    (generation as u64) << 32 | batch as u64
}

/// The one entry that a remembered text stands for.
fn entry(set: &Set, text: &str) -> Result<Entry, Fault> {
    let (text, nomatch) = match text.strip_suffix(" nomatch") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let read = super::Element::read(&set.form, text, nomatch, set.max)?;
    let wrong =
        || Fault::Entry { text: text.to_owned(), kind: form::name(set.form.kind), example: "one entry" };
    read.entries.first().copied().ok_or_else(wrong)
}

/// Adds entries to the last step if that is of the same kind, so that a text of many lines makes few steps.
fn join(steps: &mut Vec<Step>, name: &str, texts: Vec<String>, adds: bool) {
    match steps.last_mut() {
        Some(Step::Add(set, all)) if adds && set == name => all.extend(texts),
        Some(Step::Remove(set, all)) if !adds && set == name => all.extend(texts),
        _ if adds => steps.push(Step::Add(name.to_owned(), texts)),
        _ => steps.push(Step::Remove(name.to_owned(), texts)),
    }
}
