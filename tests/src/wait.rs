//! Waiting for something to become so, never for ever.

use std::io;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

/// How long anything here waits unless told otherwise.
pub const LIMIT: Duration = Duration::from_secs(5);

/// How many times as long as usual everything may take, where that is set: in emulated machines.
const PATIENCE: &str = "BERTH_PATIENCE";

/// `limit`, or a multiple of it where everything is slow.
pub fn patient(limit: Duration) -> Duration {
    static FACTOR: LazyLock<u32> =
        LazyLock::new(|| std::env::var(PATIENCE).ok().and_then(|factor| factor.parse().ok()).unwrap_or(1));
    limit.saturating_mul(*FACTOR)
}

/// Calls `probe` until it gives a value, for at most `limit`. `what` is what the failure says was waited for, and the
/// last error of `probe` follows it.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let limit = patient(limit);
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        let last = match probe() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => anyhow!("it was not so"),
            Err(error) => error,
        };
        if Instant::now() >= deadline {
            return Err(last).with_context(|| format!("waited {limit:?} for {what}"));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// As [`until`], for a condition without a value.
pub fn until_true(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<bool>) -> Result<()> {
    until(what, limit, || Ok(probe()?.then_some(())))
}

/// Calls again what was interrupted. The kernel does so by itself only for sockets without a time limit; of the
/// standard library's calls, those of `UdpSocket` and `Socket` do not.
pub fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_up_and_says_why() {
        let error = until_true("rain", Duration::from_millis(3), || Err(anyhow!("dry"))).unwrap_err();
        let limit = patient(Duration::from_millis(3));
        assert_eq!(format!("{error:#}"), format!("waited {limit:?} for rain: dry"));
    }

    #[test]
    fn returns_the_first_value() -> Result<()> {
        let mut calls = 0;
        let value = until("three", LIMIT, || {
            calls += 1;
            Ok((calls == 3).then_some(calls))
        })?;
        assert_eq!(value, 3);
        Ok(())
    }
}
