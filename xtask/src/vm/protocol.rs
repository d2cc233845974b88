//! What the host and the program in the virtual machine tell each other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where the machine finds its plan.
pub const PLAN: &str = "/plan.json";
/// Where in the machine the object is.
pub const OBJECT: &str = "/berth/berth.bpf.o";
/// Before what the machine tells us.
const MARK: &str = "@vm ";

/// What is to be done in the machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Modules to load, in this order, by their paths.
    pub modules: Vec<String>,
    /// Values to be set: paths under /proc/sys.
    pub sysctls: Vec<(String, String)>,
    /// Whether every program of the object is to be loaded by itself.
    pub verify: bool,
    /// Test programs: name and path.
    pub programs: Vec<(String, String)>,
    /// Parts of the names of the tests to run; all if there are none.
    pub filter: Vec<String>,
    /// Beginnings of the names of the tests that this machine is for; all if there are none.
    pub only: Vec<String>,
    /// Tests not to run, each as the beginning of names, and the reason.
    pub cannot: Vec<(String, String)>,
    /// Which share of the tests is this machine's.
    pub share: Share,
    /// For each test, in seconds.
    pub limit: u64,
    /// Whether a test that fails is given a second chance.
    pub again: bool,
    /// For the test programs.
    pub environment: Vec<(String, String)>,
}

/// A share of the tests: brief runs divide some of them among the kernels, and leave out the others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Share {
    /// Which share this is, counted from zero.
    pub number: u32,
    /// How many are some kernel's.
    pub kernels: u32,
    /// How many there are; none and one mean all tests.
    pub of: u32,
    /// Beginnings of the names of tests that every machine runs.
    pub everywhere: Vec<String>,
}

impl Share {
    fn reason_against(&self, test: &str) -> Option<&'static str> {
        if self.of < 2 || self.everywhere.iter().any(|beginning| test.starts_with(beginning)) {
            return None;
        }
        match hash(test) % self.of {
            number if number == self.number => None,
            number if number < self.kernels => Some("a brief run leaves it to another kernel"),
            _ => Some("a brief run leaves it to a whole one, and to this machine's own kernel"),
        }
    }
}

/// FNV-1a: the same test is always the same machine's.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// What happens in the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// It is up, running this release.
    Booted { release: String },
    /// The verifier's answer to a program.
    Verified { program: String, instructions: Option<u32>, jited: u32 },
    /// The kernel takes no such program.
    RefusedHere { program: String, reason: String },
    /// The verifier refuses the program.
    Rejected { program: String, log: String },
    /// What follows is a test's output.
    Begin { test: String },
    /// The test is over.
    End { test: String, outcome: Outcome, millis: u64 },
    /// Something that has to work did not.
    Trouble { what: String },
    /// All of the plan has been done.
    Done,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Passed,
    /// At the second try, and not at the first.
    PassedAtLast,
    Failed,
    /// It was killed.
    TooSlow,
    NotRun {
        reason: String,
    },
}

impl Plan {
    pub fn is_wanted(&self, test: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|part| test.contains(part))
    }

    pub fn reason_against(&self, test: &str) -> Option<&str> {
        let cannot = self.cannot.iter().find(|(prefix, _)| test.starts_with(prefix));
        match cannot {
            Some((_, reason)) => Some(reason),
            None if !self.is_for(test) => Some("this kernel runs some tests only"),
            None => self.share.reason_against(test),
        }
    }

    fn is_for(&self, test: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|beginning| test.starts_with(beginning))
    }

    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.limit)
    }
}

impl Event {
    /// As one line, which begins anew whatever was written before.
    pub fn line(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("\n{MARK}{json}\n")
    }

    pub fn parse(line: &str) -> Option<Self> {
        // What the kernel or a test left on the line may be before it.
        let (_, json) = line.split_once(MARK)?;
        serde_json::from_str(json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_the_wire() {
        let event = Event::Rejected { program: "p".to_owned(), log: "line\nline \"2\"".to_owned() };
        let line = event.line();
        assert_eq!(line.trim().lines().count(), 1);
        assert_eq!(Event::parse(line.trim()), Some(event.clone()));
        assert_eq!(Event::parse(&format!("rest{}", line.trim())), Some(event));
        assert_eq!(Event::parse("anything"), None);
        assert_eq!(Event::parse("@vm broken"), None);
    }

    #[test]
    fn tests_are_picked_by_parts_and_left_out_by_beginnings() {
        let plan = Plan {
            filter: vec!["lsm".to_owned()],
            cannot: vec![("lsm::old".to_owned(), "too old".to_owned())],
            ..Plan::default()
        };
        assert!(plan.is_wanted("lsm::new") && !plan.is_wanted("ports::new"));
        assert_eq!(plan.reason_against("lsm::old_way"), Some("too old"));
        assert_eq!(plan.reason_against("lsm::new"), None);
    }

    #[test]
    fn a_machine_may_be_for_some_tests_only() {
        let plan = Plan { only: vec!["binds".to_owned()], ..Plan::default() };
        assert_eq!(plan.reason_against("binds::churn::one"), None);
        assert_eq!(plan.reason_against("lsm::binds"), Some("this kernel runs some tests only"));
    }

    #[test]
    fn shares_have_each_test_once() {
        let share = |number| Share { number, kernels: 2, of: 3, everywhere: vec!["lsm::".to_owned()] };
        let has = |share: Share, test: &str| share.reason_against(test).is_none();
        let mut left_out = 0;
        for test in ('a'..='z').map(|name| format!("ports::{name}")) {
            let sum = (0..3).filter(|number| has(share(*number), &test)).count();
            assert_eq!(sum, 1, "{test}");
            left_out += usize::from(!has(share(0), &test) && !has(share(1), &test));
            assert!(has(Share::default(), &test));
        }
        assert!(left_out > 0);
        assert!(has(share(0), "lsm::a") && has(share(1), "lsm::a"));
    }
}
