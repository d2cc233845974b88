//! What the running kernel has of what berth uses. Found out by trying, since distributions carry features back, build
//! without them, or lock them away: the version tells little.

mod code;
mod feature;
mod jit;
mod lsm;
mod tc;
mod trials;

use std::{fs, io, path::Path};

use aya::Btf;

pub use feature::{Feature, Need};
pub use lsm::is_active as lsm_is_active;
pub use tc::has_tcx;

use super::{
    ControlError,
    object::{self, Constants},
};

/// What was found of a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is there; with what else is to be said.
    Present(Option<String>),
    /// It is not, as shown by this.
    Absent(String),
    /// It could not be tried, for this reason.
    Unknown(String),
}

/// A feature and what was found of it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The feature.
    pub feature: Feature,
    /// Whether it is there.
    pub presence: Presence,
}

impl Finding {
    /// Whether berth cannot run for it.
    pub fn is_fatal(&self) -> bool {
        matches!(self.presence, Presence::Absent(_)) && self.feature.need() == Need::Required
    }
}

/// Tries everything. `pin_dir` is where things are to be pinned.
pub fn survey(pin_dir: &Path) -> Vec<Finding> {
    let btf = object::kernel_btf();
    let trial = trials::Trial { btf: btf.as_ref(), pin_dir };
    // Trying it may make the kernel load a module, which berth has no use for where it has TCX.
    let wanted = |feature: &Feature| *feature != Feature::Clsact || !has_tcx();
    Feature::ALL
        .into_iter()
        .filter(wanted)
        .map(|feature| Finding { feature, presence: trial.of(feature) })
        .collect()
}

/// Fails if the kernel lacks something that the programs cannot do without: the verifier would say so too, in words that
/// help nobody.
pub(super) fn require(btf: &Btf, pin_dir: &Path) -> Result<(), ControlError> {
    let trial = trials::Trial { btf: Ok(btf), pin_dir };
    let clsact = if has_tcx() { None } else { Some(Feature::Clsact) };
    let programs = Feature::ALL.into_iter().filter(|feature| feature.is_of_programs());
    all_there(programs.chain(clsact), |feature| trial.of(feature))
}

/// What cannot be tried may be there.
fn all_there(
    features: impl IntoIterator<Item = Feature>,
    find: impl Fn(Feature) -> Presence,
) -> Result<(), ControlError> {
    features.into_iter().try_for_each(|feature| match find(feature) {
        Presence::Absent(why) => Err(ControlError::Lacking { feature, why }),
        Presence::Present(_) | Presence::Unknown(_) => Ok(()),
    })
}

/// What programs are told of the kernel.
pub(super) fn constants() -> Constants {
    Constants {
        // If it cannot be told, then as almost everywhere; the verifier has the last word.
        callbacks: jit::compiled().map_or(true, |compiled| compiled.is_some()),
        preemptible: is_preemptible(fs::read_to_string(VERSION)),
    }
}

/// What `uname -v` says.
const VERSION: &str = "/proc/sys/kernel/version";

/// Whether a kernel of this version may be `PREEMPT_RT`. What holds there holds everywhere, only more slowly.
fn is_preemptible(version: io::Result<String>) -> bool {
    version.map_or(true, |version| version.contains("PREEMPT_RT"))
}

#[cfg(test)]
mod tests;
