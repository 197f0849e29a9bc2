//! A TCP proxy that does to each connection what a bad network does, and counts the connections.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// The fault of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Pass,
    /// An immediate reset.
    Reset,
    /// An immediate graceful end.
    Close,
    /// No bytes pass for now.
    Hold,
    /// The connection stays open and all bytes in both directions are lost. Of later orders, only those that end the
    /// connection have an effect, since a stream with missing bytes never recovers.
    Swallow,
    /// This many bytes reach the client, and then the connection ends in this way.
    Down(usize, End),
    /// A reset after a response has passed and nothing more has come for a moment.
    ResetIdle(Duration),
    /// This many bytes at a time, in both directions.
    Trickle(usize, Duration),
    /// Bytes to the client are delayed.
    Delay(Duration),
    /// An HTTP/2 connection is reset at its first bytes. Other connections pass.
    NoHttp2,
    /// Every request is answered with these bytes and the end of the connection.
    Answer(&'static [u8]),
}

/// The end of a connection after the bytes of `Act::Down`, or the loss of bytes in place of an end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Reset,
    Close,
    /// It does not end: this many bytes are lost, and the following bytes pass.
    Lose(usize),
}

/// The orders from now on, for open connections and for new ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders {
    pub(crate) open: Act,
    pub(crate) new: Act,
    /// The port does not listen.
    pub(crate) refuse: bool,
}

impl Orders {
    pub(crate) const PASS: Self = Self {
        open: Act::Pass,
        new: Act::Pass,
        refuse: false,
    };

    /// The behaviour of a server that has stopped.
    pub(crate) const GONE: Self = Self {
        refuse: true,
        ..Self::all(Act::Reset)
    };

    pub(crate) const fn all(act: Act) -> Self {
        Self {
            open: act,
            new: act,
            refuse: false,
        }
    }
}

/// A running proxy. Dropping it ends it and its connections.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    orders: watch::Sender<Orders>,
    upstream: Mutex<SocketAddr>,
    open: AtomicUsize,
}

impl Proxy {
    /// Starts a proxy for this address, on a port of its own.
    pub(crate) async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            orders: watch::Sender::new(Orders::PASS),
            upstream: Mutex::new(upstream),
            open: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(Arc::clone(&shared), listener, address));
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn order(&self, orders: Orders) {
        self.shared.orders.send_replace(orders);
    }

    /// Changes the server to which new connections are forwarded.
    pub(crate) fn lead_to(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock().expect("not poisoned") = upstream;
    }

    /// Returns the number of open connections of clients.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts connections while the port listens. Otherwise a socket that does not listen holds the port, so that no other process
/// gets it.
async fn accept(shared: Arc<Shared>, listener: TcpListener, address: SocketAddr) {
    let mut orders = shared.orders.subscribe();
    let mut connections = JoinSet::new();
    let mut listener = Some(listener);
    loop {
        let refuse = orders.borrow_and_update().refuse;
        if refuse && listener.take().is_some() {
            let held = hold(address);
            if orders.wait_for(|orders| !orders.refuse).await.is_err() {
                return;
            }
            listener = Some(held.listen(1024).expect("it is ours"));
        }
        let Some(listening) = &listener else {
            continue;
        };
        tokio::select! {
            _ = orders.changed() => {}
            Some(_) = connections.join_next() => {}
            accepted = listening.accept() => if let Ok((client, _)) = accepted {
                connections.spawn(carry(Arc::clone(&shared), client));
            }
        }
    }
}

fn hold(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(address).expect("it was ours");
    socket
}

