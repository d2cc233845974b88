//! Properties: whatever comes, nothing panics and nothing is lost; and a plain model agrees.

mod model;
mod oracle;
mod robust;
mod talk;
mod words;

use proptest::test_runner::Config;

/// So many cases, of which failures are not written beside the sources.
fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
