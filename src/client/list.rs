//! Lists, page by page or item by item.
//!
//! `client.list_apis(parent)` and the other list methods return a [`List`]. A list makes no call before a page or an item is
//! read.
//!
//! ```
//! # #[cfg(feature = "emulator")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), apigateway_grpc::Error> {
//! # use apigateway_grpc::{ApiGateway, emulator::Emulator};
//! # use apigateway_grpc::model::Api;
//! # let emulator = Emulator::builder().build();
//! # let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
//! # for id in ["a", "b", "c"] {
//! #     let _ = client.create_api("projects/p/locations/global", id, Api::default()).await?;
//! # }
//! let mut apis = client.list_apis("projects/p/locations/global").page_size(2).items();
//! while let Some(api) = apis.next().await {
//!     println!("{}", api?.name);
//! }
//! assert!(apis.unreachable().is_empty(), "all locations answered");
//!
//! let page = client.list_apis("projects/p/locations/global").page_size(2).first_page().await?;
//! assert_eq!(page.items.len(), 2);
//! assert!(page.next_page_token.is_some());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "emulator"))]
//! # fn main() {}
//! ```

use std::collections::HashSet;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tonic::Status;

use super::request;
use super::request::RequestMessage;
use crate::error::Error;
use crate::operation::clients::Clients;

/// The request message of a method whose responses are pages. Implemented by all such messages of the service.
pub trait ListRequest: RequestMessage + sealed::Paged {
    /// The type of the items.
    type Item: fmt::Debug + Send + Unpin + 'static;
}

/// A [`ListRequest`] with an `order_by` field. Implemented by all such messages of the service.
pub trait OrderedRequest: ListRequest + sealed::Ordered {}

mod sealed {
    use super::{ListRequest, Page};

    pub trait Paged: Sized {
        fn filter(&mut self) -> &mut String;
        fn page_size(&mut self) -> &mut i32;
        fn page_token(&mut self) -> &mut String;
        /// Sets whether the response may omit unreachable locations, if the request has a field for that.
        fn allow_partial(&mut self, allowed: bool);
        fn page(response: Self::Response) -> Page<Self::Item>
        where
            Self: ListRequest;
    }

    pub trait Ordered {
        fn order_by(&mut self) -> &mut String;
    }
}

/// A list, with its filter, its order and its page size.
#[derive(Clone, Debug)]
#[must_use = "no call is made before a page or an item is read"]
pub struct List<R> {
    clients: Clients,
    request: R,
    strict: bool,
    /// True if the parent may have any form. Then only the server checks the parent.
    any_parent: bool,
}

impl<R: ListRequest> List<R> {
    pub(crate) fn new(clients: &Clients, request: R) -> Self {
        Self {
            clients: clients.clone(),
            request,
            strict: false,
            any_parent: false,
        }
    }

    /// Returns a list whose parent only the server checks.
    #[cfg(feature = "google")]
    pub(crate) fn of_any_parent(clients: &Clients, request: R) -> Self {
        Self {
            any_parent: true,
            ..Self::new(clients, request)
        }
    }

