//! The demonstration: real containers on one address, real traffic, and what berth says of it.
//!
//! Everything it shows it also checks. It runs as two processes: one that acts, and one that waits for the other's end
//! and clears up after it, however that end came.

mod account;
mod binds;
mod console;
mod dns;
mod echoes;
mod guest;
mod names;
mod raw;
mod routes;
mod stage;
mod supervisor;
mod thief;
mod web;

use std::process::ExitCode;

use anyhow::Result;

use console::Console;
use stage::Stage;

/// The argument that makes a process the one that acts. Not for people.
const ACT: &str = "act";
/// Has plain cgroups stand for containers even where LXC is installed.
const PLAIN: &str = "--plain";

const USAGE: &str = "usage: berth-demo [--plain]\n  --plain  plain cgroups instead of LXC containers";

/// A part of the demonstration.
type Act = fn(&mut Console, &mut Stage) -> Result<()>;

/// The program.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [ACT] => act(false),
        [ACT, PLAIN] => act(true),
        [] => supervisor::main(&[ACT]),
        [PLAIN] => supervisor::main(&[ACT, PLAIN]),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn act(plain: bool) -> ExitCode {
    let mut console = Console::new();
    if let Err(error) = play(&mut console, plain) {
        console.fail(&error);
    }
    console.finish()
}

/// The acts, in order. One that fails does not keep the next ones from being played.
fn play(console: &mut Console, plain: bool) -> Result<()> {
    let mut stage = Stage::set(console, plain)?;
    let acts: [(&str, Act); 10] = [
        ("A server in one container, a client far away", web::serve),
        ("Clients in both containers, to one server", web::fetch),
        ("UDP: both ask a name server, at once", names::resolve),
        ("Both ping, at once", echoes::ping),
        ("Two pings that cannot be told apart", echoes::clash),
        ("Both trace a route, at once: errors come back to who caused them", routes::trace),
        ("Raw sockets see their own container's packets only", raw::listen),
        ("One container tries to speak for the other, and for the host", thief::forge),
        ("One container tries to take the other's port", binds::take),
        ("The account: who owned what, what was refused and why", account::settle),
    ];
    for (title, act) in acts {
        console.act(title);
        if let Err(error) = act(console, &mut stage) {
            console.fail(&error);
        }
    }
    console.act("Nothing stays behind");
    account::close(console, stage)
}
