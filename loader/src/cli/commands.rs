//! Carrying out commands.

use std::io::{self, IsTerminal as _};

use clap::CommandFactory as _;

use super::{
    arguments::{Arguments, Command, Events, FlowsCommand, FlowsTop},
    client::{self, Server},
    output::Output,
    views,
};
use crate::{
    api::{
        error::{ApiError, Code},
        request::Request,
        response::Response,
    },
    daemon, doctor,
    node::{Lock, Node, NodeError, Paths, Purpose, take_down},
};

/// Carries out a command.
pub fn run(arguments: Arguments, output: &Output) -> Result<(), ApiError> {
    let paths = arguments.options.paths();
    let counters = arguments.options.verbose > 0;
    let (request, json) = match arguments.command {
        Command::Daemon(start) => return daemon::run(&paths, &start.purpose(true), free(&paths)?),
        Command::Up(start) => return up(&paths, &start.purpose(false)),
        Command::Down => return down(&paths),
        Command::Doctor(json) => return doctor(&paths, json.json, output),
        Command::Events(events) if events.follow => return follow(&paths, &events, output),
        Command::Flows(FlowsCommand::Top(top)) => return watch(&paths, &top, output),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "berth", &mut io::stdout());
            return Ok(());
        }
        Command::Container(command) => command.request(),
        Command::Hook(command) => (command.request()?, false),
        Command::Rules(command) => command.request()?,
        Command::Set(command) => command.request()?,
        Command::Features { name, json } => (Request::Features { name }, json.json),
        Command::Ports(command) => command.request(),
        Command::Publish(command) => command.request(),
        Command::Flows(command) => command.request(),
        Command::Status(json) => (Request::Status, json.json),
        Command::Events(events) => (Request::Events { last: events.last }, events.json.json),
    };
    match client::execute(&paths, request)? {
        Response::Done { notes } => notes.iter().try_for_each(|note| output.note(note)),
        answer => views::show(&answer, (json, counters), output),
    }
}

fn up(paths: &Paths, purpose: &Purpose) -> Result<(), ApiError> {
    let lock = free(paths)?;
    let node = Node::open(paths, purpose)?;
    let problem = node.problem().map(|problem| ApiError::new(Code::Failed, problem));
    drop((node, lock));
    problem.map_or(Ok(()), Err)
}

fn down(paths: &Paths) -> Result<(), ApiError> {
    client::check_privilege()?;
    let lock = match client::server(paths)? {
        Server::Nobody(lock) => lock,
        Server::Daemon(stream) => {
            client::ask(stream, &Request::Shutdown)?;
            client::alone(paths)?
        }
    };
    take_down(paths)?;
    drop(lock);
    Ok(())
}

fn doctor(paths: &Paths, json: bool, output: &Output) -> Result<(), ApiError> {
    let report = doctor::examine(paths)?;
    views::doctor(&report, json, output)?;
    match doctor::verdict(&report) {
        Ok(_) => Ok(()),
        Err(obstacles) => Err(ApiError::new(Code::Unsupported, obstacles)),
    }
}

fn follow(paths: &Paths, events: &Events, output: &Output) -> Result<(), ApiError> {
    match client::server(paths)? {
        Server::Nobody(_) => Err(NodeError::NeedsDaemon("events are passed on by the daemon").into()),
        Server::Daemon(stream) => {
            client::follow(stream, events.last, |event| views::event(&event, events.json.json, output))
        }
    }
}

fn watch(paths: &Paths, top: &FlowsTop, output: &Output) -> Result<(), ApiError> {
    let is_terminal = io::stdout().is_terminal() && !top.json.json;
    let count = top.count.unwrap_or(if is_terminal { u64::MAX } else { 1 });
    for _ in 0..count {
        let answer = client::execute(paths, Request::FlowsTop(top.watched()))?;
        if is_terminal {
            output.clear()?;
        }
        views::show(&answer, (top.json.json, false), output)?;
    }
    Ok(())
}

/// The lock, if no daemon is running.
fn free(paths: &Paths) -> Result<Lock, ApiError> {
    client::check_host()?;
    match client::server(paths)? {
        Server::Nobody(lock) => Ok(lock),
        Server::Daemon(_) => {
            let socket = paths.socket();
            let message = format!(
                "a berth daemon is running already ({} answers); stop it first, or give other directories for another instance",
                socket.display()
            );
            Err(ApiError::new(Code::Failed, message))
        }
    }
}