    /// Sets the filter (AIP-160), such as `state = ACTIVE`. By default all items are listed.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        *self.request.filter() = filter.into();
        self
    }

    /// Sets the maximum number of items on a page; the server may return fewer. With zero, the default, the server decides.
    ///
    /// With a negative size, reading a page fails.
    pub fn page_size(mut self, size: i32) -> Self {
        *self.request.page_size() = size;
        self
    }

    /// Reads the first page.
    ///
    /// # Errors
    ///
    /// If the name of the parent or the page size is invalid, nothing is sent. If the call fails, the error names the parent.
    /// A [strict](Self::strict) list fails with UNAVAILABLE if the service could not reach all locations.
    pub async fn first_page(&self) -> Result<Page<R::Item>, Error> {
        self.page("").await
    }

    /// Reads the page with this token, the [`next_page_token`](Page::next_page_token) of the page before.
    ///
    /// # Errors
    ///
    /// As [`first_page`](Self::first_page).
    pub async fn page(&self, token: impl Into<String>) -> Result<Page<R::Item>, Error> {
        let mut request = self.request.clone();
        *request.page_token() = token.into();
        let context = |error: Error, request: &R| error.context(R::ACTION, &request.resource());
        let size = *request.page_size();
        if size < 0 {
            let refused = format!("invalid `page_size` {size}: must not be negative");
            return Err(context(Error::argument(refused), &request));
        }
        let strict = self.strict.then(|| request.clone());
        let page = match self.any_parent {
            true => request::send_unchecked(&self.clients, request).await?,
            false => request::send(&self.clients, request).await?,
        };
        let page = R::page(page);
        match strict {
            Some(request) if !page.unreachable.is_empty() => {
                let text = format!("unreachable locations: {}", page.unreachable.join(", "));
                Err(context(Status::unavailable(text).into(), &request))
            }
            _ => Ok(page),
        }
    }

    /// Makes the list strict: reading a page fails if the service could not reach all locations. By default, a list over all
    /// locations, `projects/{project}/locations/-`, returns the items of the reachable locations, and names the other locations
    /// in [`unreachable`](Page::unreachable).
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self.request.allow_partial(false);
        self
    }

    /// Returns a stream of all items, page after page.
    pub fn items(mut self) -> Items<R> {
        let first = std::mem::take(self.request.page_token());
        let mut items = Items {
            list: self,
            page: Vec::new().into_iter(),
            next_page: None,
            tokens: HashSet::from([first.clone()]),
            unreachable: Vec::new(),
        };
        items.fetch(first, false);
        items
    }
}

impl<R: OrderedRequest> List<R> {
    /// Sets the order of the items (AIP-132), such as `create_time desc`. By default the server chooses the order.
    pub fn order_by(mut self, order: impl Into<String>) -> Self {
        *self.request.order_by() = order.into();
        self
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items. A page may be empty although another page follows.
    pub items: Vec<T>,
    /// The token of the next page; `None` on the last page.
    pub next_page_token: Option<String>,
    /// The locations that the service could not reach; their items are missing.
    pub unreachable: Vec<String>,
}

/// A stream of the items of a list.
///
/// While the items of a page are read, the stream fetches the next page, but no further page. The stream skips empty pages, and
/// ends after the last page or after an error.
///
/// A slow reader is safe: the call for the next page begins early, so it may exceed its deadline before the items are needed.
/// The page is then fetched again.
///
/// # Cancel safety
///
/// Dropping the future of [`next`](Self::next) loses no item. The calls are part of the stream: they make progress only while
/// it is polled, and end when it is dropped.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Items<R: ListRequest> {
    list: List<R>,
    /// The rest of the current page.
    page: std::vec::IntoIter<R::Item>,
    /// The next page.
    next_page: Option<NextPage<R::Item>>,
    /// The tokens of the pages so far.
    tokens: HashSet<String>,
    unreachable: Vec<String>,
}

/// The page after the current one.
struct NextPage<T> {
    token: String,
    /// True if the call began before its items were needed. Such a call may exceed its deadline only because the reader was
    /// slow, so it is made again.
    early: bool,
    state: State<T>,
}

enum State<T> {
    Fetching(PageFuture<T>),
    /// The call has ended, and its page is kept until the current page is read.
    Fetched(Result<Page<T>, Error>),
}

type PageFuture<T> = Pin<Box<dyn Future<Output = Result<Page<T>, Error>> + Send>>;

impl<R: ListRequest> Items<R> {
    /// Returns the next item; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`List::page`]. A page token that the server returns twice is an error too, since the list would never end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item.
    pub async fn next(&mut self) -> Option<Result<R::Item, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns the locations that the service could not reach so far, each once. At the end of the stream, these are all
    /// locations whose items are missing.
    #[must_use]
    pub fn unreachable(&self) -> &[String] {
        &self.unreachable
    }

