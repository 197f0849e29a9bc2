//! The server side of a run: an emulator, and the proxies in front of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apigateway_grpc::contract::{Method, RetryPolicy};
use apigateway_grpc::emulator::{Emulator, Server};
use apigateway_grpc::google_cloud_auth::credentials::Credentials;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, CreateApiRequest};
use apigateway_grpc::{ApiGateway, Transport};
use tokio::runtime::Handle;

use crate::fault::{ANEW, Inject};
use crate::front::Front;
use crate::liar::Liar;
use crate::name::Name;
use crate::proxy::{Orders, Proxy};
use crate::run::{API, DEADLINE, FAULT, PARENT, PATIENCE};
use crate::source::{Source, TOKEN, Trouble};

/// The server side of a run.
pub(crate) struct Rig {
    emulator: Emulator,
    server: Option<Server>,
    pub(crate) proxy: Proxy,
    /// A second proxy for the same server. It plays the other server, to which the name resolves later.
    other: Option<Proxy>,
    name: Name,
    _front: Option<Front>,
    /// The operation that is awaited.
    pub(crate) operation: String,
    on: Arc<AtomicBool>,
    /// The server that replaces the emulator during a fault.
    liar: Option<Liar>,
}

impl Rig {
    /// Starts an emulator with an api and an operation on the api, and the proxies in front of the emulator.
    pub(crate) async fn start(inject: Inject) -> Self {
        let emulator = Emulator::builder()
            .require_token(TOKEN)
            .operation_time_of(Method::UPDATE_API, FAULT / 2)
            .build();
        let server = serve(&emulator).await;
        let on = Arc::new(AtomicBool::new(false));
        let front = match inject {
            Inject::Server(habit) => Some(
                Front::start(emulator.service(), habit, Arc::clone(&on))
                    .await
                    .expect("a free port"),
            ),
            _ => None,
        };
        let upstream = front
            .as_ref()
            .map_or(server.address(), |front| front.address);
        let proxy = Proxy::start(upstream).await.expect("a free port");
        let other = match inject {
            Inject::Name { .. } => Some(Proxy::start(upstream).await.expect("a free port")),
            _ => None,
        };
        let liar = match inject {
            Inject::Liar(lie) => Some(Liar::start(lie).await.expect("a free port")),
            _ => None,
        };
        let within = ApiGateway::builder().transport_service(emulator.service());
        let within = within.access_token(TOKEN).build().expect("valid");
        let created = within.create_api(PARENT, "a", Api::default()).await;
        created.expect("started").await.expect("an api");
        let after = Api {
            name: API.into(),
            display_name: "after".into(),
            ..Api::default()
        };
        let updated = within.update_api(after, ["display_name"]).await;
        Self {
            operation: updated.expect("started").name().to_owned(),
            server: Some(server),
            emulator,
            name: Name::of(proxy.address()),
            proxy,
            other,
            _front: front,
            on,
            liar,
        }
    }

    pub(crate) fn client(&self, transport: Transport, trouble: Trouble) -> ApiGateway {
        let on = Arc::clone(&self.on);
        let retry = RetryPolicy::default()
            .initial_backoff(Duration::from_millis(20))
            .max_backoff(Duration::from_millis(100));
        let builder = ApiGateway::builder();
        let builder = match &self.other {
            Some(_) => self.name.resolved_under(builder),
            None => builder.endpoint(self.proxy.endpoint()),
        };
        builder
            .transport(transport)
            .credentials(Credentials::from(Source { trouble, on }))
            .connect_timeout(PATIENCE)
            .keepalive(DEADLINE / 2, PATIENCE)
            .retry(retry)
            .max_response_size(64 << 10)
            .build()
            .expect("valid")
    }

    pub(crate) fn begin(&mut self, inject: Inject) {
        self.on.store(true, Ordering::SeqCst);
        match inject {
            Inject::Line(orders) => self.proxy.order(orders),
            Inject::Restart => {
                self.proxy.order(Orders::GONE);
                self.server = None;
            }
            Inject::Name { at_once } => {
                self.proxy.order(Orders::GONE);
                if at_once {
                    self.rename();
                }
            }
            Inject::Liar(_) => {
                let liar = self.liar.as_ref().expect("it was started");
                self.proxy.lead_to(liar.address);
                self.proxy.order(ANEW);
            }
            Inject::Server(_) | Inject::Source(_) => {}
        }
    }

    pub(crate) async fn end(&mut self, servers: &Handle) {
        self.on.store(false, Ordering::SeqCst);
        if self.server.is_none() {
            let emulator = self.emulator.clone();
            let server = servers.spawn(async move { serve(&emulator).await });
            let server = server.await.expect("it does not panic");
            self.proxy.lead_to(server.address());
            self.server = Some(server);
        }
        if self.other.is_some() {
            return self.rename();
        }
        // Dropping the liar ends the connections to it.
        if self.liar.take().is_some() {
            let server = self.server.as_ref().expect("it is there");
            self.proxy.lead_to(server.address());
        }
        self.proxy.order(Orders::PASS);
    }

    /// Lets the name resolve to the other server.
    fn rename(&self) {
        if let Some(other) = &self.other {
            self.name.lead_to(other.address());
        }
    }

    /// Returns the number of open connections of clients.
    pub(crate) fn open(&self) -> usize {
        self.proxy.open() + self.other.as_ref().map_or(0, Proxy::open)
    }

    /// Returns how many creates of this resource the emulator received.
    pub(crate) fn creates(&self, id: &str) -> usize {
        let calls = self.emulator.calls();
        let creates = calls.iter().filter(|call| {
            call.request::<CreateApiRequest>()
                .is_some_and(|create| create.api_id == id)
        });
        creates.count()
    }
}

async fn serve(emulator: &Emulator) -> Server {
    emulator.start("127.0.0.1:0").await.expect("a free port")
}
