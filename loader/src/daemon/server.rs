//! Requests over the socket: JSON over HTTP/1.

use std::convert::Infallible;

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Query, State, rejection::JsonRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::{StreamExt as _, stream};
use log::error;
use serde::Deserialize;
use tokio::{
    net::UnixListener,
    sync::{broadcast, watch},
};

use super::keeper::Keeper;
use crate::api::{
    EVENTS_PATH, REQUEST_PATH,
    error::{ApiError, Code},
    event::Event,
    request::Request,
};

/// Bytes of the largest request: a text of a million entries for sets has less.
const LARGEST_REQUEST: usize = 64 << 20;

/// Serves requests until `stopped`, and ends those under way.
pub async fn run(listener: UnixListener, keeper: Keeper, stopped: watch::Receiver<bool>) {
    let mut ended = stopped.clone();
    let app = Router::new()
        .route(REQUEST_PATH, post(execute))
        .route(EVENTS_PATH, get(follow))
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .with_state(Shared { keeper, stopped });
    let served = axum::serve(listener, app).with_graceful_shutdown(async move {
        // An error means that nobody is left who could stop the daemon, which is a reason to stop as well.
        let _ = ended.wait_for(|stop| *stop).await;
    });
    if let Err(failure) = served.await {
        error!("requests are no longer served: {failure}");
    }
}

#[derive(Clone)]
struct Shared {
    keeper: Keeper,
    stopped: watch::Receiver<bool>,
}

async fn execute(State(shared): State<Shared>, request: Result<Json<Request>, JsonRejection>) -> Response {
    let answer = match request {
        Ok(Json(request)) => shared.keeper.execute(request).await,
        Err(rejection) => {
            let message = format!("the daemon does not understand the request; {}", rejection.body_text());
            Err(ApiError::new(Code::Usage, message))
        }
    };
    match answer {
        Ok(response) => Json(response).into_response(),
        Err(error) => refusal(error),
    }
}

/// Which events to begin with.
#[derive(Deserialize)]
struct Follow {
    #[serde(default)]
    last: usize,
}

/// One event a line, as they come, until the client or the daemon ends.
async fn follow(State(shared): State<Shared>, Query(query): Query<Follow>) -> Response {
    let (last, next) = shared.keeper.log().follow(query.last);
    let mut stopped = shared.stopped;
    let coming = stream::unfold(next, |mut next| async {
        let mut missed = 0;
        loop {
            match next.recv().await {
                Ok(event) => return Some((Event { suppressed: event.suppressed + missed, ..event }, next)),
                // Too slow to see them all: go on with the oldest there is, which tells how many there were.
                Err(broadcast::error::RecvError::Lagged(count)) => missed += count,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    let end = async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let lines = stream::iter(last)
        .chain(coming)
        .map(|event| Ok::<_, Infallible>(line(&event)))
        .take_until(Box::pin(end));
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(lines)).into_response()
}

fn line(event: &Event) -> Bytes {
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

async fn unknown() -> Response {
    let message = format!("there is nothing at this path; requests go to {REQUEST_PATH}");
    refusal(ApiError::new(Code::Usage, message))
}

fn refusal(error: ApiError) -> Response {
    let status = match error.code {
        Code::Failed => StatusCode::CONFLICT,
        Code::Usage => StatusCode::BAD_REQUEST,
        Code::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unsupported => StatusCode::FORBIDDEN,
        Code::Unverified => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, Json(error)).into_response()
}
