//! The request messages, each with its method and its response. [`ApiGateway::send`](crate::ApiGateway::send) accepts any of
//! them.
//!
//! The response of a method that starts an operation is an [`Operation`] with the type of the result. The response of any other
//! method is the method's response message.
//!
//! ```
//! # #[cfg(feature = "emulator")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), apigateway_grpc::Error> {
//! # use apigateway_grpc::{ApiGateway, emulator::Emulator};
//! # let emulator = Emulator::builder().build();
//! # let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
//! use apigateway_grpc::Error;
//! use apigateway_grpc::model::{CreateApiRequest, GetApiRequest};
//! use apigateway_grpc::request::RequestMessage;
//!
//! // One function for all requests.
//! async fn send<R: RequestMessage>(client: &ApiGateway, request: R) -> Result<R::Response, Error> {
//!     println!("{} {}", R::METHOD.name(), if R::METHOD.is_idempotent() { "again" } else { "once" });
//!     client.send(request).await
//! }
//!
//! let parent = "projects/p/locations/global".to_owned();
//! send(&client, CreateApiRequest { parent, api_id: "a".into(), api: None }).await?;
//! let api = send(&client, GetApiRequest { name: "projects/p/locations/global/apis/a".into() }).await?;
//! assert_eq!(api.display_name, "a");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "emulator"))]
//! # fn main() {}
//! ```

use std::fmt::Debug;

use prost::{Message, Name};

use super::field_mask;
use crate::contract::METHODS;
use crate::contract::Method;
use crate::error::Error;
use crate::names::pattern::{self, NamePatterns};
use crate::operation::clients::Clients;
use crate::operation::{Operation, Verb};

/// The request message of a method. Implemented by all request messages of the service.
pub trait RequestMessage:
    sealed::Call + Message + Name + Clone + Debug + Default + Unpin + 'static
{
    /// The type that [`ApiGateway::send`](crate::ApiGateway::send) returns: an [`Operation`], or the response message of the
    /// method.
    type Response: Send + 'static;

    /// The method's entry in the contract.
    const METHOD: &'static Method;
}

pub(crate) mod sealed {
    use super::{Clients, Error, RequestMessage};

    pub trait Call: Sized {
        /// The action before the name of the resource in an error, such as `get operation`.
        const ACTION: &'static str;

        /// Returns the full name of the resource that the method acts on.
        fn resource(&self) -> String;

        /// Checks the names, the id and the mask.
        ///
        /// # Errors
        ///
        /// Returns an error if one of them is invalid.
        fn check(&self) -> Result<(), Error>;

        /// Sends the request without a check.
        ///
        /// # Errors
        ///
        /// Returns an error if the call fails.
        fn call(
            self,
            clients: &Clients,
        ) -> impl Future<Output = Result<<Self as RequestMessage>::Response, Error>> + Send
        where
            Self: RequestMessage;
    }
}

/// Checks a request and sends it. Errors name the action and the resource.
///
/// # Errors
///
/// Returns an error if the request is invalid or the call fails.
pub(crate) async fn send<R: RequestMessage>(
    clients: &Clients,
    request: R,
) -> Result<R::Response, Error> {
    let resource = request.resource();
    let result = async {
        request.check()?;
        request.call(clients).await
    };
    result
        .await
        .map_err(|error: Error| error.context(R::ACTION, &resource))
}

/// Sends a request without a check. Errors name the action and the resource.
///
/// # Errors
///
/// Returns an error if the call fails.
pub(crate) async fn send_unchecked<R: RequestMessage>(
    clients: &Clients,
    request: R,
) -> Result<R::Response, Error> {
    let resource = request.resource();
    let result = request.call(clients).await;
    result.map_err(|error: Error| error.context(R::ACTION, &resource))
}

macro_rules! request {
    (
        $request:ty, $methods:ident[$index:literal], $action:literal,
        $client:ident.$call:ident $returns:ident $response:ty,
        |$it:ident| resource $resource:expr; checks { $($checks:tt)* }
    ) => {
        impl RequestMessage for $request {
            type Response = $response;

            const METHOD: &'static Method = &$methods[$index];
        }

        impl sealed::Call for $request {
            const ACTION: &'static str = $action;

            fn resource(&self) -> String {
                let $it = self;
                $resource
            }

            fn check(&self) -> Result<(), Error> {
                let $it = self;
                $($checks)*
                Ok(())
            }

            async fn call(self, clients: &Clients) -> Result<$response, Error> {
                request!(@ $returns self, clients, $client.$call)
            }
        }
    };
    (@message $request:ident, $clients:ident, $client:ident.$call:ident) => {
        Ok($clients.$client().$call($request).await?.into_inner())
    };
    (@operation $request:ident, $clients:ident, $client:ident.$call:ident) => {{
        let target = sealed::Call::resource(&$request);
        let mut client = $clients.$client();
        let verb = Verb::of_method(stringify!($call));
        Operation::start($clients, target, verb, $request, |request| client.$call(request)).await
    }};
}

include!(concat!(env!("OUT_DIR"), "/requests.rs"));
