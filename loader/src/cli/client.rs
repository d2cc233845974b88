//! Getting a request carried out: by the daemon, or in this process if there is none.

use std::{
    io,
    os::unix::net::UnixStream,
    thread::sleep,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Response as Answer,
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use tokio::runtime::Runtime;

use crate::{
    api::{
        EVENTS_PATH, REQUEST_PATH,
        error::{ApiError, Code},
        event::Event,
        request::Request,
        response::Response,
        status,
    },
    containers::{ContainersError, Host},
    control::{Kernel, Pinned},
    node::{Lock, LockError, Node, NodeError, Paths, Purpose},
};

/// How long to wait for another berth to be done: one that comes up has the programs verified, which takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often to look whether it is.
const STEP: Duration = Duration::from_millis(50);

/// Who carries out requests.
pub enum Server {
    /// The daemon.
    Daemon(UnixStream),
    /// Nobody; with this, we may.
    Nobody(Lock),
}

/// Carries out a request: asks the daemon, or does it here on what is pinned.
pub fn execute(paths: &Paths, request: Request) -> Result<Response, ApiError> {
    if let Some(stream) = connect(paths)? {
        return ask(stream, &request);
    }
    check_up(paths)?;
    match server(paths)? {
        Server::Daemon(stream) => ask(stream, &request),
        Server::Nobody(_lock) => {
            let mut node = Node::open(paths, &Purpose::Request)?;
            let nobody = status::Daemon { running: false, pid: None, since: None, problem: None };
            Ok(node.execute(request, &nobody)?)
        }
    }
}

/// Says that nothing is in force, if that is so.
fn check_up(paths: &Paths) -> Result<(), NodeError> {
    // Without privileges, nobody can see what is pinned.
    check_host()?;
    if Kernel::pinned(&paths.pin_dir)? == Pinned::Nothing {
        let (socket, pin_dir) = (paths.socket(), paths.pin_dir.clone());
        return Err(NodeError::NotUp { socket, pin_dir });
    }
    Ok(())
}

/// Says that berth cannot work here, or not with our privileges, if that is so.
pub fn check_host() -> Result<(), NodeError> {
    Host::check()?;
    Ok(())
}

/// Says that our privileges are not enough, if that is so. What else the node may lack does not matter for ending
/// enforcement.
pub fn check_privilege() -> Result<(), NodeError> {
    match Host::check() {
        Err(error @ ContainersError::NoPrivilege { .. }) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Finds out who carries out requests; waits a while for somebody who is at work.
pub fn server(paths: &Paths) -> Result<Server, ApiError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(stream) = connect(paths)? {
            return Ok(Server::Daemon(stream));
        }
        match Lock::try_take(paths) {
            Ok(lock) => return Ok(Server::Nobody(lock)),
            Err(LockError::Busy(_)) if Instant::now() < deadline => sleep(STEP),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until nobody has the node in care any more.
pub fn alone(paths: &Paths) -> Result<Lock, ApiError> {
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        match Lock::try_take(paths) {
            Ok(lock) => return Ok(lock),
            Err(LockError::Busy(_)) if Instant::now() < deadline => sleep(STEP),
            Err(error) => return Err(error.into()),
        }
    }
}

fn connect(paths: &Paths) -> Result<Option<UnixStream>, ApiError> {
    let path = paths.socket();
    match UnixStream::connect(&path) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
            kind => {
                let denied = kind == io::ErrorKind::PermissionDenied;
                let code = if denied { Code::Unsupported } else { Code::Unreachable };
                let advice = if denied { "; run it as root" } else { "" };
                let path = path.display();
                Err(ApiError::new(code, format!("cannot ask the daemon at {path}; {error}{advice}")))
            }
        },
    }
}

/// Has the daemon carry out a request.
pub fn ask(stream: UnixStream, request: &Request) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(request).map_err(|error| lost(&error))?;
    runtime()?.block_on(async {
        let mut sender = converse(stream).await?;
        let request = hyper::Request::post(REQUEST_PATH)
            .header(header::HOST, "berth")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| lost(&error))?;
        let answer = sender.send_request(request).await.map_err(|error| lost(&error))?;
        let accepted = answer.status().is_success();
        let body = answer.into_body().collect().await.map_err(|error| lost(&error))?.to_bytes();
        if accepted {
            serde_json::from_slice(&body).map_err(|error| lost(&error))
        } else {
            Err(refusal(&body))
        }
    })
}

/// Hands each of the latest events, then each event as it comes, to `take`, until the daemon ends.
pub fn follow(
    stream: UnixStream,
    last: usize,
    mut take: impl FnMut(Event) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    runtime()?.block_on(async {
        let mut sender = converse(stream).await?;
        let request = hyper::Request::get(format!("{EVENTS_PATH}?last={last}"))
            .header(header::HOST, "berth")
            .body(Full::new(Bytes::new()))
            .map_err(|error| lost(&error))?;
        let mut answer = sender.send_request(request).await.map_err(|error| lost(&error))?;
        if !answer.status().is_success() {
            let body = answer.into_body().collect().await.map_err(|error| lost(&error))?;
            return Err(refusal(&body.to_bytes()));
        }
        let mut rest = Vec::new();
        while let Some(bytes) = next(&mut answer).await? {
            rest.extend_from_slice(&bytes);
            while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                let line: Vec<_> = rest.drain(..=end).collect();
                take(serde_json::from_slice(&line).map_err(|error| lost(&error))?)?;
            }
        }
        Ok(())
    })
}

async fn next(answer: &mut Answer<Incoming>) -> Result<Option<Bytes>, ApiError> {
    while let Some(frame) = answer.frame().await {
        if let Ok(bytes) = frame.map_err(|error| lost(&error))?.into_data() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

async fn converse(stream: UnixStream) -> Result<SendRequest<Full<Bytes>>, ApiError> {
    stream.set_nonblocking(true).map_err(|error| lost(&error))?;
    let stream = tokio::net::UnixStream::from_std(stream).map_err(|error| lost(&error))?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
    tokio::spawn(connection);
    Ok(sender)
}

fn runtime() -> Result<Runtime, ApiError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ApiError::new(Code::Failed, format!("cannot start; {error}")))
}

fn refusal(body: &[u8]) -> ApiError {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(body);
        ApiError::new(Code::Failed, format!("the daemon answered {text:?}; is it another version?"))
    })
}

fn lost(error: &dyn std::error::Error) -> ApiError {
    let message = format!("the daemon broke off; {error}; its log tells why");
    ApiError::new(Code::Unreachable, message)
}
