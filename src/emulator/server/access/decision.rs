//! Decides whether a request is served, from its head and its connection.
//!
//! | check | admin service, page | everything else on the port |
//! |---|---|---|
//! | `Host`, `:authority` | loopback, the address of the listener, or a host of `--host` | any |
//! | `Origin` | absent, the request's own, or one of `--allow-origin` | absent, or one of `--allow-origin` |
//! | `Sec-Fetch-Site` | absent, `same-origin` or `none` | absent, `same-origin`, `same-site` or `none` |
//! | peer | loopback, or the admin token | any |
//! | content type of a browser's write | `application/json` | any |
//!
//! If an admin token is set, other machines can read the files of the page without it: the files have no data, and a browser
//! cannot send a token when it opens a page.
//!
//! For an origin of `--allow-origin`, `Sec-Fetch-Site` is not checked.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use tonic::Code;

use super::host::{Authority, Origin};
use super::settings::AccessRules;
use crate::call::GrpcRequest;
use crate::emulator::admin;
use crate::emulator::page::is_page_request;
use crate::transport::endpoint;

const SEC_FETCH: &str = "sec-fetch-";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The group of routes that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RouteGroup {
    /// The admin service, over HTTP/JSON and gRPC.
    Admin,
    /// The page and its files.
    Page,
    /// Everything else: the API, health, reflection, and paths that do not exist.
    Other,
}

/// The input of the decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) group: RouteGroup,
    pub(super) method: &'a Method,
    /// The peer is known to have a loopback address.
    pub(super) is_local: bool,
    /// Our own address of the connection.
    pub(super) local: Option<IpAddr>,
    pub(super) is_encrypted: bool,
    /// The `:authority` of HTTP/2, or the authority of a request target in absolute form.
    pub(super) authority: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
}

/// The decision.
#[derive(Debug)]
pub(super) enum Outcome {
    Allow,
    /// A preflight request of an allowed origin.
    Preflight,
    Refuse(Refusal),
}

/// A rejected request: the status, and the reason.
#[derive(Debug)]
pub(super) struct Refusal {
    #[cfg_attr(
        not(feature = "rest"),
        expect(dead_code, reason = "gRPC has no HTTP status")
    )]
    pub(super) http: StatusCode,
    pub(super) code: Code,
    /// The reason of the `ErrorInfo`.
    pub(super) reason: &'static str,
    pub(super) text: String,
}

impl RouteGroup {
    /// Returns the group of a request. Segments of the path are decoded, as the router does it.
    pub(super) fn of(request: &GrpcRequest, has_page: bool) -> Self {
        if has_page && is_page_request(request) {
            return Self::Page;
        }
        let path = request.uri().path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let first = path.split('/').next().unwrap_or_default();
        let first = percent_decode_str(first).decode_utf8_lossy();
        match &*first {
            "emulator" | admin::SERVICE_NAME => Self::Admin,
            _ => Self::Other,
        }
    }

    /// Returns the name of the group for errors.
    fn name(self) -> &'static str {
        match self {
            Self::Admin => "the admin service",
            Self::Page => "the page",
            Self::Other => "the emulator",
        }
    }
}

/// Decides whether a request is served.
pub(super) fn decide(rules: &AccessRules, facts: &Facts<'_>) -> Outcome {
    check(rules, facts).unwrap_or_else(Outcome::Refuse)
}

fn check(rules: &AccessRules, facts: &Facts<'_>) -> Result<Outcome, Refusal> {
    let host = match facts.group {
        RouteGroup::Admin | RouteGroup::Page => Some(check_host(rules, facts)?),
        RouteGroup::Other => None,
    };
    if rules.allowed_origin(facts.headers).is_none() {
        check_page(facts, host.as_ref())?;
    } else if is_preflight(facts) {
        // The admin token is not checked, since browsers send none with a preflight request.
        return Ok(Outcome::Preflight);
    }
    if facts.group != RouteGroup::Other {
        check_peer(rules, facts)?;
        check_content_type(facts)?;
    }
    Ok(Outcome::Allow)
}

/// Checks the host of a request. A web page whose host name resolves to localhost (DNS rebinding) sends that name, which is
/// rejected.
fn check_host(rules: &AccessRules, facts: &Facts<'_>) -> Result<Authority, Refusal> {
    let invalid = |text: String| Refusal {
        http: StatusCode::BAD_REQUEST,
        code: Code::InvalidArgument,
        reason: "HOST_INVALID",
        text: format!("{text}; use a loopback address, localhost, or a name of `--host`"),
    };
    let mut headers = facts.headers.get_all(header::HOST).iter();
    let header = headers.next();
    if headers.next().is_some() {
        return Err(invalid("more than one `Host`".to_owned()));
    }
    let parse = |name: &str, value: &[u8]| {
        let text = String::from_utf8_lossy(value);
        let parsed = Authority::parse(&text);
        parsed.map_err(|fault| invalid(endpoint::invalid(name, &text, fault).to_string()))
    };
    let header = header.map(|value| parse("Host", value.as_bytes()));
    let header = header.transpose()?;
    let target = facts.authority;
    let target = target.map(|text| parse(":authority", text.as_bytes()));
    let host = match (target.transpose()?, header) {
        (Some(target), Some(header)) if target != header => {
            let text = "`Host` differs from `:authority` or the request target";
            return Err(invalid(text.to_owned()));
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(invalid("missing `Host`".to_owned())),
    };
    if rules.allows_host(&host.host, facts.local) {
        return Ok(host);
    }
    let name = host.host.to_string();
    Err(Refusal {
        http: StatusCode::MISDIRECTED_REQUEST,
        code: Code::PermissionDenied,
        reason: "HOST_NOT_ALLOWED",
        text: format!(
            "{} does not accept the host {name:?}; to allow it, use `--host {name}` (`EmulatorBuilder::host`)",
            facts.group.name()
        ),
    })
}

/// Checks the headers by which a browser identifies the web page that sends a request.
fn check_page(facts: &Facts<'_>, host: Option<&Authority>) -> Result<(), Refusal> {
    let mut origins = facts.headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => {}
        (Some(origin), None) if host.is_some_and(|host| is_own(origin, facts, host)) => {}
        (Some(origin), None) => return Err(foreign(&page(origin))),
        (Some(_), Some(_)) => return Err(foreign("a web page with more than one `Origin`")),
    }
    for site in facts.headers.get_all(SEC_FETCH_SITE) {
        let is_allowed = match (site.as_bytes(), facts.group) {
            (b"same-origin" | b"none", _) | (b"same-site", RouteGroup::Other) => true,
            // This includes values that no browser sends today.
            _ => false,
        };
        if !is_allowed {
            let site = String::from_utf8_lossy(site.as_bytes());
            let site: String = site.chars().take(20).collect();
            let page = format!("a web page of another origin (`Sec-Fetch-Site: {site}`)");
            return Err(foreign(&page.escape_debug().to_string()));
        }
    }
    Ok(())
}

