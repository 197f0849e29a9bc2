//! Lists, page by page or item by item.
//!
//! [`List`] is what `client.list_apis(parent)` and its like give: it asks for nothing before a page or an
//! item is asked for.
//!
//! ```
//! # #[cfg(feature = "emulator")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), apigateway_grpc::Error> {
//! # use apigateway_grpc::{ApiGateway, emulator::Emulator};
//! # use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
//! # let emulator = Emulator::builder().build();
//! # let client = ApiGateway::builder().with_transport(emulator.service()).anonymous().build()?;
//! # for id in ["a", "b", "c"] {
//! #     let _ = client.create_api("projects/p/locations/global", id, Api::default()).await?;
//! # }
//! let mut apis = client.list_apis("projects/p/locations/global").page_size(2).items();
//! while let Some(api) = apis.next().await {
//!     println!("{}", api?.name);
//! }
//! assert!(apis.unreachable().is_empty(), "some locations were not heard of");
//!
//! let page = client.list_apis("projects/p/locations/global").page_size(2).page("").await?;
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

use super::request;
use super::request::Request;
use crate::error::Error;
use crate::stack::clients::Clients;

/// The request of a method whose replies are pages.
///
/// It is implemented for all of them, and for nothing else.
pub trait ListRequest: Request + sealed::Paged {
    /// What is listed.
    type Item: fmt::Debug + Send + Unpin + 'static;
}

/// A [`ListRequest`] that can ask for an order.
///
/// It is implemented for all of them, and for nothing else.
pub trait OrderedRequest: ListRequest + sealed::Ordered {}

mod sealed {
    use super::{ListRequest, Page};

    pub trait Paged: Sized {
        fn filter(&mut self) -> &mut String;
        fn page_size(&mut self) -> &mut i32;
        fn page_token(&mut self) -> &mut String;
        fn page(reply: Self::Reply) -> Page<Self::Item>
        where
            Self: ListRequest;
    }

    pub trait Ordered {
        fn order_by(&mut self) -> &mut String;
    }
}

/// A list to be asked for: which items, in what order, how many a page.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked for before a page or an item is"]
pub struct List<R> {
    clients: Clients,
    request: R,
}

impl<R: ListRequest> List<R> {
    pub(crate) fn new(clients: &Clients, request: R) -> Self {
        Self {
            clients: clients.clone(),
            request,
        }
    }

    /// Only items that match (AIP-160), such as `state = ACTIVE`. All pages have the same filter.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        *self.request.filter() = filter.into();
        self
    }

    /// The most items on a page; zero, the default, leaves it to the server. The server may give fewer.
    ///
    /// A negative size is refused when a page is asked for.
    pub fn page_size(mut self, size: i32) -> Self {
        *self.request.page_size() = size;
        self
    }

    /// Reads one page: the first for an empty token, or that which a page named as its next.
    ///
    /// # Errors
    ///
    /// If the parent's name is not of its form or the size is negative, nothing is sent. If the call
    /// fails, the error names the parent.
    pub async fn page(&self, token: impl Into<String>) -> Result<Page<R::Item>, Error> {
        let mut request = self.request.clone();
        *request.page_token() = token.into();
        let size = *request.page_size();
        if size < 0 {
            let refused = Error::argument(format!("page_size {size} is negative"));
            return Err(refused.doing(R::DOING, &request.resource()));
        }
        let reply = request::send(&self.clients, request).await?;
        Ok(R::page(reply))
    }

    /// Reads all items, page after page.
    pub fn items(mut self) -> Items<R> {
        let first = std::mem::take(self.request.page_token());
        let mut items = Items {
            list: self,
            page: Vec::new().into_iter(),
            ahead: None,
            tokens: HashSet::from([first.clone()]),
            unreachable: Vec::new(),
        };
        items.ask(first, false);
        items
    }
}

