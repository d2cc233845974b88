//! A port that is taken.

use anyhow::{Context, Result};

use super::console::Console;
use super::stage::{Stage, WEB_PORT};
use super::web::{fetch_from, holds};
use crate::wait::{self, LIMIT};

/// The second container wants the first one's port: it gets it when that has given it up.
pub fn take(console: &mut Console, stage: &mut Stage) -> Result<()> {
    let (refused, growth) = stage.during(|| stage.app.serve(WEB_PORT)?.give_up())?;
    console.show("app", &format!("httpd -p {WEB_PORT}"), &refused.stderr);
    let in_use =
        refused.stderr.contains("Address already in use") || refused.stderr.contains("Address in use");
    console.check(
        "app is told that the address is in use (EADDRINUSE)",
        !refused.success() && in_use && growth.drops("app", "bind-conflict") == 1,
        format!("{refused:?}, {growth:?}"),
    );
    let event = stage.event("app", "bind-conflict")?;
    stage.show(console, &["events", "--last", "1"])?;
    console.check("the event says who holds the port", event["holder"] == "web", &event);
    fetch_from(console, "remote", stage.remote(), "web")?;

    let server = stage.server.take().context("web serves nothing")?;
    stage.web.end(server)?;
    console.show("web", "kill the server", "");
    wait::until_true("the port to be nobody's", LIMIT, || Ok(!holds(stage, "web")?))?;
    let server = stage.app.serve(WEB_PORT)?;
    console.show("app", &format!("httpd -p {WEB_PORT}"), "");
    wait::until_true("the port to be app's", LIMIT, || holds(stage, "app"))?;
    stage.show(console, &["ports", "list"])?;
    fetch_from(console, "remote", stage.remote(), "app")?;
    stage.app.end(server)
}