/// Returns true if an origin is that of the request itself.
fn is_own(origin: &HeaderValue, facts: &Facts<'_>, host: &Authority) -> bool {
    let scheme = if facts.is_encrypted { "https" } else { "http" };
    let parsed = origin.to_str().ok().map(Origin::parse);
    parsed.is_some_and(|parsed| parsed == Ok(Origin::of(scheme, host)))
}

/// Describes the web page of an origin in an error.
fn page(origin: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(origin.as_bytes());
    match Origin::parse(&text) {
        Ok(_) => format!("the web page of {text}"),
        Err(_) => {
            let short: String = text.chars().take(80).collect();
            format!("a web page with the origin {short:?}")
        }
    }
}

fn foreign(page: &str) -> Refusal {
    Refusal {
        http: StatusCode::FORBIDDEN,
        code: Code::PermissionDenied,
        reason: "ORIGIN_NOT_ALLOWED",
        text: format!(
            "{page} may not use the emulator; to allow its origin, use `--allow-origin ORIGIN` \
             (`EmulatorBuilder::allow_origin`)"
        ),
    }
}

fn is_preflight(facts: &Facts<'_>) -> bool {
    let requested = header::ACCESS_CONTROL_REQUEST_METHOD;
    *facts.method == Method::OPTIONS && facts.headers.contains_key(requested)
}

fn check_peer(rules: &AccessRules, facts: &Facts<'_>) -> Result<(), Refusal> {
    if facts.is_local {
        return Ok(());
    }
    let Some(token) = rules.admin_token() else {
        let text = format!(
            "{} accepts requests from loopback addresses only; to allow others, use `--admin-token TOKEN` \
             (`EmulatorBuilder::admin_token`)",
            facts.group.name()
        );
        return Err(Refusal {
            http: StatusCode::FORBIDDEN,
            code: Code::PermissionDenied,
            reason: "PEER_NOT_ALLOWED",
            text,
        });
    };
    if facts.group == RouteGroup::Page {
        return Ok(());
    }
    let mut values = facts.headers.get_all(header::AUTHORIZATION).iter();
    let only = values.next().filter(|_| values.next().is_none());
    if only.is_some_and(|value| token.matches(value)) {
        return Ok(());
    }
    let why = match facts.headers.get_all(header::AUTHORIZATION).iter().count() {
        0 => "the request has no `Authorization`",
        1 => "the `Authorization` of the request does not have the admin token",
        _ => "the request has more than one `Authorization`",
    };
    let text = format!(
        "{why}; from a non-loopback address, the admin service requires `Authorization: Bearer TOKEN`, \
         with the token of `--admin-token` (`EmulatorBuilder::admin_token`)"
    );
    Err(Refusal {
        http: StatusCode::UNAUTHORIZED,
        code: Code::Unauthenticated,
        reason: "ADMIN_TOKEN_REQUIRED",
        text,
    })
}

/// Checks the content type of a browser's write. A page of another origin needs a preflight request to send
/// `application/json`, but none to send `text/plain` or a form (Fetch Standard §2.2.2).
fn check_content_type(facts: &Facts<'_>) -> Result<(), Refusal> {
    let is_read = [Method::GET, Method::HEAD, Method::OPTIONS].contains(facts.method);
    let mut names = facts.headers.keys().map(HeaderName::as_str);
    let is_browser = names.any(|name| name == "origin" || name.starts_with(SEC_FETCH));
    if is_read || !is_browser {
        return Ok(());
    }
    let mut values = facts.headers.get_all(header::CONTENT_TYPE).iter();
    if values.next().is_some_and(is_json) && values.next().is_none() {
        return Ok(());
    }
    Err(Refusal {
        http: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        code: Code::InvalidArgument,
        reason: "CONTENT_TYPE_NOT_ALLOWED",
        text: "a write to the admin service with `Origin` or `Sec-Fetch-*`, as by a web page or \
               Node's fetch, must have `Content-Type: application/json`"
            .to_owned(),
    })
}

fn is_json(value: &HeaderValue) -> bool {
    let essence = value.as_bytes().split(|byte| *byte == b';').next();
    essence.is_some_and(|essence| {
        essence
            .trim_ascii()
            .eq_ignore_ascii_case(b"application/json")
    })
}
