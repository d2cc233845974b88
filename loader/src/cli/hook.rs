//! `berth hook`: what runtimes call.

use std::{
    env,
    io::{self, Read},
};

use clap::Subcommand;
use serde::Deserialize;

use crate::api::{
    error::{ApiError, Code},
    request::Request,
};

/// Most of a container's state that is read: a few hundred bytes, and what its annotations take.
const MOST_STATE: u64 = 1 << 20;

/// What runtimes call.
#[derive(Subcommand, Debug)]
pub enum HookCommand {
    /// LXC calls this as `lxc.net.N.script.up = berth hook lxc`, with what it has made
    ///
    /// The container that `--lxc` names comes into force on that interface before anything runs in it. If that fails, LXC does not
    /// start it. A container that is not berth's starts as ever.
    Lxc {
        /// Name, section, `up`, kind of interface, bridge, interface: as LXC has them. With lxc.hook.version = 1 the first three are in
        /// the environment
        #[arg(value_name = "LXC'S ARGUMENTS", trailing_var_arg = true)]
        arguments: Vec<String>,
    },
    /// OCI runtimes (runc, crun) call this as a `createRuntime` hook, with the container's state on standard input
    ///
    /// The container that `--podman` or `--docker` names comes into force before anything runs in it. If that fails, the runtime does
    /// not start it. A container that is not berth's starts as ever.
    Oci,
}

impl HookCommand {
    /// What is asked.
    pub fn request(self) -> Result<Request, ApiError> {
        match self {
            Self::Lxc { arguments } => announced(&arguments, |name| env::var(name).ok()),
            Self::Oci => created(io::stdin().lock()),
        }
    }
}

/// A container's state (OCI runtime specification 1.0, runtime.md, "State"), of which this is used.
#[derive(Deserialize)]
struct State {
    id: String,
    pid: u32,
}

fn created(state: impl Read) -> Result<Request, ApiError> {
    let refused = |why: String| {
        let advice = "have an OCI runtime call this as a createRuntime hook";
        ApiError::new(Code::Usage, format!("standard input is not the state of a container, {why}; {advice}"))
    };
    match serde_json::from_reader(state.take(MOST_STATE)) {
        Ok(State { id, pid }) if !id.is_empty() && pid != 0 => Ok(Request::AnnounceProcess { oci: id, pid }),
        Ok(_) => Err(refused("as it names no container or no process".to_owned())),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// As lxc.container.conf(5) has it: by lxc.hook.version 0 name, section and event come before the rest; by version 1 they are in the
/// environment.
fn announced(arguments: &[String], variable: impl Fn(&str) -> Option<String>) -> Result<Request, ApiError> {
    let is = |name: &str, value: &str| variable(name).is_some_and(|found| found == value);
    let (lxc, rest) = match arguments {
        [name, section, event, rest @ ..] if section == "net" && event == "up" => (Some(name.clone()), rest),
        rest if is("LXC_HOOK_SECTION", "net") && is("LXC_HOOK_TYPE", "up") => (variable("LXC_NAME"), rest),
        _ => (None, arguments),
    };
    let interface = match rest {
        [kind, .., interface] if kind == "veth" => Some(interface.clone()),
        _ => None,
    };
    match (lxc, interface) {
        (Some(lxc), Some(interface)) => Ok(Request::Announce { lxc, interface }),
        _ => Err(ApiError::new(
            Code::Usage,
            "LXC has not told which veth of which container is up; have it call this as lxc.net.N.script.up of a veth",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str, environment: &[(&str, &str)]) -> Option<Request> {
        let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let variable = |name: &str| {
            environment.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        announced(&arguments, variable).ok()
    }

    #[test]
    fn oci_runtimes_tell_on_standard_input() {
        let text = r#"{"ociVersion":"1.0.2","id":"3f4e","status":"created","pid":712,"bundle":"/b","annotations":{"a":"b"}}"#;
        let expected = Request::AnnounceProcess { oci: "3f4e".to_owned(), pid: 712 };
        assert_eq!(created(text.as_bytes()).unwrap(), expected);
        for text in ["", "{}", r#"{"id":"3f4e"}"#, r#"{"id":"","pid":1}"#, r#"{"id":"a","pid":0}"#] {
            let error = created(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("createRuntime"), "{text}: {error}");
        }
    }

    #[test]
    fn lxc_tells_by_arguments_or_in_the_environment() {
        let expected = Some(Request::Announce { lxc: "web".to_owned(), interface: "vethA".to_owned() });
        let environment = [("LXC_NAME", "web"), ("LXC_HOOK_SECTION", "net"), ("LXC_HOOK_TYPE", "up")];
        assert_eq!(asked("web net up veth br0 vethA", &[]), expected);
        // Without a bridge.
        assert_eq!(asked("web net up veth vethA", &[]), expected);
        assert_eq!(asked("veth br0 vethA", &environment), expected);
        for (line, environment) in [
            ("", &[][..]),
            ("", &environment[..]),
            ("veth br0 vethA", &[("LXC_NAME", "web")]),
            ("web net down veth br0 vethA", &[]),
            ("web net up veth", &[]),
            // What it names here is the parent.
            ("web net up macvlan eth1", &[]),
            ("macvlan eth1", &environment),
        ] {
            assert_eq!(asked(line, environment), None, "{line}");
        }
    }
}
