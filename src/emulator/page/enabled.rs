//! Serves the page: HTML, CSS and ES modules that are part of the binary.
//!
//! The page reads the admin service over HTTP/JSON, as every other client can. The page is at `/` for clients that accept
//! `text/html`, and its files are below `/ui/`. All other requests go to the inner service.

use std::future::{Ready, ready};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::Either;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::json;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::call::{GrpcRequest, GrpcResponse};
use crate::contract::{self, Body as HttpBody};
use crate::emulator::faults;

/// Path of the page.
const ROOT: &str = "/";
/// Folder of the files of the page.
const FOLDER: &str = "/ui/";

/// The headers of every response. The page has scripts and styles from its own origin only, cannot be framed, and cannot
/// parse text as HTML (Trusted Types).
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    // Browsers check for a new version at each load, so that they never mix the files of two versions.
    (header::CACHE_CONTROL, "no-cache"),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

macro_rules! file {
    ($name:literal, $media:expr) => {
        (
            concat!("/ui/", $name),
            $media,
            include_str!(concat!("assets/", $name)),
        )
    };
}

/// The files, each with its path and media type.
const FILES: &[(&str, &str, &str)] = &[
    (ROOT, HTML, include_str!("assets/index.html")),
    file!("app.css", CSS),
    file!("api.js", SCRIPT),
    file!("calls.js", SCRIPT),
    file!("copy.js", SCRIPT),
    file!("detail.js", SCRIPT),
    file!("dom.js", SCRIPT),
    file!("faults.js", SCRIPT),
    file!("main.js", SCRIPT),
    file!("operations.js", SCRIPT),
    file!("store.js", SCRIPT),
    file!("text.js", SCRIPT),
    file!("theme.js", SCRIPT),
    file!("tree.js", SCRIPT),
];

/// The files, and the table of methods.
static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let files = FILES.iter();
    let files = files
        .map(|(path, media, text)| Asset::new(path, media, Bytes::from_static(text.as_bytes())));
    files
        .chain([Asset::new("/ui/methods.json", JSON, methods().into())])
        .collect()
});

/// A file of the page.
#[derive(Debug)]
struct Asset {
    path: &'static str,
    media: &'static str,
    etag: HeaderValue,
    content: Bytes,
}

impl Asset {
    fn new(path: &'static str, media: &'static str, content: Bytes) -> Self {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        let etag = format!("\"{}-{:016x}\"", env!("CARGO_PKG_VERSION"), hasher.finish());
        Self {
            path,
            media,
            etag: etag.parse().expect("visible ASCII characters"),
            content,
        }
    }
}

/// Returns the methods of the contract as JSON, each with its first HTTP rule, or null, and the faults that can occur.
fn methods() -> String {
    let methods = contract::Method::all().iter();
    let methods = methods.map(|method| {
        let rule = method.http.first();
        let body = rule.and_then(|rule| match rule.body() {
            HttpBody::None => None,
            HttpBody::All => Some("*"),
            HttpBody::Field(field) => Some(field),
        });
        json!({
            "name": method.name,
            "service": method.service,
            "verb": rule.map(contract::HttpRule::verb),
            "template": rule.map(contract::HttpRule::template),
            "body": body,
            "output": method.output,
            "effects": faults::effects(method),
        })
    });
    serde_json::Value::from_iter(methods).to_string()
}

/// Returns true if a request is for the page or one of its files.
pub(crate) fn is_page_request<B>(request: &Request<B>) -> bool {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    is_read
        && match request.uri().path() {
            ROOT => accepts_html(request.headers()),
            path => path.starts_with(FOLDER),
        }
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let media = range.split(';').next().unwrap_or_default();
            media.trim().eq_ignore_ascii_case("text/html")
        })
}

/// Puts the page before a service.
#[derive(Clone, Debug)]
pub(crate) struct PageLayer {
    is_served: bool,
}

impl PageLayer {
    pub(crate) fn new(is_served: bool) -> Self {
        Self { is_served }
    }
}

impl<S> Layer<S> for PageLayer {
    type Service = Page<S>;

    fn layer(&self, inner: S) -> Page<S> {
        Page {
            inner,
            is_served: self.is_served,
        }
    }
}

/// Answers the requests for the page.
#[derive(Clone, Debug)]
pub(crate) struct Page<S> {
    inner: S,
    is_served: bool,
}

impl<S> Service<GrpcRequest> for Page<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse>,
{
    type Response = GrpcResponse;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<GrpcResponse, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        if self.is_served && is_page_request(&request) {
            Either::Right(ready(Ok(respond(&request))))
        } else {
            Either::Left(self.inner.call(request))
        }
    }
}

/// Returns the file that a request is for, 304 if the client has it, or 404.
fn respond<B>(request: &Request<B>) -> GrpcResponse {
    let path = request.uri().path();
    let Some(asset) = ASSETS.iter().find(|asset| asset.path == path) else {
        return response(
            StatusCode::NOT_FOUND,
            "text/plain",
            Bytes::from_static(b"no such file of the page\n"),
        );
    };
    let mut response = if has_tag(request.headers(), &asset.etag) {
        response(StatusCode::NOT_MODIFIED, asset.media, Bytes::new())
    } else {
        response(StatusCode::OK, asset.media, asset.content.clone())
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, asset.etag.clone());
    if asset.path == ROOT {
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    }
    response
}

fn response(status: StatusCode, media: &'static str, content: Bytes) -> GrpcResponse {
    let mut response = GrpcResponse::new(Body::new(Full::new(content)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Returns true if `If-None-Match` has a tag (RFC 9110 §13.1.2).
fn has_tag(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|part| part.trim_ascii())
        .any(|part| part == b"*" || part.strip_prefix(b"W/").unwrap_or(part) == tag.as_bytes())
}
