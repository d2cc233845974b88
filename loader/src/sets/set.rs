//! One named set.

use super::{Element, Fault, Form, Misfit, Table, element};
use berth_common::abi::{
    rules::LINE_BYTES,
    set::{Entry, MAX_LENGTHS, MOST_LINES, NOMATCH},
};

/// A named set.
#[derive(Clone, Debug)]
pub struct Set {
    /// Its number, by which rules in the kernel know it. It is the name's: sets that are swapped keep theirs.
    pub number: u32,
    /// Its type.
    pub form: Form,
    /// Most entries that it may hold.
    pub max: u32,
    /// Another one for every state of the container's sets in which this one was changed.
    pub stamp: u64,
    /// Its entries.
    pub table: Table,
}

impl Set {
    /// An empty one.
    pub fn new(number: u32, form: Form, max: u32) -> Self {
        Self { number, form, max, stamp: 0, table: Table::new(form) }
    }

    /// Adds what a text stands for, whole. Those entries that are there are an error unless that is overlooked. Returns
    /// what was added.
    pub fn add(
        &mut self,
        name: &str,
        text: &str,
        nomatch: bool,
        overlook: bool,
    ) -> Result<Vec<Entry>, Fault> {
        let Element { entries } = Element::read(&self.form, text, nomatch, self.max)?;
        let mut fresh = Vec::with_capacity(entries.len());
        for entry in entries {
            match self.table.find(&entry) {
                None => fresh.push(entry),
                Some(there) if there == entry && !overlook => {
                    return Err(Fault::Present { set: name.to_owned(), entry: self.text(&entry) });
                }
                Some(there) if there == entry => {}
                // What was an exception becomes none, or the other way round.
                Some(_) if overlook => fresh.push(entry),
                Some(there) => {
                    return Err(Fault::Present { set: name.to_owned(), entry: self.text(&there) });
                }
            }
        }
        for entry in &fresh {
            self.table.remove(entry);
            if self.table.len() >= self.max as usize {
                return Err(Fault::Full { set: name.to_owned(), max: self.max });
            }
            self.table.insert(entry).map_err(|misfit| misfits(name, misfit))?;
        }
        Ok(fresh)
    }

    /// Takes out what a text stands for, whole. Those entries that are not there are an error unless that is overlooked.
    /// Returns what was taken out.
    pub fn remove(&mut self, name: &str, text: &str, overlook: bool) -> Result<Vec<Entry>, Fault> {
        let Element { mut entries } = Element::read(&self.form, text, false, self.max)?;
        for entry in &entries {
            if !overlook && self.table.find(entry).is_none() {
                return Err(Fault::Absent { set: name.to_owned(), entry: self.text(entry) });
            }
        }
        entries.retain(|entry| self.table.remove(entry));
        Ok(entries)
    }

    /// Takes all entries out.
    pub fn flush(&mut self) {
        self.table = Table::new(self.form);
    }

    /// Puts entries in that were read before, none of which is there.
    pub fn put(&mut self, entries: &[Entry]) -> Result<(), Fault> {
        let fault = |misfit| misfits("", misfit);
        // A few are put in one by one: making the whole table anew for each would take long.
        if entries.len() < self.table.len() / 8 {
            return entries.iter().try_for_each(|entry| self.table.insert(entry)).map_err(fault);
        }
        let all: Vec<Entry> = self.table.entries().into_iter().chain(entries.iter().copied()).collect();
        self.table = Table::of(self.form, &all).map_err(fault)?;
        Ok(())
    }

    /// Whether what a text stands for is in the set: all of it, and as a network that contains it may say.
    pub fn contains(&self, text: &str) -> Result<bool, Fault> {
        let Element { entries } = Element::read(&self.form, text, false, self.max)?;
        Ok(entries.iter().all(|entry| self.matches(entry)))
    }

    /// As packets are matched: by the longest network that the entry is in.
    fn matches(&self, entry: &Entry) -> bool {
        let (kind, family) = (self.form.kind, self.form.family);
        let parts = entry.parts(kind, family);
        if !kind.has_networks() || parts.prefix != self.form.bits() {
            return self.table.find(entry).is_some_and(|found| found.0[0] & NOMATCH == 0);
        }
        let networks = (1..=parts.prefix).rev().map(|prefix| {
            self.table.find(&Entry::new(kind, family, &berth_common::abi::set::Parts { prefix, ..parts }))
        });
        networks.flatten().next().is_some_and(|found| found.0[0] & NOMATCH == 0)
    }

    /// An entry as `add` takes it.
    pub fn text(&self, entry: &Entry) -> String {
        element::write(&self.form, entry)
    }

    /// All entries as `add` takes them.
    pub fn texts(&self) -> Vec<String> {
        self.table.entries().iter().map(|entry| self.text(entry)).collect()
    }
}

fn misfits(name: &str, misfit: Misfit) -> Fault {
    match misfit {
        Misfit::Lengths => Fault::Lengths { set: name.to_owned(), limit: MAX_LENGTHS },
        Misfit::Room => Fault::Room { set: name.to_owned(), limit: MOST_LINES as usize * LINE_BYTES },
    }
}
