//! Properties: whatever comes, nothing panics and nothing is lost; and a plain model agrees.

mod model;
mod oracle;
mod robust;
mod talk;
mod words;

use berth_common::memory::generate::cases::number;
use proptest::test_runner::Config;

/// So many cases, or as many as the environment wants; failures are not written beside the sources.
fn cases(usual: u32) -> Config {
    Config { cases: number(usual).unwrap(), failure_persistence: None, ..Config::default() }
}
