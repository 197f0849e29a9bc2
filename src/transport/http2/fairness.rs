//! Fairness between calls. A connection with many calls lets other tasks run before it reads, and reads a limited amount at a
//! time.
//!
//! Each response that is read wakes the task of its call. A worker of tokio has a queue of 256 tasks. When that queue is full,
//! half of its tasks move to the queue that all workers share. A worker takes tasks from the shared queue when its own queue is
//! empty. A busy worker takes a task from the shared queue only occasionally. Without this module, a call whose task was moved
//! to the shared queue would wait while other calls run dozens of times.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::RuntimeMetrics;

/// Minimum number of calls for which a connection yields to other tasks. Fewer calls do not fill the queue of a worker.
const MIN_CALLS: usize = 16;

/// Maximum number of bytes that a connection with at least [`MIN_CALLS`] calls reads in one turn: about 40 responses of 800
/// bytes. One worker can run six such connections before the tasks that they wake fill its queue. Each read still serves many
/// calls.
const READ_LIMIT: usize = 32 << 10;

/// Maximum number of times in a row that a connection yields to tasks in the shared queue. After each yield, the worker runs up
/// to 61 other tasks before the connection's task is woken.
const MAX_YIELDS: usize = 5;

/// Decides when a connection lets other tasks run before it reads and writes.
pub(super) struct TurnScheduler {
    runtime: RuntimeMetrics,
    budget: ReadBudget,
    /// True if the connection has let ready tasks run and its turn is next.
    has_yielded: bool,
    /// Number of times in a row that the connection yielded to the shared queue.
    yields: usize,
}

impl TurnScheduler {
    /// Creates the scheduler of a connection that reads through a [`Budgeted`] with this budget.
    pub(super) fn new(budget: ReadBudget) -> Self {
        Self {
            runtime: tokio::runtime::Handle::current().metrics(),
            budget,
            has_yielded: false,
            yields: 0,
        }
    }

    /// Begins a turn of a connection with this number of calls. Returns `false` if the connection has to let other tasks run
    /// first. In that case its task has been scheduled again.
    pub(super) fn begin(&mut self, calls: usize, cx: &mut Context<'_>) -> bool {
        if calls < MIN_CALLS {
            self.budget.set(usize::MAX);
            return true;
        }
        if self.yields_now(cx) {
            return false;
        }
        self.budget.set(READ_LIMIT);
        true
    }

    fn yields_now(&mut self, cx: &mut Context<'_>) -> bool {
        // Yield: once the worker's own queue is empty, the worker takes tasks from the shared queue.
        if self.yields < MAX_YIELDS && self.runtime.global_queue_depth() > 0 {
            self.yields += 1;
            return pin!(tokio::task::yield_now()).poll(cx).is_pending();
        }
        self.yields = 0;
        // If the connection used up its budget, its task is already queued behind the tasks that it woke, so it need not yield
        // again.
        if self.budget.is_used_up() {
            self.has_yielded = false;
            return false;
        }
        // Let ready tasks run first, so that one write sends the data of all of them.
        self.has_yielded = !self.has_yielded;
        if self.has_yielded {
            cx.waker().wake_by_ref();
        }
        self.has_yielded
    }
}

/// Number of bytes that the connection may still read in this turn. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct ReadBudget(Arc<AtomicUsize>);

impl ReadBudget {
    /// Returns a budget without a limit.
    pub(super) fn unlimited() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }

    fn is_used_up(&self) -> bool {
        self.remaining() == 0
    }

    fn remaining(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the number of bytes. Only the connection's task calls this.
    fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// A stream of bytes with a read budget. When the budget is used up, reads return `Pending` and wake the task.
pub(super) struct Budgeted<I> {
    io: I,
    budget: ReadBudget,
}

impl<I> Budgeted<I> {
    pub(super) fn new(io: I, budget: ReadBudget) -> Self {
        Self { io, budget }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Budgeted<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.budget.is_used_up() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        self.budget
            .set(self.budget.remaining().saturating_sub(read));
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Budgeted<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Wake, Waker};

    use super::*;

    /// The shared queue is filled from outside while the only worker is busy.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_busy_connection_yields_while_the_shared_queue_has_tasks_and_within_a_bound() {
        let (free, busy) = std::sync::mpsc::channel::<()>();
        let (started, has_started) = tokio::sync::oneshot::channel();
        let worker = tokio::spawn(async move {
            started.send(()).expect("it is awaited");
            busy.recv().expect("it is freed");
        });
        has_started.await.expect("it starts");
        let mut turns = TurnScheduler::new(ReadBudget::unlimited());
        let mut cx = Context::from_waker(Waker::noop());
        // The shared queue is empty: other tasks have one turn, and then the connection has its turn.
        assert!(!turns.begin(MIN_CALLS, &mut cx));
        assert!(turns.begin(MIN_CALLS, &mut cx));
        let waits: Vec<_> = (0..3).map(|_| tokio::spawn(async {})).collect();
        assert_eq!(turns.runtime.global_queue_depth(), 3);
        let began = (0..20).map(|_| turns.begin(MIN_CALLS, &mut cx));
        let before_its_own = began.take_while(|began| !began).count();
        assert_eq!(before_its_own, 2 * MAX_YIELDS + 1);
        free.send(()).expect("it waits");
        worker.await.expect("no panic");
        for wait in waits {
            wait.await.expect("no panic");
        }
        assert!(!turns.begin(MIN_CALLS, &mut cx));
        assert!(turns.begin(MIN_CALLS, &mut cx));
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reads pieces of at most 8 KiB until reading is pending or the data ends. Returns the number of bytes.
    fn read(io: &mut Budgeted<&[u8]>, cx: &mut Context<'_>) -> usize {
        let mut total = 0;
        loop {
            let mut bytes = [0; 8 << 10];
            let mut buf = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *io).poll_read(cx, &mut buf) {
                Poll::Ready(result) => result.expect("it reads"),
                Poll::Pending => return total,
            }
            if buf.filled().is_empty() {
                return total;
            }
            total += buf.filled().len();
        }
    }

    #[tokio::test]
    async fn a_connection_with_many_calls_reads_its_budget_and_then_queues_behind_the_tasks_it_woke()
     {
        let data = vec![0; 10 * READ_LIMIT];
        let budget = ReadBudget::unlimited();
        let mut io = Budgeted::new(&data[..], budget.clone());
        let mut turns = TurnScheduler::new(budget);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut cx = Context::from_waker(&waker);
        let woken = || wakes.0.load(Ordering::Relaxed);

        assert!(!turns.begin(MIN_CALLS, &mut cx));
        assert!(turns.begin(MIN_CALLS, &mut cx));
        assert_eq!(woken(), 1);
        for turn in 1..4 {
            assert_eq!(read(&mut io, &mut cx), READ_LIMIT);
            assert_eq!(woken(), 1 + turn);
            // The connection was queued behind the tasks that it woke, so its next turn begins at once.
            assert!(turns.begin(MIN_CALLS, &mut cx));
        }
        // After a turn that did not use up its budget, the connection lets other tasks run first.
        assert!(!turns.begin(MIN_CALLS, &mut cx));

        // A connection with few calls reads without a limit.
        assert!(turns.begin(MIN_CALLS - 1, &mut cx));
        assert_eq!(read(&mut io, &mut cx), 7 * READ_LIMIT);
    }
}
