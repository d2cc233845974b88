//! `cargo xtask vm --fixtures`: whether programs that must be refused are, and are told so that one sees why.

use anyhow::{Result, bail};

use super::budget::Budget;
use super::report::Report;

/// Programs of `ebpf/fixtures`.
const COSTLY: &str = "fixture_costly";
const NEWER: &str = "fixture_newer";
/// What only newer kernels let the second call.
const HELPER: &str = "bpf_get_current_pid_tgid";

/// Fails unless the oldest kernel refuses what it must, the newest does not, and the budget is enforced on both.
pub fn check(budget: &Budget, reports: &[Report]) -> Result<()> {
    let mut missing = Vec::new();
    for report in reports {
        let over = budget.problems(&report.kernel, &report.costs);
        for problem in &over {
            println!("{problem}");
        }
        if !over.iter().any(|problem| problem.contains(COSTLY)) {
            missing.push(format!("{}: {COSTLY} is within its budget", report.kernel));
        }
    }
    let refused = |report: &Report| {
        report.problems.iter().any(|problem| problem.contains(NEWER) && problem.contains(HELPER))
    };
    match reports {
        [oldest, .., newest] => {
            if !refused(oldest) {
                missing.push(format!("{}: {NEWER} is not refused, or nobody says why", oldest.kernel));
            }
            if newest.failed() {
                missing.push(format!("{}: more is refused than has to be", newest.kernel));
            }
        }
        _ => bail!("the fixtures take an old and a new kernel"),
    }
    if !missing.is_empty() {
        bail!("{}", missing.join("; "));
    }
    println!("\nAll that must be refused is refused.");
    Ok(())
}