async fn carry(shared: Arc<Shared>, client: TcpStream) {
    shared.open.fetch_add(1, Ordering::SeqCst);
    // An I/O error is the end of a connection, which the test observes at the client.
    Connection::run(&shared, client).await.ok();
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

/// One direction of a connection.
struct Way {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    /// Bytes that were received and not forwarded.
    held: Vec<u8>,
    /// Number of bytes forwarded since the last order.
    passed: usize,
    /// Number of bytes that are still to be lost.
    losing: usize,
    ended: bool,
}

struct Connection {
    up: Way,
    down: Way,
    act: Act,
    /// The time at which held bytes are forwarded, or an idle connection ends.
    due: Option<Instant>,
}

impl Connection {
    async fn run(shared: &Shared, client: TcpStream) -> io::Result<()> {
        let mut orders = shared.orders.subscribe();
        let act = orders.borrow_and_update().new;
        let upstream = *shared.upstream.lock().expect("not poisoned");
        let server = TcpStream::connect(upstream).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mut connection = Self {
            up: Way::new(from_client, to_server),
            down: Way::new(from_server, to_client),
            act,
            due: None,
        };
        let mut changed = true;
        loop {
            if changed && connection.begin().await? {
                return Ok(());
            }
            changed = false;
            let due = connection.due;
            let full = matches!(connection.act, Act::Trickle(..));
            tokio::select! {
                biased;
                order = orders.changed() => {
                    order.map_err(io::Error::other)?;
                    let act = orders.borrow_and_update().open;
                    let ends = matches!(act, Act::Reset | Act::Close);
                    if ends || !matches!(connection.act, Act::Swallow) {
                        connection.act = act;
                        changed = true;
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    if connection.on_time().await? {
                        return Ok(());
                    }
                }
                read = connection.up.read(), if !full || connection.up.held.is_empty() => {
                    // If the client has closed the connection, the held bytes are useless.
                    if read? == 0 || connection.on_bytes().await? {
                        return Ok(());
                    }
                }
                read = connection.down.read(), if !connection.down.ended => {
                    connection.down.ended = read? == 0;
                    if connection.on_bytes().await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Handles an order. Like `on_bytes`, returns true if the connection ends.
    async fn begin(&mut self) -> io::Result<bool> {
        (self.up.passed, self.down.passed) = (0, 0);
        self.due = None;
        match self.act {
            Act::Reset => self.reset(),
            Act::Close => Ok(true),
            _ => self.on_bytes().await,
        }
    }

    async fn on_bytes(&mut self) -> io::Result<bool> {
        let now = Instant::now();
        match self.act {
            Act::Pass => {}
            Act::Reset => return self.reset(),
            Act::Close => return Ok(true),
            Act::Hold => return Ok(false),
            Act::Swallow => {
                self.up.held.clear();
                self.down.held.clear();
                return Ok(false);
            }
            Act::Down(bytes, end) => {
                self.up.pass(usize::MAX).await?;
                self.down.pass(bytes - self.down.passed).await?;
                if self.down.held.is_empty() {
                    return Ok(self.down.ended);
                }
                match end {
                    End::Reset => return self.reset(),
                    End::Close => return Ok(true),
                    End::Lose(lost) => {
                        self.down.losing = lost;
                        self.act = Act::Pass;
                    }
                }
            }
            Act::ResetIdle(pause) => {
                let answered = !self.down.held.is_empty() || self.down.passed > 0;
                self.due = answered.then_some(now + pause);
            }
            Act::Trickle(_, tick) => {
                self.due = self.due.or(Some(now + tick));
                return Ok(self.down.ended && self.down.held.is_empty());
            }
            Act::Delay(time) => {
                self.up.pass(usize::MAX).await?;
                if !self.down.held.is_empty() {
                    self.due = self.due.or(Some(now + time));
                }
                return Ok(self.down.ended && self.down.held.is_empty());
            }
            Act::NoHttp2 => {
                if self.up.passed == 0 && self.up.held.starts_with(b"PRI") {
                    return self.reset();
                }
            }
            Act::Answer(bytes) => {
                if !self.up.held.is_empty() {
                    self.down.to.write_all(bytes).await?;
                    self.down.to.shutdown().await?;
                    // All bytes are read. Unread bytes would turn the end into a reset.
                    let rest = async { while self.up.read().await.is_ok_and(|read| read > 0) {} };
                    tokio::time::timeout(Duration::from_millis(200), rest)
                        .await
                        .ok();
                    return Ok(true);
                }
                return Ok(self.down.ended);
            }
        }
        self.up.pass(usize::MAX).await?;
        self.down.pass(usize::MAX).await?;
        Ok(self.down.ended)
    }

    async fn on_time(&mut self) -> io::Result<bool> {
        self.due = None;
        match self.act {
            Act::Trickle(bytes, tick) => {
                self.up.pass(bytes).await?;
                self.down.pass(bytes).await?;
                if !self.up.held.is_empty() || !self.down.held.is_empty() {
                    self.due = Some(Instant::now() + tick);
                }
                Ok(self.down.ended && self.down.held.is_empty())
            }
            Act::ResetIdle(_) => self.reset(),
            _ => {
                self.down.pass(usize::MAX).await?;
                Ok(self.down.ended)
            }
        }
    }

    fn reset(&self) -> io::Result<bool> {
        // Closing a socket without lingering resets it.
        self.down.to.as_ref().set_zero_linger()?;
        Ok(true)
    }
}

impl Way {
    fn new(from: OwnedReadHalf, to: OwnedWriteHalf) -> Self {
        Self {
            from,
            to,
            // The size of one read.
            held: Vec::with_capacity(16 << 10),
            passed: 0,
            losing: 0,
            ended: false,
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.from.read_buf(&mut self.held).await
    }

    /// Forwards at most this many of the held bytes.
    async fn pass(&mut self, most: usize) -> io::Result<()> {
        let lost = self.losing.min(self.held.len());
        self.held.drain(..lost);
        self.losing -= lost;
        let now = most.min(self.held.len());
        self.to.write_all(&self.held[..now]).await?;
        self.held.drain(..now);
        self.passed += now;
        Ok(())
    }
}
