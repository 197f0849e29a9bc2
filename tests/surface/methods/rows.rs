//! A row for each method: its calls, and the request that the server must receive.

use std::pin::Pin;

use apigateway_grpc::contract::Method;
use apigateway_grpc::request::RequestMessage;
use apigateway_grpc::{ApiGateway, Error};

use super::{mixins, service};

/// A text that is in every response, except the empty ones.
pub(crate) const MARK: &str = "projects/p/locations/l/operations/mark";

type Called<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;
type Call<T> = Box<dyn Fn(ApiGateway) -> Called<T>>;
type Check = Box<dyn Fn(&[u8]) -> bool>;

pub(crate) struct Row {
    pub(crate) method: &'static Method,
    /// The full name of the request message.
    pub(crate) input: String,
    /// The HTTP method and target over REST.
    pub(crate) line: Option<&'static str>,
    pub(crate) routing: &'static str,
    /// Returns true if these bytes are the expected request.
    pub(crate) is_request: Check,
    /// The call in its short form. It returns the mark of its response.
    pub(crate) short: Call<String>,
    pub(crate) send: Call<()>,
}

pub(crate) fn row<R, F>(
    request: R,
    line: &'static str,
    routing: &'static str,
    short: impl Fn(ApiGateway) -> F + 'static,
) -> Row
where
    R: RequestMessage + PartialEq,
    F: Future<Output = Result<String, Error>> + 'static,
{
    let sent = request.clone();
    Row {
        method: R::METHOD,
        input: R::full_name(),
        line: Some(line).filter(|line| !line.is_empty()),
        routing,
        is_request: Box::new(move |bytes| R::decode(bytes).is_ok_and(|it| it == request)),
        short: Box::new(move |client| Box::pin(short(client))),
        send: Box::new(move |client| {
            let request = sent.clone();
            Box::pin(async move { client.send(request).await.map(drop) })
        }),
    }
}

pub(crate) const L: &str = "projects/p/locations/l";
pub(crate) const API: &str = "projects/p/locations/l/apis/a";

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = service::rows();
    rows.extend(mixins::rows());
    rows
}
