//! The metadata server and every token endpoint that a credentials file can name, at one address.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::authority::Authority;

/// The token of each endpoint, which contains [`SECRET`].
pub(crate) const METADATA_TOKEN: &str = "metadata-hush";
pub(crate) const USER_TOKEN: &str = "user-hush";
pub(crate) const FEDERATED_TOKEN: &str = "federated-hush";
pub(crate) const IMPERSONATED_TOKEN: &str = "impersonated-hush";

/// A mark that every secret contains, except the private key and the tokens that a client signs with that key. No other text
/// contains it.
pub(crate) const SECRET: &str = "hush";

pub(crate) const METADATA: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
pub(crate) const UNIVERSE: &str = "/computeMetadata/v1/universe/universe-domain";
pub(crate) const TOKEN: &str = "/token";
pub(crate) const STS: &str = "/sts";
pub(crate) const IAM: &str =
    "/v1/projects/-/serviceAccounts/target@p.iam.gserviceaccount.com:generateAccessToken";
pub(crate) const SUBJECT_TEXT: &str = "/subject/text";
pub(crate) const SUBJECT_JSON: &str = "/subject/json";
pub(crate) const AWS_SESSION: &str = "/aws/session";
pub(crate) const AWS_REGION: &str = "/aws/region";
pub(crate) const AWS_ROLE: &str = "/aws/role";
pub(crate) const AWS_KEYS: &str = "/aws/role/reader";

/// A request to a token endpoint.
#[derive(Clone, Debug)]
pub(crate) struct TokenRequest {
    pub(crate) path: String,
    /// The scopes, separated by spaces.
    pub(crate) scope: String,
    /// The token in `authorization`.
    pub(crate) bearer: String,
    /// The subject token of a token exchange.
    pub(crate) subject: String,
}

/// The answer of an endpoint instead of a token.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// This status, media type and body.
    Page(u16, &'static str, &'static str),
    /// Accepts the request and never answers.
    Silence,
    /// A token that has expired already.
    Expired,
}

/// The fault of the first `times` requests to `path`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) path: &'static str,
    pub(crate) answer: Answer,
    pub(crate) times: usize,
}

#[derive(Debug)]
struct State {
    fault: Option<Fault>,
    requests: Vec<TokenRequest>,
}

/// A running server. Dropping it closes it.
pub(crate) struct TokenServer {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl TokenServer {
    /// Starts a server, over TLS if there is an authority.
    pub(crate) async fn start(fault: Option<Fault>, authority: Option<&Authority>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let acceptor = authority.map(|authority| authority.acceptor("http/1.1"));
        let requests = Vec::new();
        let state = Arc::new(Mutex::new(State { fault, requests }));
        let shared = Arc::clone(&state);
        let url = match authority {
            Some(_) => format!("https://localhost:{port}"),
            None => format!("http://127.0.0.1:{port}"),
        };
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, state).await,
                        // A client that does not trust the certificate closes the connection.
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, state).await;
                            }
                        }
                    }
                });
            }
        });
        Self { url, state, task }
    }

    /// The requests to all endpoints, in order.
    pub(crate) fn requests(&self) -> Vec<TokenRequest> {
        let state = self.state.lock().expect("not poisoned");
        state.requests.clone()
    }

    /// Returns the number of further requests that will be answered with the fault.
    pub(crate) fn faults_left(&self) -> usize {
        let state = self.state.lock().expect("not poisoned");
        state.fault.map_or(0, |fault| fault.times)
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<Mutex<State>>) {
    let answer = service_fn(|request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(answer(request, &state).await) }
    });
    // A client may close its connection.
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await
        .ok();
}

async fn answer(request: Request<Incoming>, state: &Mutex<State>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    let body = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default();
    let fault = {
        let mut state = state.lock().expect("not poisoned");
        let request = received(&path, query, &parts.headers, &body);
        state.requests.push(request);
        state.fault.as_mut().and_then(|fault| fault.next(&path))
    };
    match fault {
        None => reply(&path, &parts.headers, Duration::from_secs(3600)),
        Some(Answer::Expired) => reply(&path, &parts.headers, Duration::ZERO),
        Some(Answer::Page(status, media, text)) => page(status, media, text.to_owned()),
        Some(Answer::Silence) => std::future::pending().await,
    }
}

impl Fault {
    fn next(&mut self, path: &str) -> Option<Answer> {
        if path != self.path || self.times == 0 {
            return None;
        }
        self.times -= 1;
        Some(self.answer)
    }
}

fn received(path: &str, query: &str, headers: &HeaderMap, body: &str) -> TokenRequest {
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let field = |name| form_field(query, name).or_else(|| form_field(body, name));
    let scope = match (&json["scope"], &json["scopes"]) {
        (Value::Array(scopes), _) => scopes
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" "),
        (_, Value::String(scopes)) => scopes.clone(),
        _ => field("scope")
            .or_else(|| field("scopes"))
            .unwrap_or_default(),
    };
    let authorization = headers.get(header::AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    TokenRequest {
        path: path.to_owned(),
        scope,
        bearer: authorization
            .and_then(|value| value.strip_prefix("Bearer "))
            .unwrap_or_default()
            .to_owned(),
        subject: field("subject_token").unwrap_or_default(),
    }
}

/// Returns the decoded value of a field of a form or a query.
fn form_field(form: &str, name: &str) -> Option<String> {
    let fields = form.split('&').filter_map(|field| field.split_once('='));
    let (_, value) = fields.into_iter().find(|(key, _)| *key == name)?;
    let value = value.replace('+', " ");
    Some(percent_decode_str(&value).decode_utf8_lossy().into_owned())
}

/// Returns the response of a healthy endpoint; `life` is the validity of the token.
fn reply(path: &str, headers: &HeaderMap, life: Duration) -> Response<Full<Bytes>> {
    let text = |text: &str| page(200, "text/plain", text.to_owned());
    let seconds = life.as_secs();
    let bearer =
        |token| json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"});
    let body = match path {
        METADATA if headers.contains_key("metadata-flavor") => bearer(METADATA_TOKEN),
        UNIVERSE => return text("googleapis.com"),
        TOKEN => bearer(USER_TOKEN),
        STS => {
            let mut body = bearer(FEDERATED_TOKEN);
            body["issued_token_type"] = json!("urn:ietf:params:oauth:token-type:access_token");
            body
        }
        IAM => json!({"accessToken": IMPERSONATED_TOKEN, "expireTime": expiry(life)}),
        SUBJECT_TEXT => return text("subject-hush"),
        SUBJECT_JSON => json!({"subject": "subject-hush"}),
        AWS_SESSION => return text("session-hush"),
        AWS_REGION => return text("us-east-1b"),
        AWS_ROLE => return text("reader"),
        AWS_KEYS => json!({
            "AccessKeyId": "id-of-the-key",
            "SecretAccessKey": "aws-hush",
            "Token": "aws-session-hush",
        }),
        _ => return page(404, "text/plain", format!("no such path: {path}")),
    };
    page(200, "application/json", body.to_string())
}

/// Returns the time at which a token expires, in RFC 3339.
fn expiry(life: Duration) -> String {
    match life.is_zero() {
        true => "2020-01-01T00:00:00Z".to_owned(),
        false => {
            let time = prost_types::Timestamp::from(SystemTime::now() + life);
            time.to_string()
        }
    }
}

fn page(status: u16, media: &str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::from_u16(status).expect("an HTTP status");
    let media = media.parse().expect("a media type");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
