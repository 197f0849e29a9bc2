//! The request messages, each with its method and its reply: what
//! [`ApiGateway::send`](crate::ApiGateway::send) takes.
//!
//! `build.rs` finds them in the contract. A method that starts an operation has an [`Operation`] of what it
//! ends in as its reply, any other has the message of the proto.
//!
//! ```
//! # #[cfg(feature = "emulator")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), apigateway_grpc::Error> {
//! # use apigateway_grpc::{ApiGateway, emulator::Emulator};
//! # let emulator = Emulator::builder().build();
//! # let client = ApiGateway::builder().with_transport(emulator.service()).anonymous().build()?;
//! use apigateway_grpc::Error;
//! use apigateway_grpc::proto::google::cloud::apigateway::v1::{CreateApiRequest, GetApiRequest};
//! use apigateway_grpc::request::Request;
//!
//! // Any request goes through here, with what all have in common said once.
//! async fn send<R: Request>(client: &ApiGateway, request: R) -> Result<R::Reply, Error> {
//!     println!("{} {}", R::METHOD.name, if R::METHOD.idempotent { "again" } else { "once" });
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
use crate::names::pattern::{self, Forms};
use crate::operation::{Operation, Verb};
use crate::stack::clients::Clients;

/// The request message of a method of the contract.
///
/// It is implemented for all of them, and for nothing else.
pub trait Request:
    sealed::Call + Message + Name + Clone + Debug + Default + Unpin + 'static
{
    /// What comes back for it.
    type Reply: Send + 'static;

    /// The method's entry in the contract.
    const METHOD: &'static Method;
}

pub(crate) mod sealed {
    use super::{Clients, Error, Request};

    pub trait Call: Sized {
        /// What is done, up to the name of the resource: `get operation`.
        const DOING: &'static str;

        /// The full name of the resource that the method acts on.
        fn resource(&self) -> String;

        /// Looks for what is certainly wrong.
        ///
        /// # Errors
        ///
        /// If a name has not its form, an id is none, or an update has no mask that fits.
        fn check(&self) -> Result<(), Error>;

        /// Sends it, unchecked.
        ///
        /// # Errors
        ///
        /// If the call fails.
        fn call(
            self,
            clients: &Clients,
        ) -> impl Future<Output = Result<<Self as Request>::Reply, Error>> + Send
        where
            Self: Request;
    }
}

/// Sends what is not certainly wrong; errors name what was done and to what.
///
/// # Errors
///
/// If the request is refused or the call fails.
pub(crate) async fn send<R: Request>(clients: &Clients, request: R) -> Result<R::Reply, Error> {
    let resource = request.resource();
    let called = async {
        request.check()?;
        request.call(clients).await
    };
    called
        .await
        .map_err(|error: Error| error.doing(R::DOING, &resource))
}

macro_rules! request {
    (
        $request:ty, $methods:ident[$index:literal], $doing:literal,
        $client:ident.$call:ident $how:ident $reply:ty,
        |$it:ident| resource $resource:expr; checks { $($checks:tt)* }
    ) => {
        impl Request for $request {
            type Reply = $reply;

            const METHOD: &'static Method = &$methods[$index];
        }

        impl sealed::Call for $request {
            const DOING: &'static str = $doing;

            fn resource(&self) -> String {
                let $it = self;
                $resource
            }

            fn check(&self) -> Result<(), Error> {
                let $it = self;
                $($checks)*
                Ok(())
            }

            async fn call(self, clients: &Clients) -> Result<$reply, Error> {
                request!(@ $how self, clients, $client.$call)
            }
        }
    };
    (@gives $request:ident, $clients:ident, $client:ident.$call:ident) => {
        Ok($clients.$client().$call($request).await?.into_inner())
    };
    (@starts $request:ident, $clients:ident, $client:ident.$call:ident) => {{
        let target = sealed::Call::resource(&$request);
        let mut client = $clients.$client();
        let verb = Verb::of_method(stringify!($call));
        Operation::start($clients, target, verb, $request, |request| client.$call(request)).await
    }};
}

include!(concat!(env!("OUT_DIR"), "/requests.rs"));