    /// Prepares the call for the page with this token.
    fn fetch(&mut self, token: String, early: bool) {
        let list = self.list.clone();
        let page_token = token.clone();
        let state = State::Fetching(Box::pin(async move { list.page(page_token).await }));
        self.next_page = Some(NextPage {
            token,
            early,
            state,
        });
    }

    /// Returns the error of a list that would never end.
    fn repeated(&self, token: &str) -> Error {
        let shown = token.escape_debug();
        let error = Error::protocol(format!(
            "the server returned the page token `{shown}` twice"
        ));
        error.context(R::ACTION, &self.list.request.resource())
    }

    /// Starts to read a page.
    fn begin_page(&mut self, page: Page<R::Item>) {
        self.page = page.items.into_iter();
        for location in page.unreachable {
            if !self.unreachable.contains(&location) {
                self.unreachable.push(location);
            }
        }
        let Some(token) = page.next_page_token else {
            return;
        };
        if self.tokens.insert(token.clone()) {
            self.fetch(token, true);
        } else {
            let state = State::Fetched(Err(self.repeated(&token)));
            self.next_page = Some(NextPage {
                token,
                early: false,
                state,
            });
        }
    }
}

impl<R: ListRequest> Stream for Items<R> {
    type Item = Result<R::Item, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            // The fetch of the next page makes progress while the current page is read.
            if let Some(next_page) = &mut self.next_page
                && let State::Fetching(page) = &mut next_page.state
                && let Poll::Ready(page) = page.as_mut().poll(cx)
            {
                next_page.state = State::Fetched(page);
            }
            if let Some(item) = self.page.next() {
                return Poll::Ready(Some(Ok(item)));
            }
            let Some(next_page) = self.next_page.take() else {
                return Poll::Ready(None);
            };
            match next_page.state {
                State::Fetched(Ok(page)) => self.begin_page(page),
                State::Fetched(Err(error)) if next_page.early && error.is_timeout() => {
                    self.fetch(next_page.token, false);
                }
                State::Fetched(Err(error)) => return Poll::Ready(Some(Err(error))),
                State::Fetching(_) => {
                    self.next_page = Some(next_page);
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<R: ListRequest> fmt::Debug for Items<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items")
            .field("list", &self.list)
            .field("page", &self.page)
            .field("unreachable", &self.unreachable)
            .finish_non_exhaustive()
    }
}

macro_rules! list {
    ($request:ty: $items:ident of $item:ty, $($unreachable:ident)?, $($partial:ident)?) => {
        impl ListRequest for $request {
            type Item = $item;
        }

        impl sealed::Paged for $request {
            fn filter(&mut self) -> &mut String {
                &mut self.filter
            }

            fn page_size(&mut self) -> &mut i32 {
                &mut self.page_size
            }

            fn page_token(&mut self) -> &mut String {
                &mut self.page_token
            }

            fn allow_partial(&mut self, _allowed: bool) {
                $(self.$partial = _allowed;)?
            }

            fn page(response: <Self as RequestMessage>::Response) -> Page<$item> {
                Page {
                    items: response.$items,
                    next_page_token: Some(response.next_page_token).filter(|it| !it.is_empty()),
                    unreachable: list!(@unreachable response $($unreachable)?),
                }
            }
        }
    };
    (@unreachable $response:ident $unreachable:ident) => {
        $response.$unreachable
    };
    (@unreachable $response:ident) => {
        Vec::new()
    };
}

macro_rules! ordered {
    ($request:ty) => {
        impl OrderedRequest for $request {}

        impl sealed::Ordered for $request {
            fn order_by(&mut self) -> &mut String {
                &mut self.order_by
            }
        }
    };
}

include!(concat!(env!("OUT_DIR"), "/lists.rs"));
