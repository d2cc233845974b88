//! Command lines that make no sense.

use anyhow::Result;
use berth_tests::{SharedNode, privileged};

use crate::node::{USAGE, refuses};

#[test]
fn command_lines_that_make_no_sense() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    refuses(
        &node,
        &[
            ("frobnicate", USAGE, "unrecognized subcommand 'frobnicate'"),
            ("status --colour", USAGE, "unexpected argument '--colour'"),
            ("container show", USAGE, "<NAME>"),
            ("container add c --cgroup", USAGE, "--cgroup <PATH>"),
            ("container set a", USAGE, "nothing is to be changed about a"),
            ("container set a --mode open", USAGE, "invalid value 'open' for '--mode"),
            ("container set a --max-flows many", USAGE, "invalid value 'many' for '--max-flows"),
            ("container set a --max-flows -1", USAGE, "'-1'"),
            ("container set a --max-ports 4294967296", USAGE, "4294967296"),
            ("container set a --ports 0", USAGE, "0 is no port"),
            ("container set a --ports 90-80", USAGE, "ends before it begins"),
            ("container set a --ports 1,3,5,7,9,11,13,15,17", USAGE, "9 separate ranges are too many"),
            ("container set a --packet-sockets maybe", USAGE, "invalid value 'maybe'"),
            ("events --last some", USAGE, "invalid value 'some' for '--last"),
            ("status -q -v", USAGE, "cannot be used with"),
        ],
    )
}

#[test]
fn help_and_version_are_no_errors() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    for line in ["--help", "container add --help", "--version", "completions bash"] {
        let output = node.berth.run(line.split_whitespace())?;
        assert!(output.success() && output.stderr.is_empty(), "berth {line}: {output:?}");
        assert!(output.stdout.contains("berth"), "berth {line}: {output:?}");
    }
    Ok(())
}
