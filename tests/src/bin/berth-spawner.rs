//! Makes sockets in the cgroup and the network namespace it was started in, for the process at the other end of its
//! standard input.

use std::io;
use std::os::fd::AsFd;

fn main() -> io::Result<()> {
    berth_tests::spawner::serve(io::stdin().as_fd())
}
