//! The demonstration: two containers that share one address, and whose every packet has an owner. `cargo xtask demo`
//! runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    berth_tests::demo::main()
}
