//! The page and its sessions, served to this machine.
//!
//! A message is a POST, and its answer the response: the page asks for each picture when it has
//! drawn the last, so that nothing needs to be pushed, work stops when a tab is closed, and a lost
//! connection has nothing to resume. On the loopback interface a round trip takes less than a
//! millisecond, which WebSockets would not make shorter. `axum` without default features is the
//! smallest kept crate that limits bodies and bears slow or broken peers.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::page;
use crate::reply::Reply;
use crate::session::Session;
use crate::setting::Setting;

/// The most sessions that are kept; the one that has been idle longest makes room.
const MOST_SESSIONS: usize = 8;
/// How long an idle session is kept.
const MOST_IDLE: Duration = Duration::from_secs(3600);
/// The longest message, in bytes: the longest table, and the rest of a setting.
const LONGEST_MESSAGE: usize = 4 << 20;
/// The longest that a request may train, in milliseconds.
const LONGEST_TRAINING: u64 = 1000;

/// What the requests share.
#[derive(Debug)]
struct Shared {
    /// What a browser may call this server.
    hosts: [String; 2],
    /// The setting that a page begins with.
    start: Setting,
    sessions: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    session: Arc<Mutex<Session>>,
    used: Instant,
}

/// How long to train before a message is answered, and whether a session may be begun for it.
#[derive(Debug, Deserialize)]
struct Training {
    #[serde(default)]
    steps: u64,
    #[serde(default)]
    milliseconds: u64,
    #[serde(default)]
    begin: bool,
}

/// Serves the page on 127.0.0.1 until the process ends. `ready` is called with the address.
///
/// # Errors
///
/// If the port cannot be listened on.
pub fn serve(port: u16, start: Setting, ready: impl FnOnce(SocketAddr)) -> std::io::Result<()> {
    // One thread for the engine, however many tabs are open, and one for the connections.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().map_err(std::io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .max_blocking_threads(1)
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        ready(address);
        axum::serve(listener, router(address, start)).await
    })
}

fn router(address: SocketAddr, start: Setting) -> Router {
    let hosts = [format!("127.0.0.1:{}", address.port()), format!("localhost:{}", address.port())];
    let shared = Arc::new(Shared { hosts, start, sessions: Mutex::default() });
    Router::new()
        .route("/start", get(start_setting))
        .route("/session/{id}", post(message))
        .fallback(get(file))
        .layer(DefaultBodyLimit::max(LONGEST_MESSAGE))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), only_own_pages))
        .with_state(shared)
}

/// Refuses what does not come from a page of this server: other sites that a browser shows at the
/// same time, and names that lead here by a forged address.
async fn only_own_pages(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    if !shared.is_own(request.headers()) {
        return (StatusCode::FORBIDDEN, "this server answers its own page only\n").into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        (
            "content-security-policy",
            "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, value.parse().expect("a constant that is a header's value"));
    }
    response
}

async fn file(uri: Uri) -> Response {
    match page::file(uri.path()) {
        Some((kind, text)) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    }
}

async fn start_setting(State(shared): State<Arc<Shared>>) -> Response {
    let text = serde_json::to_string(&shared.start).expect("a setting is plain data");
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn message(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(training): Query<Training>,
    headers: HeaderMap,
    text: String,
) -> Response {
    // A form of another site could be sent without asking; this kind of content cannot.
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a message is application/json");
    }
    if !(8..=64).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return refusal(
            StatusCode::BAD_REQUEST,
            "a session is named by 8 to 64 letters and digits",
        );
    }
    let Some(session) = shared.session(&id, training.begin) else {
        return refusal(StatusCode::NOT_FOUND, "there is no such session");
    };
    let work = move || {
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = Duration::from_millis(training.milliseconds.min(LONGEST_TRAINING));
        let start = Instant::now();
        for _ in 0..training.steps {
            if start.elapsed() >= longest || session.advance(1) == 0 {
                break;
            }
        }
        session.handle(&text).into_bytes()
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        Err(_) => {
            // What a panic has left behind is not to be gone on with.
            shared.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "the engine has failed; the run is lost")
        }
    }
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Reply::error(message).into_bytes()).into_response()
}

impl Shared {
    fn is_own(&self, headers: &HeaderMap) -> bool {
        let is_own = |host: &str| self.hosts.iter().any(|own| own == host);
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
        let origin = text(header::ORIGIN);
        text(header::HOST).is_some_and(is_own)
            && origin.is_none_or(|origin| origin.strip_prefix("http://").is_some_and(is_own))
    }

    fn session(&self, id: &str, begin: bool) -> Option<Arc<Mutex<Session>>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        sessions.retain(|_, kept| now - kept.used < MOST_IDLE);
        if let Some(kept) = sessions.get_mut(id) {
            kept.used = now;
            return Some(Arc::clone(&kept.session));
        }
        if !begin {
            return None;
        }
        if sessions.len() >= MOST_SESSIONS {
            let idle = sessions.iter().min_by_key(|(_, kept)| kept.used);
            let idle = idle.map(|(id, _)| id.clone()).expect("there are sessions");
            sessions.remove(&idle);
        }
        let session = Arc::new(Mutex::new(Session::new()));
        sessions.insert(id.to_owned(), Kept { session: Arc::clone(&session), used: now });
        Some(session)
    }
}