impl<R: OrderedRequest> List<R> {
    /// The order of the items (AIP-132), such as `create_time desc`.
    pub fn order_by(mut self, order: impl Into<String>) -> Self {
        *self.request.order_by() = order.into();
        self
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// What is on it. It may be empty although another page follows.
    pub items: Vec<T>,
    /// What the next page is asked for with; `None` after the last.
    pub next_page_token: Option<String>,
    /// The locations that were not heard of: their items are missing.
    pub unreachable: Vec<String>,
}

/// The items of a list, as they come.
///
/// With the first item of a page the next page is asked for, and no further one. Filter, order and size are
/// the same for all pages. An empty page is passed over. The stream ends after the last page or after an
/// error.
///
/// A reader may take its time: should a page that was asked for early run out of its own, it is asked for
/// once more in its turn.
///
/// # Cancel safety
///
/// All that is under way belongs to this value and goes on only while it is polled: dropped, it leaves
/// nothing running here, and no item is lost if a wait for the next one is given up.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Items<R: ListRequest> {
    list: List<R>,
    /// What is left of the page being read.
    page: std::vec::IntoIter<R::Item>,
    /// The page after it.
    ahead: Option<Ahead<R::Item>>,
    /// What pages were asked for with.
    tokens: HashSet<String>,
    unreachable: Vec<String>,
}

/// A page after the one being read.
struct Ahead<T> {
    token: String,
    /// Whether it was asked for before its turn: then its reader may have been away, and its time may have
    /// run out for no other reason.
    early: bool,
    state: State<T>,
}

enum State<T> {
    Asked(Fetch<T>),
    /// Kept for its turn.
    Here(Result<Page<T>, Error>),
}

type Fetch<T> = Pin<Box<dyn Future<Output = Result<Page<T>, Error>> + Send>>;

impl<R: ListRequest> Items<R> {
    /// The next item; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`List::page`]; and if the server gives a token again, which would never end.
    pub async fn next(&mut self) -> Option<Result<R::Item, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The locations that were not heard of so far, each once. At the end it is all whose items are
    /// missing.
    #[must_use]
    pub fn unreachable(&self) -> &[String] {
        &self.unreachable
    }

    /// Prepares the call for the page with this token.
    fn ask(&mut self, token: String, early: bool) {
        let list = self.list.clone();
        let asked = token.clone();
        let state = State::Asked(Box::pin(async move { list.page(asked).await }));
        self.ahead = Some(Ahead {
            token,
            early,
            state,
        });
    }

    /// What a list that would never end is given up with.
    fn repeated(&self, token: &str) -> Error {
        let shown = token.escape_debug();
        let error = Error::protocol(format!("the server gave the page token `{shown}` twice"));
        error.doing(R::DOING, &self.list.request.resource())
    }

    /// Begins with a page.
    fn turn(&mut self, page: Page<R::Item>) {
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
            self.ask(token, true);
        } else {
            let state = State::Here(Err(self.repeated(&token)));
            self.ahead = Some(Ahead {
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
            // The page ahead goes on while this one is read.
            if let Some(ahead) = &mut self.ahead
                && let State::Asked(page) = &mut ahead.state
                && let Poll::Ready(page) = page.as_mut().poll(cx)
            {
                ahead.state = State::Here(page);
            }
            if let Some(item) = self.page.next() {
                return Poll::Ready(Some(Ok(item)));
            }
            let Some(ahead) = self.ahead.take() else {
                return Poll::Ready(None);
            };
            match ahead.state {
                State::Here(Ok(page)) => self.turn(page),
                State::Here(Err(error)) if ahead.early && error.is_timeout() => {
                    self.ask(ahead.token, false);
                }
                State::Here(Err(error)) => return Poll::Ready(Some(Err(error))),
                State::Asked(_) => {
                    self.ahead = Some(ahead);
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
    ($request:ty: $items:ident of $item:ty, $($unreachable:ident)?) => {
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

            fn page(reply: <Self as Request>::Reply) -> Page<$item> {
                Page {
                    items: reply.$items,
                    next_page_token: Some(reply.next_page_token).filter(|it| !it.is_empty()),
                    unreachable: list!(@unreachable reply $($unreachable)?),
                }
            }
        }
    };
    (@unreachable $reply:ident $unreachable:ident) => {
        $reply.$unreachable
    };
    (@unreachable $reply:ident) => {
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
