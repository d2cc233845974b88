//! iperf3, a measure that others know.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::process::{Process, ok};
use crate::wait::{self, LIMIT};

/// A server for one test after another, at this port of all addresses.
pub fn server(endpoint: &dyn Endpoint, port: u16) -> Result<Process> {
    let server = Process::spawn(endpoint.command("iperf3")?.args(["-s", "-p", &port.to_string()]))?;
    listens(endpoint, port)?;
    Ok(server)
}

/// Waits until a server listens, which it does not between two tests.
pub fn listens(endpoint: &dyn Endpoint, port: u16) -> Result<()> {
    let socket = format!("sport = :{port}");
    wait::until_true("iperf3 to listen", LIMIT, || {
        Ok(!ok(endpoint.command("ss")?.args(["-Hltn", &socket]))?.is_empty())
    })
}

/// A test that begins now, of a server.
pub fn client(endpoint: &dyn Endpoint, (address, port): (IpAddr, u16), more: &[&str]) -> Result<Process> {
    let (address, port) = (address.to_string(), port.to_string());
    Process::spawn(endpoint.command("iperf3")?.args(["-J", "-c", &address, "-p", &port]).args(more))
}

/// What a test has come to, which has to end well within this time.
pub fn report(client: Process, limit: Duration) -> Result<Value> {
    let output = client.wait(limit)?;
    ensure!(output.success(), "{output:?}");
    serde_json::from_str(&output.stdout).with_context(|| output.stdout.clone())
}

/// How many bytes have been received by each stream at the other end.
pub fn received_by_each(report: &Value) -> Result<Vec<u64>> {
    let streams = report["end"]["streams"].as_array().context("no streams in iperf3's report")?;
    let bytes = streams.iter().map(|stream| stream["receiver"]["bytes"].as_u64());
    bytes.collect::<Option<_>>().context("a stream without a receiver")
}

/// How many bytes have been received at the other end.
pub fn received(report: &Value) -> Result<u64> {
    report["end"]["sum_received"]["bytes"].as_u64().context("no sum in iperf3's report")
}
