//! An HTTP/2 server in front of the emulator's services, which behaves like Google's front ends: it closes old
//! connections, limits the calls of a connection, and resets some calls.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use apigateway_grpc::tonic::body::Body;
use apigateway_grpc::tonic::service::Routes;
use h2::Reason;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tower::util::ServiceExt as _;

use crate::linger::Linger;

/// The behaviour of the front.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Habit {
    /// Sends GOAWAY on a connection of this age.
    Age(Duration),
    /// Maximum number of concurrent calls of a connection.
    Streams(u32),
    /// `Resets(n, reason)`: during a fault, resets every n-th call with the reason, without reading the call.
    Resets(usize, Reason),
}

/// A running front. Dropping it ends it and its connections.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Behind {
    routes: Routes,
    habit: Habit,
    on: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
}

impl Front {
    pub(crate) async fn start(
        routes: Routes,
        habit: Habit,
        on: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let behind = Behind {
            routes,
            habit,
            on,
            calls: Arc::default(),
        };
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                        connections.spawn(serve(stream, behind.clone()));
                    },
                    // Connections that have ended are removed.
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, behind: Behind) {
    let mut server = http2::Builder::new(TokioExecutor::new());
    server.timer(TokioTimer::new());
    if let Habit::Streams(most) = behind.habit {
        server.max_concurrent_streams(most);
    }
    let age = match behind.habit {
        Habit::Age(age) => age,
        _ => Duration::MAX,
    };
    let calls = service_fn(move |request: Request<Incoming>| answer(behind.clone(), request));
    let (stream, linger) = Linger::over(stream).expect("a socket");
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), calls));
    if tokio::time::timeout(age, connection.as_mut())
        .await
        .is_err()
    {
        connection.as_mut().graceful_shutdown();
        connection.await.ok();
    }
    linger.drain().await;
}

async fn answer(
    behind: Behind,
    request: Request<Incoming>,
) -> Result<http::Response<Body>, h2::Error> {
    let number = behind.calls.fetch_add(1, Ordering::SeqCst) + 1;
    if let Habit::Resets(every, reason) = behind.habit
        && behind.on.load(Ordering::SeqCst)
        && number.is_multiple_of(every)
    {
        return Err(reason.into());
    }
    let Ok(reply) = behind.routes.oneshot(request.map(Body::new)).await;
    Ok(reply)
}
