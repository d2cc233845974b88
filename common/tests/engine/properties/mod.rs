//! Properties: whatever comes, nothing panics and nothing is lost; and a plain model agrees.

mod model;
mod oracle;
mod robust;
mod talk;
mod words;

use proptest::test_runner::Config;

/// So many cases, or as many as `PROPTEST_CASES` says; failures are not written beside the sources.
fn cases(usual: u32) -> Config {
    let config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { Config { cases: usual, ..config } }
}
